"""Prometheus metrics of Datasets."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from modelops.api.dataset import Dataset
from modelops.machinery.cache import Cache
from modelops.machinery.conditions import parse_timestamp

_LABELS = ("namespace", "dataset")
_SIZES = ("objects", "bytes", "rows")


def collect(cache: Cache) -> Iterable[Metric]:
    """Return a sample of each Dataset; those of the snapshot only for a Dataset that has one.

    Bodies are not validated, since Prometheus scrapes often.
    """
    created = _gauge("snapshot_timestamp_seconds", "When the current snapshot became current, in Unix time.")
    sizes = {name: _gauge(f"snapshot_{name}", f"Number of {name} of the current snapshot.") for name in _SIZES}
    rejected = _gauge("candidate_rejected", "1 while the newest data is rejected.")
    for body in cache.all(Dataset.__name__):
        labels = (body["metadata"]["namespace"], body["metadata"]["name"])
        status = body.get("status") or {}
        snapshot = status.get("snapshot")
        if snapshot is not None:
            created.add_metric(labels, parse_timestamp(snapshot["createdAt"]).timestamp())
            for name, family in sizes.items():
                family.add_metric(labels, snapshot[name])
        rejected.add_metric(labels, (status.get("candidate") or {}).get("state") == "Rejected")
    return (created, *sizes.values(), rejected)


def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"modelops_dataset_{name}", documentation, labels=_LABELS)
