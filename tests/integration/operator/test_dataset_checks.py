"""Checks on whole snapshots, with evidence; how old data grows; what Prometheus is told; and data that is gone."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support import operator_metrics, real_cluster
from support.real_cluster import Body, RealCluster, Space, has
from support.real_datasets import current, digest_of, message

_GOOD = "lvr,deny\n0.5,true\n0.7,false\n"
_LEVEL = "lvr\n" + "\n".join(str(number / 100) for number in range(100)) + "\n"
_SHIFTED = "lvr\n" + "\n".join(str(1 + number / 100) for number in range(100)) + "\n"
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


@pytest.fixture(scope="module")
def begun(cluster: RealCluster) -> Iterator[Space]:
    """Datasets of one namespace, all begun at once since each takes a Job: a test looks at its own alone."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    for prefix in ("rows", "warns", "fresh", "told", "gone"):
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
        _dataset(space, "told", checks=[{"rows": {"min": 2}}]),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _dataset(space: Space, name: str, **spec: Any) -> Body:
    """A Dataset of the prefix of its name."""
    return space.dataset(name, f"{name}/", **{"interval": "1s", **spec})


def test_data_that_fails_a_check_never_becomes_current(begun: Space) -> None:
    """Too few rows are rejected with what was counted, and the last good snapshot stays until good data comes."""
    good = digest_of(begun, "rows/")
    taken = begun.wait("dataset", "rows", current(good))
    assert taken["status"]["snapshot"]["checks"] == [{"value": 2, "outcome": "Passed"}]

    begun.upload("rows/a.csv", "lvr,deny\n0.5,true\n")
    told = begun.wait("dataset", "rows", has("Valid", "False", "CheckFailed"))
    candidate = told["status"]["candidate"]
    assert (candidate["state"], candidate["reason"]) == ("Rejected", "CheckFailed")
    assert candidate["checks"] == [{"value": 1, "outcome": "Failed"}]
    assert has("Ready", "True", "CandidateRejected")(told)
    assert told["status"]["snapshot"]["digest"] == good

    begun.upload("rows/a.csv", _GOOD + "0.9,false\n")
    mended = begun.wait("dataset", "rows", current(digest_of(begun, "rows/")))
    assert has("Valid", "True", "Checked")(mended)


def test_a_check_that_warns_lets_data_become_current(begun: Space) -> None:
    """What only warns is taken, says so, and goes on saying so as long as it is current."""
    begun.wait("dataset", "warns", current(digest_of(begun, "warns/")))
    begun.upload("warns/a.csv", "lvr,deny\n0.5,true\n0.7,\n")
    digest = digest_of(begun, "warns/")
    begun.wait("dataset", "warns", current(digest))
    warned = begun.wait("dataset", "warns", has("Valid", "False", "CheckWarned"))
    assert warned["status"]["snapshot"]["checks"] == [{"value": 0.5, "outcome": "Failed"}]
    assert '"deny"' in message(warned, "Valid")
    assert "candidate" not in warned["status"]
    assert _told_of(begun, "warns", "SnapshotWarned")


def test_data_that_has_drifted_is_rejected(begun: Space) -> None:
    """The first snapshot has nothing to drift from; the next is held against it, column by column."""
    first = begun.wait("dataset", "drift", current(digest_of(begun, "drift/")))
    assert [one["outcome"] for one in first["status"]["snapshot"]["checks"]] == ["Skipped"]
    begun.upload("drift/a.csv", _SHIFTED)
    told = begun.wait("dataset", "drift", has("Valid", "False", "CheckFailed"))
    (result,) = told["status"]["candidate"]["checks"]
    assert result["outcome"] == "Failed"
    assert result["value"] > 0.2
    assert '"lvr"' in message(told, "Valid")
    assert told["status"]["snapshot"]["digest"] == first["status"]["snapshot"]["digest"]


def test_data_that_has_shrunk_is_rejected(begun: Space) -> None:
    """Half of an upload is no snapshot, where the spec says how much a Dataset may change at once."""
    begun.wait("dataset", "growth", current(digest_of(begun, "growth/")))
    begun.upload("growth/a.csv", "\n".join(_LEVEL.splitlines()[:51]) + "\n")
    told = begun.wait("dataset", "growth", has("Valid", "False", "CheckFailed"))
    (result,) = told["status"]["candidate"]["checks"]
    assert result == {"value": -0.5, "outcome": "Failed"}


def test_a_snapshot_that_grows_old_says_so(begun: Space) -> None:
    """Nothing happens but time: the Dataset stays Ready, and new data makes it fresh again."""
    begun.wait("dataset", "fresh", has("Ready"))
    stale = begun.wait("dataset", "fresh", has("Fresh", "False", "Stale"), within=120)
    assert "45s" in message(stale, "Fresh")
    assert has("Ready", "True", "SnapshotCurrent")(stale)
    assert _told_of(begun, "fresh", "Stale")
    begun.upload("fresh/a.csv", _GOOD + "0.9,false\n")
    begun.wait("dataset", "fresh", has("Fresh", "True"))


def test_prometheus_is_told_of_datasets_that_there_are(begun: Space) -> None:
    """Age, size and rejection of every Dataset are there to alert on, and go with it."""
    taken = begun.wait("dataset", "told", current(digest_of(begun, "told/")))
    figures = _wait_for_figures(begun, "told", lambda found: found.get("snapshot_rows") == 2)
    assert (figures["snapshot_objects"], figures["snapshot_bytes"]) == (1, len(_GOOD))
    taken_at = real_cluster.moment(taken["status"]["snapshot"]["createdAt"])
    assert figures["snapshot_timestamp_seconds"] == taken_at.timestamp()
    assert figures["candidate_rejected"] == 0

    before = _rejections(begun.cluster)
    begun.upload("told/a.csv", "lvr,deny\n0.5,true\n")
    begun.wait("dataset", "told", has("Valid", "False", "CheckFailed"))
    _wait_for_figures(begun, "told", lambda found: found.get("candidate_rejected") == 1)
    assert _rejections(begun.cluster) > before

    begun.cluster.kubectl("delete", "dataset", "told", "-n", begun.name)
    _wait_for_figures(begun, "told", lambda found: not found)


def test_a_run_whose_data_was_deleted_says_so(begun: Space) -> None:
    """A version that somebody deleted from the bucket is gone for good: the run ends, says which object, and is not
    tried again in vain; the Dataset says that there is nothing.
    """
    digest = digest_of(begun, "gone/")
    begun.wait("dataset", "gone", current(digest))
    s3 = begun.cluster.s3
    (version,) = s3.list_object_versions(Bucket=begun.bucket, Prefix="gone/")["Versions"]
    s3.delete_object(Bucket=begun.bucket, Key="gone/a.csv", VersionId=version["VersionId"])
    begun.wait("dataset", "gone", has("Ready", "True", "CandidateRejected"))

    run = begun.run("gone", "pass", "gone")
    run["spec"]["trainer"]["resources"] = _SMALL
    begun.apply(run)
    ended = begun.wait("trainingrun", "gone", has("Stalled", "True", "PinnedVersionMissing"))
    assert "gone/a.csv" in message(ended)
    assert ended["status"]["inputs"]["datasets"][0]["digest"] == digest


def _told_of(space: Space, name: str, reason: str, within: float = 20.0) -> bool:
    """Whether there is an Event: they are written in the background."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        for event in space.listed("events.events.k8s.io"):
            if event["regarding"].get("name") == name and event["reason"] == reason:
                return True
        time.sleep(0.5)
    return False


def _wait_for_figures(space: Space, name: str, done: Any, within: float = 30.0) -> dict[str, float]:
    """A Dataset's metrics, once they are so."""
    deadline = time.monotonic() + within
    labels = {"namespace": space.name, "dataset": name}
    while True:
        samples = operator_metrics.samples(space.cluster)
        prefix = "modelops_dataset_"
        found = {one.name.removeprefix(prefix): one.value for one in samples if one.labels == labels}
        if samples and done(found):
            return found
        assert time.monotonic() < deadline, f"not so after {within:.0f} s: {found}"
        time.sleep(0.5)


def _rejections(cluster: RealCluster) -> float:
    wanted = {"kind": "Dataset", "reason": "CandidateRejected"}
    samples = operator_metrics.samples(cluster)
    return sum(one.value for one in samples if one.name == "modelops_events_total" and one.labels == wanted)
