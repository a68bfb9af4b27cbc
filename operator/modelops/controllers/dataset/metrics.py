"""What Prometheus is told about Datasets."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from modelops.api.dataset import Dataset
from modelops.machinery.cache import Cache
from modelops.machinery.conditions import parse_timestamp

_LABELS = ("namespace", "dataset")
_OF_SNAPSHOT = ("objects", "bytes", "rows")


def collect(cache: Cache) -> Iterable[Metric]:
    """A sample of each Dataset; of a snapshot only where there is one. Bodies are not validated: it is asked often."""
    taken = _gauge("snapshot_timestamp_seconds", "When the current snapshot became current, in Unix time.")
    sizes = {name: _gauge(f"snapshot_{name}", f"How many {name} the current snapshot has.") for name in _OF_SNAPSHOT}
    rejected = _gauge("candidate_rejected", "1 while the newest data is rejected.")
    for body in cache.all(Dataset.__name__):
        of = (body["metadata"]["namespace"], body["metadata"]["name"])
        status = body.get("status") or {}
        snapshot = status.get("snapshot")
        if snapshot is not None:
            taken.add_metric(of, parse_timestamp(snapshot["takenAt"]).timestamp())
            for name, family in sizes.items():
                family.add_metric(of, snapshot[name])
        rejected.add_metric(of, (status.get("candidate") or {}).get("state") == "Rejected")
    return (taken, *sizes.values(), rejected)


def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"modelops_dataset_{name}", documentation, labels=_LABELS)
