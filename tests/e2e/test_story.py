"""The README's story on a real cluster: data to model to answers, new data to a new model, under live traffic."""

import json

import pytest

from hack import demo
from modelops.api.crds import KINDS
from support import mortgage, operator_metrics, operator_process
from support.real_cluster import Space, has
from support.traffic import Traffic


@pytest.mark.ends_the_operator
def test_from_data_to_answers_and_on_to_the_next_model(space: Space) -> None:
    """The whole promise: trained, registered, served, traced back to the bytes; and again, without one lost request,
    when the data has changed; and nothing written when all of it is applied once more.
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
    """By marks alone, from the Pod to the object versions in S3: and those are the bytes that were learned."""
    pods = space.listed("pods", "modelops.dev/inferenceservice=approvals")
    marks = pods[0]["metadata"]["annotations"]
    body = space.get("modelversion", version)
    assert marks["modelops.dev/artifact-digest"] == body["spec"]["artifact"]["digest"]
    assert marks["modelops.dev/input-key"] == body["spec"]["origin"]["trainingRun"]["inputKey"]
    dataset = body["spec"]["origin"]["datasets"][0]
    assert json.loads(marks["modelops.dev/dataset-digests"]) == {"train": dataset["digest"]}
    assert space.get("dataset", "applications")["status"]["snapshot"]["digest"] == dataset["digest"]
    pinned = dataset["objectVersions"][0]
    bytes_ = space.cluster.s3.get_object(Bucket=space.bucket, Key=pinned["key"], VersionId=pinned["versionId"])
    assert bytes_["Body"].read().decode() == mortgage.data()
