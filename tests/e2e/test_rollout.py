"""Versions that cannot serve never receive a request, and the stable version continues to serve."""

from support import mortgage
from support.real_cluster import Space, condition, has
from support.traffic import Traffic


def test_a_version_that_cannot_serve_leaves_the_stable_version_serving(space: Space) -> None:
    """Neither an artifact with a wrong digest nor a server that never starts costs a request.

    The status says what is wrong.
    """
    space.upload("mortgage/applications.csv", mortgage.data())
    dataset, run, service = mortgage.manifests(space)
    space.apply(dataset, run, service)
    good = space.wait("trainingrun", "approval", has("Ready"), within=180)["status"]["modelVersion"]
    space.wait("inferenceservice", "approvals", mortgage.serves(good), within=120)
    artifact = space.get("modelversion", good)["spec"]["artifact"]
    forged = space.object(
        "ModelVersion",
        "forged",
        {
            "model": "approval",
            "artifact": {**artifact, "digest": "sha256:" + "0" * 64},
            "origin": {"imported": {"source": "a test"}},
        },
    )
    with Traffic(mortgage.address(space), mortgage.PATH, mortgage.REQUEST) as traffic:
        traffic.answered_by(good)
        space.apply(forged)
        stalled = space.wait("inferenceservice", "approvals", has("Stalled"), within=90)
        assert condition(stalled, "Stalled")["reason"] == "DigestMismatch"  # type: ignore[index]
        assert stalled["status"]["stable"]["version"] == good
        assert "candidate" not in stalled["status"]
        assert stalled["status"]["failed"][0]["version"] == "forged"

        space.cluster.kubectl("delete", "modelversion", "forged", "-n", space.name)
        restored = space.wait("inferenceservice", "approvals", mortgage.serves(good), within=90)
        assert "candidate" not in restored["status"]

        never_ready = {
            "image": space.cluster.images["examples"].by_digest,
            "command": ["python3", "-c", "import sys; sys.exit('no model here')"],
        }
        broken = {**service, "spec": {**service["spec"], "server": {"container": never_ready}}}
        space.apply(broken)
        crashing = space.wait(
            "inferenceservice",
            "approvals",
            lambda body: "no model here" in str(body["status"].get("candidate", {}).get("problem")),
            within=90,
        )
        assert crashing["status"]["stable"]["version"] == good
    assert traffic.failures == []
    assert set(traffic.answers) == {good}
