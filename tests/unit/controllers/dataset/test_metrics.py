"""Prometheus metrics of Datasets: enough for alerts on old or rejected data, and none of deleted Datasets."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from modelops.controllers import dataset as of_datasets
from modelops.controllers.dataset.metrics import collect
from modelops.machinery.cache import Cache
from modelops.machinery.object_metrics import ObjectMetrics
from modelops.machinery.resources import Body
from support.builders.common import NOW, ago, metadata
from support.builders.datasets import S3, snapshot
from support.controllers.dataset_cases import candidate

LABELS = {"namespace": "team-a", "dataset": "mortgage"}


def body(status: Body | None = None, version: str = "1") -> Body:
    about: Body = {"kind": "Dataset", "metadata": metadata("mortgage", resourceVersion=version), "spec": {"source": S3}}
    return about if status is None else about | {"status": status}


def cache_of(*bodies: Body) -> Cache:
    cache = Cache({})
    for item in bodies:
        cache.put(item)
    return cache


def values(cache: Cache) -> dict[str, float]:
    """Return the values of the only Dataset by the names of the metrics."""
    samples = [sample for family in collect(cache) for sample in family.samples]
    assert all(sample.labels == LABELS for sample in samples)
    return {sample.name.removeprefix("modelops_dataset_"): sample.value for sample in samples}


@pytest.mark.parametrize(
    ("status", "rejected"),
    [
        (None, 0),
        ({"candidate": candidate("b", "Settling")}, 0),
        ({"candidate": candidate("b", "Failed")}, 0),
        ({"candidate": candidate("b", "Rejected")}, 1),
    ],
    ids=["no status yet", "settling", "failed", "rejected"],
)
def test_a_dataset_without_a_snapshot_has_no_metrics_of_one(status: Body | None, rejected: int) -> None:
    """A snapshot of the year 1970 would be the oldest of all, and raise an alert for every new Dataset."""
    assert values(cache_of(body(status))) == {"candidate_rejected": rejected}


def test_a_snapshot_has_its_size_and_its_time() -> None:
    """An alert on age computes `time()` minus the time, at each evaluation."""
    assert values(cache_of(body({"snapshot": snapshot("a", createdAt=ago(hours=1))}))) == {
        "snapshot_timestamp_seconds": NOW.timestamp() - 3600,
        "snapshot_objects": 3,
        "snapshot_bytes": 300,
        "snapshot_rows": 30,
        "candidate_rejected": 0,
    }


def test_a_deleted_dataset_has_no_metrics() -> None:
    """An alert on a Dataset that was deleted could never be resolved."""
    cache = cache_of(body({"snapshot": snapshot("a")}))
    cache.drop(body(version="2"))
    assert values(cache) == {}


def test_only_the_leader_exports_metrics() -> None:
    """A sum over two replicas would count every Dataset twice."""
    leading: list[Any] = []
    registry = CollectorRegistry()
    cache = cache_of(body({"snapshot": snapshot("a")}))
    registry.register(ObjectMetrics(cache, [of_datasets.controller()], lambda: bool(leading)))
    assert registry.get_sample_value("modelops_dataset_snapshot_rows", LABELS) is None
    leading.append(True)
    assert registry.get_sample_value("modelops_dataset_snapshot_rows", LABELS) == 30
