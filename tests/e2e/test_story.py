"""The README's story on a real cluster: data becomes a served model, and new data a new model, under live traffic."""

import json

import pytest

from hack import demo
from modelops.api.crds import KINDS
from support import mortgage, operator_metrics, operator_process
from support.real_cluster import Space, has
from support.traffic import Traffic


@pytest.mark.ends_the_operator
def test_data_becomes_a_served_model_and_new_data_replaces_it_without_a_lost_request(space: Space) -> None:
    """A model is trained, registered, served, and traced back to the bytes that it was trained on.

    Changed data produces and serves a new model without a lost request. Applying all manifests again writes nothing.
    """
    space.upload("mortgage/applications.csv", mortgage.data())
    space.apply(*mortgage.manifests(space))

    run = space.wait("trainingrun", "approval", has("Ready"), within=180)
    first = run["status"]["modelVersion"]
    version = space.wait("modelversion", first, has("Ready"))
    assert {gate["outcome"] for gate in version["status"]["gates"]} == {"Passed"}
    space.wait("inferenceservice", "approvals", mortgage.serves(first), within=120)

    answer, headers = demo.ask(space.cluster.kubectl, "approvals", "approval", mortgage.REQUEST, namespace=space.name)
    assert answer["model_version"] == headers["x-modelops-model-version"] == first
    assert {output["name"] for output in answer["outputs"]} == {"predict", "predict_proba"}

    _walk_back_to_the_bytes(space, first)

    before = mortgage.resource_versions(space)
    space.apply(*mortgage.manifests(space))
    operator_process.restart(space.cluster)
    operator_metrics.wait_until_all_reconciled(space.cluster, KINDS)
    assert mortgage.resource_versions(space) == before, "applied again and started again, something was written"

    lines = mortgage.data().splitlines(keepends=True)
    with Traffic(mortgage.address(space), mortgage.PATH, mortgage.REQUEST) as traffic:
        traffic.answered_by(first)
        space.upload("mortgage/applications.csv", "".join(lines[:-300]))
        changed = space.wait(
            "trainingrun", "approval", lambda body: has("Ready")(body) and body["status"]["modelVersion"] != first, 180
        )
        second = changed["status"]["modelVersion"]
        assert changed["status"]["cache"]["reason"].startswith("dataset train: sha256:")
        traffic.answered_by(second, within=120)
        space.wait("inferenceservice", "approvals", mortgage.serves(second), within=120)
        space.cluster.kubectl("rollout", "status", "deployment", "-n", space.name, "--timeout=120s")
    assert traffic.failures == []
    assert set(traffic.answers) == {first, second}


def _walk_back_to_the_bytes(space: Space, version: str) -> None:
    """Follow annotations and statuses from the Pod to the object versions in S3, and compare their bytes."""
    pods = space.listed("pods", "modelops.dev/inferenceservice=approvals")
    annotations = pods[0]["metadata"]["annotations"]
    body = space.get("modelversion", version)
    assert annotations["modelops.dev/artifact-digest"] == body["spec"]["artifact"]["digest"]
    assert annotations["modelops.dev/input-key"] == body["spec"]["origin"]["trainingRun"]["inputKey"]
    dataset = body["spec"]["origin"]["datasets"][0]
    assert json.loads(annotations["modelops.dev/dataset-digests"]) == {"train": dataset["digest"]}
    assert space.get("dataset", "applications")["status"]["snapshot"]["digest"] == dataset["digest"]
    pinned = dataset["objectVersions"][0]
    bytes_ = space.cluster.s3.get_object(Bucket=space.bucket, Key=pinned["key"], VersionId=pinned["versionId"])
    assert bytes_["Body"].read().decode() == mortgage.data()
