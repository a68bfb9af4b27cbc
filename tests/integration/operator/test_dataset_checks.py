"""Checks of whole snapshots, freshness, metrics of Datasets, and data deleted from the bucket."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster import operator_metrics, real_cluster
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, RealCluster, Space, has
from support.cluster.real_datasets import current, digest_of, message

_GOOD = "lvr,deny\n0.5,true\n0.7,false\n"
_LEVEL = "lvr\n" + "\n".join(str(number / 100) for number in range(100)) + "\n"
_SHIFTED = "lvr\n" + "\n".join(str(1 + number / 100) for number in range(100)) + "\n"
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


@pytest.fixture(scope="module")
def shared(cluster: RealCluster) -> Iterator[Space]:
    """Return a namespace with the Datasets of all tests, started at once because each waits for a Job."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    for prefix in ("rows", "warns", "fresh", "metered", "gone"):
        space.upload(f"{prefix}/a.csv", _GOOD)
    space.upload("drift/a.csv", _LEVEL)
    space.upload("growth/a.csv", _LEVEL)
    complete = {"column": "deny", "completeness": {"min": 1}, "onViolation": "Warn"}
    space.apply(
        _dataset(space, "gone"),
        _dataset(space, "rows", checks=[{"rows": {"min": 2}}]),
        _dataset(space, "warns", checks=[complete]),
        _dataset(space, "drift", checks=[{"column": "lvr", "drift": {"max": 0.2}}]),
        _dataset(space, "growth", checks=[{"rowsChange": {"min": -0.1, "max": 0.1}}]),
        _dataset(space, "fresh", checks=[{"freshWithin": "45s", "onViolation": "Warn"}]),
        _dataset(space, "metered", checks=[{"rows": {"min": 2}}]),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _dataset(space: Space, name: str, **spec: Any) -> Body:
    """Build a Dataset whose prefix is its name."""
    return space.dataset(name, f"{name}/", **{"interval": "1s", **spec})


def test_a_snapshot_that_fails_a_check_never_becomes_current(shared: Space) -> None:
    """A candidate with too few rows is rejected with its row count, and the last good snapshot stays current."""
    good = digest_of(shared, "rows/")
    dataset = shared.wait("dataset", "rows", current(good))
    assert dataset["status"]["snapshot"]["checks"] == [{"value": 2, "outcome": "Passed"}]

    shared.upload("rows/a.csv", "lvr,deny\n0.5,true\n")
    dataset = shared.wait("dataset", "rows", has("Valid", "False", "CheckFailed"))
    candidate = dataset["status"]["candidate"]
    assert (candidate["state"], candidate["reason"]) == ("Rejected", "CheckFailed")
    assert candidate["checks"] == [{"value": 1, "outcome": "Failed"}]
    assert has("Ready", "True", "CandidateRejected")(dataset)
    assert dataset["status"]["snapshot"]["digest"] == good

    shared.upload("rows/a.csv", _GOOD + "0.9,false\n")
    mended = shared.wait("dataset", "rows", current(digest_of(shared, "rows/")))
    assert has("Valid", "True", "Checked")(mended)


def test_a_snapshot_that_fails_a_check_with_on_violation_warn_becomes_current(shared: Space) -> None:
    """The violation stays in the conditions as long as the snapshot is current."""
    shared.wait("dataset", "warns", current(digest_of(shared, "warns/")))
    shared.upload("warns/a.csv", "lvr,deny\n0.5,true\n0.7,\n")
    digest = digest_of(shared, "warns/")
    shared.wait("dataset", "warns", current(digest))
    warned = shared.wait("dataset", "warns", has("Valid", "False", "CheckWarned"))
    assert warned["status"]["snapshot"]["checks"] == [{"value": 0.5, "outcome": "Failed"}]
    assert '"deny"' in message(warned, "Valid")
    assert "candidate" not in warned["status"]
    assert shared.events("warns", "SnapshotWarned")


def test_a_snapshot_that_has_drifted_from_its_baseline_is_rejected(shared: Space) -> None:
    """The first snapshot has no baseline and skips the check. The second is compared with the first, per column."""
    first = shared.wait("dataset", "drift", current(digest_of(shared, "drift/")))
    assert [check["outcome"] for check in first["status"]["snapshot"]["checks"]] == ["Skipped"]
    shared.upload("drift/a.csv", _SHIFTED)
    dataset = shared.wait("dataset", "drift", has("Valid", "False", "CheckFailed"))
    (result,) = dataset["status"]["candidate"]["checks"]
    assert result["outcome"] == "Failed"
    assert result["value"] > 0.2
    assert '"lvr"' in message(dataset, "Valid")
    assert dataset["status"]["snapshot"]["digest"] == first["status"]["snapshot"]["digest"]


def test_a_snapshot_that_has_shrunk_beyond_the_check_rows_change_is_rejected(shared: Space) -> None:
    """An incomplete upload does not become current where the spec limits the change of the row count."""
    shared.wait("dataset", "growth", current(digest_of(shared, "growth/")))
    shared.upload("growth/a.csv", "\n".join(_LEVEL.splitlines()[:51]) + "\n")
    dataset = shared.wait("dataset", "growth", has("Valid", "False", "CheckFailed"))
    (result,) = dataset["status"]["candidate"]["checks"]
    assert result == {"value": -0.5, "outcome": "Failed"}


def test_a_snapshot_older_than_fresh_within_is_stale_until_new_data_arrives(shared: Space) -> None:
    """A stale Dataset stays Ready, and new data makes the Dataset fresh again."""
    shared.wait("dataset", "fresh", has("Ready"))
    stale = shared.wait("dataset", "fresh", has("Fresh", "False", "Stale"), within=120)
    assert "45s" in message(stale, "Fresh")
    assert has("Ready", "True", "SnapshotCurrent")(stale)
    assert shared.events("fresh", "Stale")
    shared.upload("fresh/a.csv", _GOOD + "0.9,false\n")
    shared.wait("dataset", "fresh", has("Fresh", "True"))


def test_metrics_of_a_dataset_exist_as_long_as_the_dataset(shared: Space) -> None:
    """Age, size and rejection of every Dataset are metrics to alert on, which end with the Dataset."""
    dataset = shared.wait("dataset", "metered", current(digest_of(shared, "metered/")))
    figures = _wait_for_figures(shared, "metered", lambda figures: figures.get("snapshot_rows") == 2)
    assert (figures["snapshot_objects"], figures["snapshot_bytes"]) == (1, len(_GOOD))
    created_at = real_cluster.moment(dataset["status"]["snapshot"]["createdAt"])
    assert figures["snapshot_timestamp_seconds"] == created_at.timestamp()
    assert figures["candidate_rejected"] == 0

    before = _rejections(shared.cluster)
    shared.upload("metered/a.csv", "lvr,deny\n0.5,true\n")
    shared.wait("dataset", "metered", has("Valid", "False", "CheckFailed"))
    _wait_for_figures(shared, "metered", lambda figures: figures.get("candidate_rejected") == 1)
    assert _rejections(shared.cluster) > before

    shared.cluster.kubectl("delete", "dataset", "metered", "-n", shared.name)
    _wait_for_figures(shared, "metered", lambda figures: not figures)


def test_a_run_whose_pinned_data_was_deleted_fails_and_names_the_object(shared: Space) -> None:
    """An object version deleted from the bucket cannot be restored, so the run fails without retries."""
    digest = digest_of(shared, "gone/")
    shared.wait("dataset", "gone", current(digest))
    s3 = shared.cluster.s3
    (version,) = s3.list_object_versions(Bucket=shared.bucket, Prefix="gone/")["Versions"]
    s3.delete_object(Bucket=shared.bucket, Key="gone/a.csv", VersionId=version["VersionId"])
    shared.wait("dataset", "gone", has("Ready", "True", "CandidateRejected"))

    run = shared.run("gone", "pass", "gone")
    run["spec"]["trainer"]["resources"] = _SMALL
    shared.apply(run)
    ended = shared.wait("trainingrun", "gone", has("Stalled", "True", "PinnedVersionMissing"))
    assert "gone/a.csv" in message(ended)
    assert ended["status"]["inputs"]["datasets"][0]["digest"] == digest


def _wait_for_figures(space: Space, name: str, done: Any, within: float = 30.0) -> dict[str, float]:
    """Return a Dataset's metrics, without their common prefix, once `done` accepts them."""
    labels, prefix = {"namespace": space.name, "dataset": name}, "modelops_dataset_"

    def read() -> dict[str, float] | None:
        """Return the figures; None if the operator has not answered."""
        samples = operator_metrics.samples(space.cluster)
        of_dataset = (sample for sample in samples if sample.labels == labels)
        return {sample.name.removeprefix(prefix): sample.value for sample in of_dataset} if samples else None

    figures = poll(
        read, lambda figures: figures is not None and done(figures), within=within, awaited=f"the figures of {name}"
    )
    assert figures is not None
    return figures


def _rejections(cluster: RealCluster) -> float:
    labels = {"kind": "Dataset", "reason": "CandidateRejected"}
    samples = operator_metrics.samples(cluster)
    rejections = [sample for sample in samples if sample.name == "modelops_events_total" and sample.labels == labels]
    return sum((float(sample.value) for sample in rejections), start=0.0)
