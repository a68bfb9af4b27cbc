"""The README's rollouts under live traffic: a good version is promoted, a slow and a wrong one are rolled back."""

import re

import pytest

from support.cluster import mortgage
from support.cluster.real_cluster import Body, Space, has
from support.cluster.traffic import Traffic


@pytest.mark.takes_minutes
def test_a_good_version_is_promoted_and_a_slow_and_a_wrong_one_are_approve_and_wait_for_rollback(space: Space) -> None:
    """No promotion and no rollback loses a request, and the status keeps the reason of each rollback."""
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
        space.wait(
            "inferenceservice",
            "approvals",
            lambda body: _note_step(body, second, steps) and mortgage.serves(second)(body),
            within=120,
        )
        assert steps == [(1, 20), (2, 50)]

        failed = _approve_and_wait_for_rollback(space, _trained(space, "slow"), second)
        assert (failed["step"], failed["weight"]) == (1, 20)
        (check,) = (entry for entry in failed["analysis"]["checks"] if entry["outcome"] == "Failed")
        assert check["name"] == "latency 0.5"
        assert ", above 5 times stable " in check["message"]
        assert check["message"] in failed["message"]
        latencies = {side: failed["analysis"][side]["latency"][0]["milliseconds"] for side in ("candidate", "stable")}
        assert latencies["candidate"] > 5 * latencies["stable"]
        # Of some of them the latency is known in a later window than the one that counted them.
        timed = re.search(r"\((\d+) requests\), above", check["message"])
        assert timed is not None
        assert int(timed[1]) >= 10

        failed = _approve_and_wait_for_rollback(space, _trained(space, "wrong"), second)
        assert (failed["step"], failed["weight"]) == (1, 20)
        (check,) = (entry for entry in failed["analysis"]["checks"] if entry["outcome"] == "Failed")
        assert check["name"] == "known-outcomes"
        assert check["message"].startswith("accuracy 0.1")
        assert check["message"] in failed["message"]

        shares = traffic.shares(2.0)
        assert shares == {second: 1.0}
    assert traffic.failures == []
    assert set(traffic.answers) == {version["metadata"]["name"] for version in space.listed("modelversions")}


def _trained(space: Space, name: str) -> str:
    """Train the demo's version of this name, and return its ModelVersion once its gates have passed."""
    space.apply(mortgage.rollout(space, name))
    version: str = space.wait("trainingrun", f"approval-{name}", has("Ready"), within=120)["status"]["modelVersion"]
    space.wait("modelversion", version, has("GatesPassed"))
    return version


def _approve_and_wait_for_rollback(space: Space, version: str, back_to: str) -> Body:
    """Approve a version, wait for its rollback, and remove the approval. Return its entry in `status.failed`."""
    digest = space.get("modelversion", version)["spec"]["artifact"]["digest"]
    approve, approved_by = "modelops.dev/approve", "modelops.dev/approved-by"
    annotate = ("annotate", "modelversion", version, "-n", space.name)
    user = space.cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    space.cluster.kubectl(*annotate, f"{approve}={digest}", f"{approved_by}={user}")
    body = space.wait("inferenceservice", "approvals", has("RolledBack", reason="AnalysisFailed"), within=90)
    assert has("Stalled", reason="AnalysisFailed")(body)
    assert body["status"]["stable"] == {**body["status"]["stable"], "version": back_to, "replicas": 2, "ready": 2}
    failed: Body = body["status"]["failed"][0]
    assert (failed["version"], failed["reason"]) == (version, "AnalysisFailed")
    space.cluster.kubectl(*annotate, f"{approve}-", f"{approved_by}-")
    space.wait("inferenceservice", "approvals", mortgage.serves(back_to))
    return failed


def _note_step(body: Body, version: str, steps: list[tuple[int, int]]) -> bool:
    """Append the step of a version to `steps` once it has taken effect, each step once. Return True."""
    candidate = body["status"].get("candidate", {})
    if candidate.get("version") == version and "stepSince" in candidate:
        step = (candidate["step"], candidate["weight"])
        if step not in steps:
            steps.append(step)
    return True
