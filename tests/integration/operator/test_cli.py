"""`kubectl modelops` on a real cluster: requests take effect, and the printed state is that of the objects."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hack.cluster import places
from support.cluster import mortgage
from support.cluster.real_cluster import Body, Space, has

_STEPS = {"strategy": "Canary", "steps": [{"weight": 20}, {"weight": 60}]}
_WRITES = "open('/opt/ml/model/model', 'w').write('weights')"
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


@dataclass(frozen=True)
class Answer:
    """Output and exit code of a command."""

    code: int
    out: str
    error: str


@dataclass(frozen=True)
class Plugin:
    """`kubectl modelops` in the namespace of a test."""

    space: Space

    def __call__(self, *arguments: str) -> Answer:
        """Run a command to its end."""
        process = self.start(*arguments)
        out, error = process.communicate(timeout=120)
        return Answer(process.returncode, out, error)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command, which runs beside the test."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.space.cluster.place.kubeconfig),
            "PYTHONPATH": str(places.CHECKOUT / "operator"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "modelops.cli", *arguments, "-n", self.space.name],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _assert_succeeded(answer: Answer) -> None:
    assert (answer.code, answer.error) == (0, ""), answer


def _in_step(step: int, version: str) -> Callable[[Body], bool]:
    """Return a predicate: the candidate is in this step, and the traffic has shifted."""

    def check(body: Body) -> bool:
        candidate = body["status"].get("candidate", {})
        return candidate.get("version") == version and candidate.get("step") == step and "stepSince" in candidate

    return check


def _refreshed_after(before: str | None) -> Callable[[Body], bool]:
    """Return a predicate: the operator has acted on another refresh than `before`."""
    return lambda body: body["status"].get("lastHandledRefresh") != before


def _imported(space: Space, name: str, artifact: Body, approval: str = "Automatic") -> Body:
    """Return another version of the same artifact."""
    spec = {"model": "approval", "artifact": artifact, "origin": {"imported": {"source": "a test"}}}
    return space.object("ModelVersion", name, {**spec, "approval": approval})


@pytest.mark.takes_minutes
def test_a_person_controls_a_rollout_with_the_plugin_alone(space: Space) -> None:
    """A person follows, promotes, pauses, aborts and retries a rollout without knowing an annotation."""
    plugin = Plugin(space)
    space.upload("mortgage/applications.csv", mortgage.data())
    dataset, run, service = mortgage.manifests(space)
    service["spec"]["rollout"] = _STEPS
    space.apply(dataset, run, service)
    first = space.wait("trainingrun", "approval", has("Ready"), within=180)["status"]["modelVersion"]
    space.wait("inferenceservice", "approvals", mortgage.serves(first), within=120)

    status = plugin("rollout", "status", "approvals")
    assert status.code == 0, status
    assert first in status.out
    refused = plugin("rollout", "promote", "approvals")
    assert refused.code == 3
    assert (
        refused.error == "kubectl modelops: InferenceService approvals has no candidate: there is nothing to promote\n"
    )

    digest = space.get("dataset", "applications")["status"]["snapshot"]["digest"]
    lineage = plugin("lineage", "approvals")
    _assert_succeeded(lineage)
    (pod_line, *rest) = lineage.out.splitlines()
    assert first in rest[0]
    assert any("applications" in line and digest in line for line in rest)
    assert plugin("lineage", pod_line.split()[1]).out == lineage.out

    artifact = space.get("modelversion", first)["spec"]["artifact"]
    space.apply(_imported(space, "second", artifact, approval="Manual"))
    space.wait("modelversion", "second", has("Ready", "False", "AwaitingApproval"))
    _assert_succeeded(plugin("approve", "second"))
    approved = space.wait("modelversion", "second", has("Ready"))["status"]["approval"]
    me = space.cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert (approved["by"], approved["digest"]) == (me.strip(), artifact["digest"])

    space.wait("inferenceservice", "approvals", _in_step(1, "second"), within=120)
    watch = plugin.start("rollout", "status", "approvals", "--watch")
    status = plugin("rollout", "status", "approvals")
    assert status.code == 2, status
    assert "1/2 (20% of traffic)" in status.out
    assert "until promoted" in status.out
    _assert_succeeded(plugin("rollout", "pause", "approvals"))
    assert "paused" in plugin("rollout", "status", "approvals").out
    _assert_succeeded(plugin("rollout", "resume", "approvals"))
    _assert_succeeded(plugin("rollout", "promote", "approvals"))
    space.wait("inferenceservice", "approvals", _in_step(2, "second"), within=120)
    requests = space.get("inferenceservice", "approvals")["status"]["lastHandledRequests"]
    assert requests["promoteBy"] == requests["pauseBy"] == requests["resumeBy"] == me.strip()
    assert f"{me.strip()} requests to promote" in space.events("approvals", "Requested")
    _assert_succeeded(plugin("rollout", "promote", "approvals"))
    space.wait("inferenceservice", "approvals", mortgage.serves("second"), within=120)
    printed, error = watch.communicate(timeout=60)
    assert (watch.returncode, error) == (0, "")
    lines = printed.splitlines()
    assert any("candidate second: step 2/2 (60% of traffic)" in line for line in lines)
    assert any("Ready True" in line for line in lines)

    space.apply(_imported(space, "third", artifact))
    space.wait("inferenceservice", "approvals", _in_step(1, "third"), within=120)
    _assert_succeeded(plugin("rollout", "abort", "approvals", "--reason", "answers look wrong"))
    space.wait("inferenceservice", "approvals", has("RolledBack"), within=60)
    status = plugin("rollout", "status", "approvals")
    assert status.code == 1, status
    assert "Aborted" in status.out
    assert "answers look wrong" in status.out
    _assert_succeeded(plugin("rollout", "retry", "approvals"))
    space.wait("inferenceservice", "approvals", _in_step(1, "third"), within=120)
    _assert_succeeded(plugin("rollout", "promote", "approvals", "--full"))
    space.wait("inferenceservice", "approvals", mortgage.serves("third"), within=120)
    assert plugin("rollout", "status", "approvals").code == 0


@pytest.mark.takes_minutes
def test_a_person_refreshes_stops_retries_and_reruns_with_the_plugin_alone(space: Space) -> None:
    """The operator handles each request, and handles a repeated request again."""
    plugin = Plugin(space)
    space.upload("data/a.csv", "x\n1\n")
    slow = space.run("slow", "import time; time.sleep(600)", dataset=None)
    quick = space.run("quick", _WRITES, dataset=None, parameters={"of": "quick"})
    for body in (slow, quick):
        body["spec"]["trainer"]["resources"] = _SMALL
    space.apply(space.dataset(interval="1h"), slow, quick)

    space.wait("dataset", "data", has("Ready"))
    for _ in range(2):
        before = space.get("dataset", "data")["status"].get("lastHandledRefresh")
        _assert_succeeded(plugin("refresh", "data"))
        space.wait("dataset", "data", _refreshed_after(before))

    space.wait("trainingrun", "slow", lambda body: body["status"].get("attempts") == 1)
    assert plugin("retry", "slow").code == 3
    _assert_succeeded(plugin("stop", "slow", "--reason", "too expensive"))
    ended = space.wait("trainingrun", "slow", lambda body: "outcome" in body["status"])["status"]["outcome"]
    assert ended["state"] == "Stopped"
    assert "too expensive" in ended["message"]
    _assert_succeeded(plugin("retry", "slow"))
    space.wait("trainingrun", "slow", lambda body: "outcome" not in body["status"])

    key = space.wait("trainingrun", "quick", has("Ready"))["status"]["inputKey"]
    _assert_succeeded(plugin("rerun", "quick"))
    space.wait("trainingrun", "quick", lambda body: has("Ready")(body) and body["status"]["inputKey"] != key)

    missing = plugin("stop", "nothing")
    assert missing.code == 3
    assert missing.error == f"kubectl modelops: no TrainingRun nothing in namespace {space.name}\n"
