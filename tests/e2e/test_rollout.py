"""What must never serve does not, and what serves goes on serving."""

from support import mortgage
from support.real_cluster import Space, condition, has
from support.traffic import Traffic


def test_what_cannot_serve_leaves_the_old_version_serving(space: Space) -> None:
    """Bytes that are not the digest's, and a server that is never ready: neither costs the version that serves one
    request, and the status says what is wrong.
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
        told = space.wait("inferenceservice", "approvals", has("Stalled"), within=90)
        assert condition(told, "Stalled")["reason"] == "DigestMismatch"  # type: ignore[index]
        assert told["status"]["stable"]["version"] == good
        assert "candidate" not in told["status"]
        assert told["status"]["failed"][0]["version"] == "forged"

        space.cluster.kubectl("delete", "modelversion", "forged", "-n", space.name)
        back = space.wait("inferenceservice", "approvals", mortgage.serves(good), within=90)
        assert "candidate" not in back["status"]

        never_ready = {
            "image": space.cluster.images["examples"].by_digest,
            "command": ["python3", "-c", "import sys; sys.exit('no model here')"],
        }
        broken = {**service, "spec": {**service["spec"], "server": {"container": never_ready}}}
        space.apply(broken)
        shown = space.wait(
            "inferenceservice",
            "approvals",
            lambda body: "no model here" in str(body["status"].get("candidate", {}).get("problem")),
            within=90,
        )
        assert shown["status"]["stable"]["version"] == good
    assert traffic.failures == []
    assert set(traffic.answers) == {good}
