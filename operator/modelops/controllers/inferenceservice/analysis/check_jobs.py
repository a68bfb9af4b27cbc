"""Checks by Job: one Job for each step of an attempt, and the result of a finished Job. Pure."""

import math

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import AnalysisCheckResult
from modelops.api.rollout import AnalysisCheck, CheckJob
from modelops.controllers.containers import (
    SCRATCH,
    container_security,
    empty_dir,
    literal,
    mount,
    pod_defaults,
    resources_or_default,
    termination_message_policy,
)
from modelops.controllers.disk import room_for_scratch
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.results import check_result
from modelops.controllers.inferenceservice.pod.environment import canonical_environment
from modelops.controllers.inferenceservice.pod.quantities import canonical_resources
from modelops.controllers.jobs import JobState
from modelops.controllers.metadata import labels, owner_references
from modelops.controllers.pods import see_log
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

CHECK = "check"
_NAME_LIMIT = 63
_DEFAULT_RESOURCES = {"requests": {"cpu": "50m", "memory": "64Mi"}}
_DEADLINE_EXCEEDED = "DeadlineExceeded"
_MAX_CHARACTERS = 1000


def check_job_name(service: InferenceService, check: AnalysisCheck, attempt: str, step: int) -> str:
    """Return the name of the Job for this step of this attempt. A long name is cut, and stays unique by its hash."""
    identity = {"uid": service.metadata.uid, "check": check.name, "attempt": attempt, "step": step}
    suffix = f"-{short(json_digest(identity), 10)}"
    return f"{service.metadata.name}-{check.name}"[: _NAME_LIMIT - len(suffix)].rstrip("-") + suffix


def check_job(
    service: InferenceService,
    check: AnalysisCheck,
    arguments: CheckArguments,
    attempt: str,
    step: int,
    settings: Settings,
) -> Body:
    """Build the Job of a check that has `job` set."""
    job = check.job
    assert job is not None, "the check has a Job"
    job_labels = labels(service, CHECK, modelversion=arguments.candidate)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": check_job_name(service, check, attempt, step),
            "namespace": service.metadata.namespace,
            "labels": job_labels,
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": math.ceil(parse_duration(job.timeout).total_seconds()),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                # A Pod lost with its node has no result: the Job starts another one.
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": job_labels},
                "spec": {
                    **pod_defaults(service.spec.pod, settings),
                    "restartPolicy": "Never",
                    "containers": [_container(job, arguments, settings)],
                    "volumes": [empty_dir(SCRATCH, room_for_scratch(settings.disk))],
                },
            },
        },
    }


def check_job_result(check: AnalysisCheck, job: JobState) -> AnalysisCheckResult | None:
    """Return the result of a finished Job; None while the Job runs.

    Exit code 0 passes and 1 fails. Anything else is an error.
    """
    if not job.finished:
        return None
    message, code, place = _termination_message(job), _exit_code(job), _place_of_log(job)
    if job.state == "Complete":
        return check_result(check.name, "Passed", message or "exit code 0")
    if job.finished_reason == _DEADLINE_EXCEEDED:
        timeout = check.job.timeout if check.job is not None else ""
        return check_result(check.name, "Error", f"timeout of {timeout} exceeded: see Job {job.key.name}")
    if code == 1:
        return check_result(check.name, "Failed", message or f"exit code 1{place}")
    end = f"exit code {code}" if code is not None else job.message or job.finished_reason or "ended without a Pod"
    return check_result(check.name, "Error", f"{end}: {message}" if message else f"{end}{place}")


def _container(job: CheckJob, arguments: CheckArguments, settings: Settings) -> Body:
    variables = _environment(job, arguments)
    container: Body = {
        "name": CHECK,
        "image": job.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": variables,
        "resources": canonical_resources(resources_or_default(job.resources, _DEFAULT_RESOURCES)),
        "securityContext": container_security(),
        "terminationMessagePolicy": termination_message_policy(variables),
        "volumeMounts": [mount(SCRATCH, "/tmp")],
    }
    if job.command:
        container["command"] = list(job.command)
    if job.args:
        container["args"] = list(job.args)
    return container


def _environment(job: CheckJob, arguments: CheckArguments) -> list[Body]:
    defaults = {
        "HOME": "/tmp",
        "MODELOPS_CANDIDATE_URL": arguments.candidate_url,
        "MODELOPS_STABLE_URL": arguments.stable_url,
        "MODELOPS_CANDIDATE_VERSION": arguments.candidate,
        "MODELOPS_STABLE_VERSION": arguments.stable,
        "MODELOPS_WEIGHT": str(arguments.weight),
    }
    return canonical_environment({name: literal(value) for name, value in defaults.items()}, job.env)


def _exit_code(job: JobState) -> int | None:
    pod = job.deciding_pod
    container = pod.containers.get(CHECK) if pod is not None else None
    return container.exit_code if container is not None else None


def _place_of_log(job: JobState) -> str:
    pod = job.deciding_pod
    return see_log(pod, CHECK) if pod is not None else ""


def _termination_message(job: JobState) -> str:
    """Return the end of the container's message: its last lines say most."""
    pod = job.deciding_pod
    container = pod.containers.get(CHECK) if pod is not None else None
    return container.message.strip()[-_MAX_CHARACTERS:] if container is not None else ""
