"""Check Jobs: one for each step, restricted, with the arguments as variables; and the result of a finished Job."""

from typing import Any

import pytest

from modelops.api.rollout import AnalysisCheck
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job, check_job_name, check_job_result
from modelops.controllers.jobs import JobState, job_state
from support.builders.analyses import check_arguments
from support.builders.common import settings
from support.builders.inferenceservices import UID, inference_service


def check(name: str = "smoke", **job: Any) -> AnalysisCheck:
    return AnalysisCheck.model_validate({"name": name, "job": {"image": "judge:1", **job}})


def built(wanted: AnalysisCheck, **service: Any) -> dict[str, Any]:
    return check_job(inference_service(**service), wanted, check_arguments(), "attempt", 2, settings())


def container(job: dict[str, Any]) -> dict[str, Any]:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_each_step_of_each_attempt_has_a_job_of_its_own() -> None:
    """Otherwise the Job of one step would let a candidate pass another."""
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


def test_a_long_name_is_cut_and_stays_unique() -> None:
    service = inference_service()
    names = {check_job_name(service, check("a" * 62 + ending), "x", 1) for ending in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_a_check_job_belongs_to_its_inferenceservice() -> None:
    job = built(check())
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        assert labels["modelops.dev/inferenceservice"] == "mortgage"
        assert labels["app.kubernetes.io/managed-by"] == "modelops"
        # Not a component that the Services select: no client's request may reach the Job.
        assert labels["app.kubernetes.io/component"] == "check"
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("InferenceService", UID, True)


def test_a_check_job_is_restricted_and_tried_once() -> None:
    spec = built(check(timeout="1500ms"))["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 2)
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    security = container(built(check()))["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True


def test_a_check_job_runs_with_the_pod_options_of_the_model() -> None:
    pod = built(check(), pod={"serviceAccountName": "judge", "runAsUser": 1000})["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "judge"
    assert pod["securityContext"]["runAsUser"] == 1000


def test_arguments_are_variables_and_the_users_own_variables_win() -> None:
    env = [{"name": "MODE", "value": "fast"}, {"name": "EMPTY", "value": ""}, {"name": "MODELOPS_WEIGHT", "value": "7"}]
    variables = {variable["name"]: variable.get("value") for variable in container(built(check(env=env)))["env"]}
    assert variables == {
        "HOME": "/tmp",
        "MODELOPS_CANDIDATE_URL": check_arguments().candidate_url,
        "MODELOPS_STABLE_URL": check_arguments().stable_url,
        "MODELOPS_CANDIDATE_VERSION": "mortgage-2",
        "MODELOPS_STABLE_VERSION": "mortgage-1",
        "MODELOPS_WEIGHT": "7",
        "MODE": "fast",
        "EMPTY": None,
    }


def test_command_args_and_resources_are_the_users() -> None:
    judge = container(
        built(
            check(
                command=["judge"],
                args=["--all"],
                resources={"limits": {"memory": "1024Mi"}, "requests": {"cpu": "0.5"}},
            )
        )
    )
    assert (judge["image"], judge["command"], judge["args"]) == ("judge:1", ["judge"], ["--all"])
    # As the API server writes it back.
    assert judge["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"cpu": "500m"}}
    assert {"command", "args"}.isdisjoint(container(built(check())))


def finished(
    condition: str | None, *, exit_code: int | None, written: str = "", reason: str = "", message: str = ""
) -> JobState:
    """Return a Job with this condition and, with an exit code, a Pod whose container wrote a termination message."""
    metadata = {"name": "j", "namespace": "team", "uid": "u"}
    conditions = [{"type": condition, "status": "True", "reason": reason, "message": message}] if condition else []
    terminated = {"exitCode": exit_code, "message": written}
    pod = {
        "metadata": {"name": "p"},
        "status": {
            "phase": "Succeeded" if exit_code == 0 else "Failed",
            "containerStatuses": [{"name": "check", "state": {"terminated": terminated}}],
        },
    }
    body = {"kind": "Job", "metadata": metadata, "status": {"conditions": conditions}}
    return job_state(body, [pod] if exit_code is not None else [])


@pytest.mark.parametrize(
    ("job", "outcome", "message"),
    [
        pytest.param(finished("Complete", exit_code=0), "Passed", "exit code 0", id="exit code 0 passes"),
        pytest.param(
            finished("Complete", exit_code=0, written="12 of 12 right\n"),
            "Passed",
            "12 of 12 right",
            id="the message of a pass is what the container wrote",
        ),
        pytest.param(finished("Failed", exit_code=1), "Failed", "exit code 1", id="exit code 1 fails"),
        pytest.param(
            finished("Failed", exit_code=1, written="3 of 12 wrong"),
            "Failed",
            "3 of 12 wrong",
            id="the message of a failure is what the container wrote",
        ),
        pytest.param(
            finished("Failed", exit_code=2, written="no such file"),
            "Error",
            "exit code 2: no such file",
            id="any other exit code is an error",
        ),
        pytest.param(finished("Failed", exit_code=137), "Error", "exit code 137", id="a killed container is an error"),
        pytest.param(
            finished("Failed", exit_code=1, written="stopped", reason="DeadlineExceeded"),
            "Error",
            "timeout of 10m exceeded: see Job j",
            id="a timeout is an error",
        ),
        pytest.param(
            finished("Failed", exit_code=None, message="it could not be started"),
            "Error",
            "it could not be started",
            id="without a Pod the message is the Job's",
        ),
        pytest.param(finished("Failed", exit_code=None), "Error", "ended without a Pod", id="without any message"),
        pytest.param(
            finished("Failed", exit_code=1, written="x" * 5000), "Failed", "x" * 1000, id="a long message is cut"
        ),
    ],
)
def test_the_end_of_a_job_is_the_result_of_its_check(job: JobState, outcome: str, message: str) -> None:
    result = check_job_result(check(), job)
    assert result is not None
    assert (result.name, result.outcome, result.message) == ("smoke", outcome, message)


def test_a_running_job_has_no_result() -> None:
    assert check_job_result(check(), finished(None, exit_code=None)) is None
