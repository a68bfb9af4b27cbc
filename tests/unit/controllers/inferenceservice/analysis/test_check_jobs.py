"""Jobs that judge: one for each step, restricted, told whom it is about; and what their end means."""

from typing import Any

import pytest

from modelops.api.rollout import AnalysisCheck
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job, check_job_name, check_job_result
from modelops.controllers.jobs import job_state
from support.builders.common import settings
from support.builders.inferenceservices import UID, inference_service

SUBJECT = CheckArguments(
    namespace="team",
    inferenceservice="mortgage",
    stable="mortgage-1",
    candidate="mortgage-2",
    weight=25,
    stable_url="http://mortgage-stable.team.svc.cluster.local",
    candidate_url="http://mortgage-candidate.team.svc.cluster.local",
)


def check(name: str = "smoke", **job: Any) -> AnalysisCheck:
    return AnalysisCheck.model_validate({"name": name, "job": {"image": "judge:1", **job}})


def made(wanted: AnalysisCheck, **service: Any) -> dict[str, Any]:
    return check_job(inference_service(**service), wanted, SUBJECT, "attempt", 2, settings())


def container(job: dict[str, Any]) -> dict[str, Any]:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    return only


def test_a_name_for_each_step_of_each_attempt() -> None:
    """Otherwise a step would be passed by the Job of another one."""
    service = inference_service()
    names = {
        check_job_name(service, check(name), attempt, step)
        for name in ("a", "b")
        for attempt in "xy"
        for step in (1, 2)
    }
    assert len(names) == 8
    assert check_job_name(service, check("a"), "x", 1) == check_job_name(service, check("a"), "x", 1)
    assert all(name.startswith(("mortgage-a-", "mortgage-b-")) for name in names)


def test_a_long_name_is_cut_and_still_told_apart() -> None:
    service = inference_service()
    names = {check_job_name(service, check("a" * 62 + ending), "x", 1) for ending in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_it_wakes_its_inferenceservice_and_ends_with_it() -> None:
    job = made(check())
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        assert labels["modelops.dev/inferenceservice"] == "mortgage"
        assert labels["app.kubernetes.io/managed-by"] == "modelops"
        # Not one of those that the Services select: nobody's request may come to it.
        assert labels["app.kubernetes.io/component"] == "check"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("InferenceService", UID, True)


def test_it_is_restricted_and_tried_once() -> None:
    spec = made(check(timeout="1500ms"))["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 2)
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    security = container(made(check()))["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True


def test_it_runs_where_the_models_pods_do() -> None:
    pod = made(check(), pod={"serviceAccountName": "judge", "runAsUser": 1000})["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "judge"
    assert pod["securityContext"]["runAsUser"] == 1000


def test_what_it_is_told() -> None:
    env = [{"name": "MODE", "value": "fast"}, {"name": "EMPTY", "value": ""}, {"name": "MODELOPS_WEIGHT", "value": "7"}]
    told = {one["name"]: one.get("value") for one in container(made(check(env=env)))["env"]}
    assert told == {
        "HOME": "/tmp",
        "MODELOPS_CANDIDATE_URL": SUBJECT.candidate_url,
        "MODELOPS_STABLE_URL": SUBJECT.stable_url,
        "MODELOPS_CANDIDATE_VERSION": "mortgage-2",
        "MODELOPS_STABLE_VERSION": "mortgage-1",
        "MODELOPS_WEIGHT": "7",
        "MODE": "fast",
        "EMPTY": None,
    }


def test_what_the_user_says_about_the_container() -> None:
    said = container(
        made(
            check(
                command=["judge"],
                args=["--all"],
                resources={"limits": {"memory": "1024Mi"}, "requests": {"cpu": "0.5"}},
            )
        )
    )
    assert (said["image"], said["command"], said["args"]) == ("judge:1", ["judge"], ["--all"])
    # As the API server writes it back.
    assert said["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"cpu": "500m"}}
    assert {"command", "args"}.isdisjoint(container(made(check())))


def ended(condition: str | None, code: int | None, said: str = "", reason: str = "", message: str = "") -> Any:
    """A Job's state with one Pod, whose container ended."""
    metadata = {"name": "j", "namespace": "team", "uid": "u"}
    conditions = [{"type": condition, "status": "True", "reason": reason, "message": message}] if condition else []
    terminated = {"exitCode": code, "message": said}
    pod = {
        "metadata": {"name": "p"},
        "status": {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": "check", "state": {"terminated": terminated}}],
        },
    }
    body = {"kind": "Job", "metadata": metadata, "status": {"conditions": conditions}}
    return job_state(body, [pod] if code is not None else [])


@pytest.mark.parametrize(
    ("job", "outcome", "message"),
    [
        (ended("Complete", 0), "Passed", "exit code 0"),
        (ended("Complete", 0, "12 of 12 right\n"), "Passed", "12 of 12 right"),
        (ended("Failed", 1), "Failed", "exit code 1"),
        (ended("Failed", 1, "3 of 12 wrong"), "Failed", "3 of 12 wrong"),
        (ended("Failed", 2, "no such file"), "Error", "exit code 2: no such file"),
        (ended("Failed", 137), "Error", "exit code 137"),
        (ended("Failed", 1, "stopped", "DeadlineExceeded"), "Error", "it took longer than 10m; Job j has the details"),
        (ended("Failed", None, message="it could not be started"), "Error", "it could not be started"),
        (ended("Failed", 1, "x" * 5000), "Failed", "x" * 1000),
    ],
)
def test_what_its_end_means(job: Any, outcome: str, message: str) -> None:
    result = check_job_result(check(), job)
    assert result is not None
    assert (result.name, result.outcome, result.message) == ("smoke", outcome, message)


def test_while_it_runs_it_says_nothing() -> None:
    assert check_job_result(check(), ended(None, None)) is None
