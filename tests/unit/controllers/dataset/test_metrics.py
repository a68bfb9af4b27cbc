"""Dataset metrics: what an alert on old or rejected data needs, and nothing of Datasets that are gone."""

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
from support.dataset_cases import candidate

OF = {"namespace": "team-a", "dataset": "mortgage"}


def body(status: Body | None = None, version: str = "1") -> Body:
    found: Body = {"kind": "Dataset", "metadata": metadata("mortgage", resourceVersion=version), "spec": {"source": S3}}
    return found if status is None else found | {"status": status}


def cache_of(*bodies: Body) -> Cache:
    cache = Cache({})
    for one in bodies:
        cache.put(one)
    return cache


def told(cache: Cache) -> dict[str, float]:
    """Metric → value, of the one Dataset."""
    samples = [sample for family in collect(cache) for sample in family.samples]
    assert all(sample.labels == OF for sample in samples)
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
def test_without_a_snapshot_there_is_none_to_tell_of(status: Body | None, rejected: int) -> None:
    """A snapshot of the year 1970 would be the oldest of all, and wake somebody for every new Dataset."""
    assert told(cache_of(body(status))) == {"candidate_rejected": rejected}


def test_a_snapshot_is_told_with_its_size_and_its_time() -> None:
    """Its age is `time()` less its time, at whatever moment Prometheus asks."""
    assert told(cache_of(body({"snapshot": snapshot("a", createdAt=ago(hours=1))}))) == {
        "snapshot_timestamp_seconds": NOW.timestamp() - 3600,
        "snapshot_objects": 3,
        "snapshot_bytes": 300,
        "snapshot_rows": 30,
        "candidate_rejected": 0,
    }


def test_what_is_deleted_is_not_told_of() -> None:
    """An alert on a Dataset that was deleted could never be mended."""
    cache = cache_of(body({"snapshot": snapshot("a")}))
    cache.drop(body(version="2"))
    assert told(cache) == {}


def test_only_the_replica_that_acts_tells() -> None:
    """Two replicas would make two of every Dataset in a sum."""
    leading: list[Any] = []
    registry = CollectorRegistry()
    cache = cache_of(body({"snapshot": snapshot("a")}))
    registry.register(ObjectMetrics(cache, [of_datasets.controller()], lambda: bool(leading)))
    assert registry.get_sample_value("modelops_dataset_snapshot_rows", OF) is None
    leading.append(True)
    assert registry.get_sample_value("modelops_dataset_snapshot_rows", OF) == 30
