"""Jobs that judge: one for each step of an attempt, made and read. Pure."""

import math

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CheckResult, Outcome
from modelops.api.rollout import Check, CheckJob
from modelops.controllers.containers import (
    SCRATCH,
    container_security,
    empty_dir,
    environment,
    literal,
    mount,
    pod_defaults,
    resources_or_default,
)
from modelops.controllers.inferenceservice.analysis.arguments import Subject
from modelops.controllers.inferenceservice.analysis.judge import clipped
from modelops.controllers.inferenceservice.pod.quantities import canonical_resources
from modelops.controllers.jobs import JobState
from modelops.controllers.metadata import labels, owner_references
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

CHECK = "check"
_NAME_LIMIT = 63
_DEFAULT_RESOURCES = {"requests": {"cpu": "50m", "memory": "64Mi"}}
_DEADLINE_EXCEEDED = "DeadlineExceeded"


def check_job_name(service: InferenceService, check: Check, attempt: str, step: int) -> str:
    """One for each step of each attempt. What a long name loses at its end is in the hash."""
    decides = {"uid": service.metadata.uid, "check": check.name, "attempt": attempt, "step": step}
    ending = f"-{short(json_digest(decides), 10)}"
    return f"{service.metadata.name}-{check.name}"[: _NAME_LIMIT - len(ending)].rstrip("-") + ending


def check_job(
    service: InferenceService, check: Check, subject: Subject, attempt: str, step: int, settings: Settings
) -> Body:
    """The Job of a check that has one."""
    job = check.job
    assert job is not None, "the check has a Job"
    marks = labels(service, CHECK, modelversion=subject.candidate)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": check_job_name(service, check, attempt, step),
            "namespace": service.metadata.namespace,
            "labels": marks,
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": math.ceil(parse_duration(job.timeout).total_seconds()),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                # A Pod that its node loses has judged nothing: another one does.
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": marks},
                "spec": {
                    **pod_defaults(service.spec.pod),
                    "restartPolicy": "Never",
                    "containers": [_container(job, subject, settings)],
                    "volumes": [empty_dir(SCRATCH)],
                },
            },
        },
    }


def check_job_result(check: Check, job: JobState) -> CheckResult | None:
    """What a Job has found; None while it runs."""
    if not job.finished:
        return None
    if job.state == "Complete":
        return _result(check, "Passed", _last_words(job) or "exit code 0")
    code = _exit_code(job)
    if job.finished_reason == _DEADLINE_EXCEEDED:
        timeout = check.job.timeout if check.job is not None else ""
        return _result(check, "Error", f"it took longer than {timeout}; Job {job.key.name} has the details")
    if code == 1:
        return _result(check, "Failed", _last_words(job) or "exit code 1")
    ended = f"exit code {code}" if code is not None else job.message or job.finished_reason or "it ended without a Pod"
    words = _last_words(job)
    return _result(check, "Error", f"{ended}: {words}" if words else ended)


def _container(job: CheckJob, subject: Subject, settings: Settings) -> Body:
    container: Body = {
        "name": CHECK,
        "image": job.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": _environment(job, subject),
        "resources": canonical_resources(resources_or_default(job.resources, _DEFAULT_RESOURCES)),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount(SCRATCH, "/tmp")],
    }
    if job.command:
        container["command"] = list(job.command)
    if job.args:
        container["args"] = list(job.args)
    return container


def _environment(job: CheckJob, subject: Subject) -> list[Body]:
    """What a check may want to know, then the user's own variables, which win. The API server drops an empty value, and
    so is it here.
    """
    known = {
        "HOME": "/tmp",
        "MODELOPS_CANDIDATE_URL": subject.candidate_url,
        "MODELOPS_STABLE_URL": subject.stable_url,
        "MODELOPS_CANDIDATE_VERSION": subject.candidate,
        "MODELOPS_STABLE_VERSION": subject.stable,
        "MODELOPS_WEIGHT": str(subject.weight),
    }
    users = environment(job.env)
    taken = {variable["name"] for variable in users}
    return [
        *({"name": name, "value": literal(value)} for name, value in known.items() if name not in taken),
        *({key: value for key, value in variable.items() if value != ""} for variable in users),
    ]


def _exit_code(job: JobState) -> int | None:
    pod = job.deciding_pod
    container = pod.containers.get(CHECK) if pod is not None else None
    return container.exit_code if container is not None else None


def _last_words(job: JobState) -> str:
    """The end of what it wrote: of a long text, the last lines say most."""
    pod = job.deciding_pod
    container = pod.containers.get(CHECK) if pod is not None else None
    return container.message.strip()[-1000:] if container is not None else ""


def _result(check: Check, outcome: Outcome, message: str) -> CheckResult:
    return CheckResult(name=check.name, outcome=outcome, message=clipped(message))
