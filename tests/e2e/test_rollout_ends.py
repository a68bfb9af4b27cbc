"""Rollback of worse versions, with evidence in the status, and retries of failed versions."""

from support import scripted_model
from support.real_cluster import Body, Space, moment
from support.traffic import Traffic

ANALYSIS = {
    "interval": "1s",
    "minRequests": 5,
    "errorRate": {"max": 0.05},
    "latency": [{"quantile": 0.5, "max": "500ms", "maxRatioToStable": 1000}],
}
ROLLOUT = {"steps": [{"weight": 40, "hold": "30s"}], "analysis": ANALYSIS, "deadline": "2m"}
IMPATIENT = {**ROLLOUT, "deadline": "10s"}


def test_slow_failing_and_crashing_versions_are_rolled_back_without_a_lost_request(space: Space) -> None:
    """A slow, a failing, a crashing and a never-ready version receive no request three seconds after their rollback.

    The figures are in the status, and the stable version continues to serve.
    """
    bad: dict[str, Body] = {
        "slow": {"delayMs": 1000},
        "failing": {"failEvery": 2},
        "crashing": {"crash": True},
        "silent": {"neverReady": True},
    }
    space.apply(
        scripted_model.version(space, "v1"), *(scripted_model.version(space, name, **how) for name, how in bad.items())
    )
    space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space),
        scripted_model.PATH,
        scripted_model.REQUEST,
        clients=6,
        pause=0.03,
        may_fail=frozenset({500}),
    ) as traffic:
        slow = _rolled_back_from(space, "slow", "AnalysisFailed")
        assert "requests), above 500 ms" in slow["message"]
        assert slow["weight"] == 40
        assert slow["analysis"]["candidate"]["requests"] >= 5
        failing = _rolled_back_from(space, "failing", "AnalysisFailed")
        assert "errorRate" in failing["message"]
        assert failing["analysis"]["candidate"]["errors"] >= 2
        crashing = _rolled_back_from(space, "crashing", "CrashLoopBackOff")
        assert "this version never starts" in crashing["message"]
        silent = _rolled_back_from(space, "silent", "DeadlineExceeded", IMPATIENT)
        assert "waiting for Pods, 0 of 1 ready" in silent["message"]
        assert {"crashing", "silent"} & set(traffic.answers) == set()
        # Not even by a kept-alive connection, once a later candidate received traffic.
        for entry in (slow, failing):
            assert traffic.last_request[entry["version"]] - moment(entry["at"]).timestamp() < 3
    assert traffic.failures == []
    deployments = space.listed("deployments")
    assert [deployment["metadata"]["labels"]["modelops.dev/modelversion"] for deployment in deployments] == ["v1"]


def test_a_failed_version_is_retried_only_on_request(space: Space) -> None:
    """The annotation `retry` retries a failed version. Applying the same InferenceService again does not."""
    space.apply(
        scripted_model.version(space, "v1"), scripted_model.with_wrong_digest(scripted_model.version(space, "forged"))
    )
    space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    again = scripted_model.service(space, "forged", rollout=ROLLOUT)
    space.apply(again)
    first = space.wait("inferenceservice", "isvc", scripted_model.failed("forged", "DigestMismatch"), within=90)
    space.apply({**again, "metadata": {**again["metadata"], "labels": {"looked-at": "again"}}})
    unchanged = space.get("inferenceservice", "isvc")
    assert unchanged["status"]["failed"] == first["status"]["failed"]
    assert "candidate" not in unchanged["status"]

    scripted_model.annotate(space, retry="once more")
    space.wait("inferenceservice", "isvc", lambda body: "candidate" in body["status"], within=30)
    second = space.wait("inferenceservice", "isvc", lambda body: len(body["status"].get("failed", [])) == 2, within=90)
    assert second["status"]["lastHandledRequests"]["retry"] == "once more"
    space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=60)


def _rolled_back_from(space: Space, version: str, reason: str, rollout: Body = ROLLOUT) -> Body:
    space.apply(scripted_model.service(space, version, rollout=rollout))
    body = space.wait("inferenceservice", "isvc", scripted_model.failed(version, reason), within=90)
    assert body["status"]["stable"]["version"] == "v1"
    entry: Body = body["status"]["failed"][0]
    return entry
