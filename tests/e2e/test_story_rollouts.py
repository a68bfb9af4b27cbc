"""The story of rollouts under live traffic: a good version reaches everybody, a slow and a wrong one go back."""

import time
from collections.abc import Callable

from support import mortgage
from support.real_cluster import Body, Space, has
from support.traffic import Traffic


def test_a_second_version_reaches_everybody_and_bad_ones_go_back(space: Space) -> None:
    """No request is lost on the way, whichever way it is; and the status keeps what speaks against what went back."""
    space.upload("mortgage/applications.csv", mortgage.data())
    space.apply(*mortgage.manifests(space))
    first = space.wait("trainingrun", "approval", has("Ready"), within=180)["status"]["modelVersion"]
    space.wait("inferenceservice", "approvals", mortgage.serves(first), within=120)

    with Traffic(mortgage.address(space), mortgage.PATH, mortgage.REQUEST, pause=0.1) as traffic:
        traffic.answered_by(first)
        second = _trained(space, "second")
        slow, wrong = (mortgage.rollout(space, name) for name in ("slow", "wrong"))
        space.apply(slow, wrong)
        steps: list[tuple[int, int]] = []
        _watch(space, lambda body: _note_step(body, second, steps) and mortgage.serves(second)(body))
        assert steps == [(1, 20), (2, 50)]

        failed = _rolled_back(space, _trained(space, "slow"), second)
        assert (failed["step"], failed["weight"]) == (1, 20)
        (check,) = (one for one in failed["analysis"]["checks"] if one["outcome"] == "Failed")
        assert check["name"] == "latency 0.5"
        assert "requests), above 5 times stable " in check["message"]
        assert check["message"] in failed["message"]
        took = {side: failed["analysis"][side]["latency"][0]["milliseconds"] for side in ("candidate", "stable")}
        assert took["candidate"] > 5 * took["stable"]
        assert failed["analysis"]["candidate"]["requests"] >= 10

        failed = _rolled_back(space, _trained(space, "wrong"), second)
        assert (failed["step"], failed["weight"]) == (1, 20)
        (check,) = (one for one in failed["analysis"]["checks"] if one["outcome"] == "Failed")
        assert check["name"] == "known-outcomes"
        assert check["message"].startswith("accuracy 0.1")
        assert check["message"] in failed["message"]

        shares = traffic.shares(2.0)
        assert shares == {second: 1.0}
    assert traffic.failures == []
    assert set(traffic.answers) == {one["metadata"]["name"] for one in space.listed("modelversions")}


def _trained(space: Space, name: str) -> str:
    """Its version, whose gates have passed."""
    space.apply(mortgage.rollout(space, name))
    version: str = space.wait("trainingrun", f"approval-{name}", has("Ready"), within=120)["status"]["modelVersion"]
    space.wait("modelversion", version, has("GatesPassed"))
    return version


def _rolled_back(space: Space, version: str, back_to: str) -> Body:
    """Approve it, see it go back, and withdraw the approval: what the status keeps of it."""
    digest = space.get("modelversion", version)["spec"]["artifact"]["digest"]
    mark, by = "modelops.dev/approve", "modelops.dev/approved-by"
    annotate = ("annotate", "modelversion", version, "-n", space.name)
    who = space.cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    space.cluster.kubectl(*annotate, f"{mark}={digest}", f"{by}={who}")
    body = space.wait("inferenceservice", "approvals", has("RolledBack", reason="AnalysisFailed"), within=90)
    assert has("Stalled", reason="AnalysisFailed")(body)
    assert body["status"]["stable"] == {**body["status"]["stable"], "version": back_to, "replicas": 2, "ready": 2}
    failed: Body = body["status"]["failed"][0]
    assert (failed["version"], failed["reason"]) == (version, "AnalysisFailed")
    space.cluster.kubectl(*annotate, f"{mark}-", f"{by}-")
    space.wait("inferenceservice", "approvals", mortgage.serves(back_to))
    return failed


def _watch(space: Space, done: Callable[[Body], bool], within: float = 120.0) -> None:
    deadline = time.monotonic() + within
    while not done(body := space.get("inferenceservice", "approvals")):
        assert time.monotonic() < deadline, body["status"]
        time.sleep(0.2)


def _note_step(body: Body, version: str, steps: list[tuple[int, int]]) -> bool:
    """The steps of a version that have taken effect, each once."""
    candidate = body["status"].get("candidate", {})
    if candidate.get("version") == version and "stepSince" in candidate:
        at = (candidate["step"], candidate["weight"])
        if at not in steps:
            steps.append(at)
    return True
