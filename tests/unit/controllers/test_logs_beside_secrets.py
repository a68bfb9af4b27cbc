"""The log of a container that has Secrets stays out of every status: the container may print the Secrets' values."""

from typing import Any

import pytest

from modelops.api.rollout import AnalysisCheck
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.containers import termination_message_policy
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job, check_job_result
from modelops.controllers.inferenceservice.pod.template import template
from modelops.controllers.inferenceservice.rollout.pod_problems import pod_problem
from modelops.controllers.jobs import job_state
from modelops.controllers.pods import PodState, pod_state
from modelops.controllers.trainingrun.attempt.outcome import pod_failure, trainer_not_started
from modelops.controllers.trainingrun.attempt.pod import pod_spec
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.machinery.resources import PODS, Body
from support.builders.analyses import check_arguments
from support.builders.common import NOW, ago, digest, settings
from support.builders.inferenceservices import inference_service
from support.builders.jobs import RUNNING, pod, terminated
from support.builders.modelversions import version
from support.builders.trainingruns import training_run

SECRET: Body = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}
CONFIG: Body = {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "greeting"}}}
PLAIN: Body = {"name": "DEPTH", "value": "3"}
SEE = "; its log is not shown here, since the container has Secrets: see kubectl logs"


@pytest.mark.parametrize(
    ("environment", "mounts", "policy"),
    [
        pytest.param([PLAIN, CONFIG], ["config"], "FallbackToLogsOnError", id="no Secret"),
        pytest.param([], [], "FallbackToLogsOnError", id="a Secret that is mounted elsewhere"),
        pytest.param([PLAIN, SECRET], [], "File", id="a Secret as a variable"),
        pytest.param([], ["config", "keys"], "File", id="a Secret as files"),
    ],
)
def test_the_log_of_a_container_with_a_secret_is_not_copied(
    environment: list[Body], mounts: list[str], policy: str
) -> None:
    """Each row is a container of a Pod with a ConfigMap and a Secret as volumes."""
    volumes: list[Body] = [
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "keys", "secret": {"secretName": "s"}},
    ]
    mounted = [{"name": name, "mountPath": f"/{name}"} for name in mounts]
    assert termination_message_policy(environment, mounted, volumes) == policy


def trainers_policy(*variables: Body) -> str:
    """Return the policy of a trainer with these variables; the sidecar beside it mounts the store's Secret."""
    run = training_run(trainer={"image": "i", "command": ["t"], "env": list(variables)})
    made = pod_spec(run, ResolvedInputs(Inputs(generation=1, datasets=[]), digest("a")), settings(), "train-1")
    return policy_of(made, "trainer")


def servers_policy(*variables: Body, mounted: str = "") -> str:
    """Return the policy of a model server with these variables, which may mount a volume of the Pod."""
    mounts = {"volumeMounts": [{"name": mounted, "mountPath": "/m"}]} if mounted else {}
    service = inference_service(
        pinned="mortgage-1",
        server={"container": {"image": "server:1", "port": 8000, "env": list(variables), **mounts}},
        pod={"volumes": [{"name": "keys", "secret": {"secretName": "s"}}, {"name": "room", "emptyDir": {}}]},
    )
    return policy_of(template(service, version("mortgage-1"), settings())["spec"], "model")


def checks_policy(*variables: Body) -> str:
    """Return the policy of a check's container with these variables."""
    check = AnalysisCheck.model_validate({"name": "smoke", "job": {"image": "judge:1", "env": list(variables)}})
    made = check_job(inference_service(), check, check_arguments(), "attempt", 2, settings())
    return policy_of(made["spec"]["template"]["spec"], "check")


def policy_of(spec: dict[str, Any], name: str) -> str:
    """Return a container's policy, as the operator finds it in its cache of Pods."""
    made = PODS.trim({"metadata": {"name": "p"}, "spec": spec, "status": {}})
    (policy,) = [item["terminationMessagePolicy"] for item in made["spec"]["containers"] if item["name"] == name]
    return str(policy)


def test_every_container_of_a_user_has_the_policy_of_its_secrets() -> None:
    """Trainers, model servers and checks alike."""
    assert [trainers_policy(PLAIN, CONFIG), trainers_policy(SECRET)] == ["FallbackToLogsOnError", "File"]
    assert [checks_policy(PLAIN), checks_policy(SECRET)] == ["FallbackToLogsOnError", "File"]
    assert [servers_policy(CONFIG, mounted="room"), servers_policy(SECRET), servers_policy(mounted="keys")] == [
        "FallbackToLogsOnError",
        "File",
        "File",
    ]


def seen(body: Body, container: str) -> PodState:
    """Return a Pod as the operator sees it: its container has Secrets."""
    containers = [{"name": container, "terminationMessagePolicy": "File", "image": "i"}]
    return pod_state(PODS.trim({**body, "spec": {"nodeName": "node-1", "containers": containers}}))


def test_a_failed_trainer_says_where_its_log_is() -> None:
    """Without the log a person needs the command that shows it. What the trainer wrote for people is shown."""
    failure = pod_failure(seen(pod("Failed", trainer=terminated(3), sidecar=terminated(0)), "trainer"))
    assert failure is not None
    assert failure.message == f"the trainer exited with code 3{SEE} pod-1"
    body = pod(trainer=terminated(128, "", "StartError", ago(minutes=2)), sidecar=RUNNING)
    result = trainer_not_started(seen(body, "trainer"), NOW)
    assert f"before its command ran{SEE} pod-1" in str(result)
    written = pod_failure(seen(pod("Failed", trainer=terminated(3, "no rows")), "trainer"))
    assert written is not None
    assert written.message == "the trainer exited with code 3: no rows"


def test_a_failed_server_says_where_its_log_is() -> None:
    """The kubelet restarts it: the log is that of the previous container."""
    crashed = {"exitCode": 1, "reason": "Error"}
    status = {
        "name": "model",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": crashed},
    }
    body = {"metadata": {"name": "p1"}, "status": {"phase": "Running", "containerStatuses": [status]}}
    problem = pod_problem(seen(body, "model"))
    assert problem is not None
    assert problem.message == f"Pod p1: container model ended with exit code 1{SEE} p1 --previous"


@pytest.mark.parametrize(("code", "outcome"), [(1, "Failed"), (2, "Error")])
def test_a_failed_check_says_where_its_log_is(code: int, outcome: str) -> None:
    """A check of a container with Secrets may still write its own message."""
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}
    metadata = {"name": "j", "namespace": "team", "uid": "u"}
    body = {"kind": "Job", "metadata": metadata, "status": {"conditions": [failed]}}
    judge = {"name": "check", "state": {"terminated": {"exitCode": code}}}
    spec = {"containers": [{"name": "check", "terminationMessagePolicy": "File"}]}
    ended = {"metadata": {"name": "p"}, "spec": spec, "status": {"phase": "Failed", "containerStatuses": [judge]}}
    result = check_job_result(
        AnalysisCheck.model_validate({"name": "smoke", "job": {"image": "judge:1"}}), job_state(body, [ended])
    )
    assert result is not None
    assert (result.outcome, result.message) == (outcome, f"exit code {code}{SEE} p")
