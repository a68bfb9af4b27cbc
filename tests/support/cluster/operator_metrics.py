"""Metrics of the operator's leader."""

import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from hack.deploy import NAMESPACE
from modelops.api.kinds import Kind
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, RealCluster


def samples(cluster: RealCluster) -> list[Any]:
    """Return the samples of the leader; none if it is unreachable."""
    return _samples_of(cluster.operator_pod())


def resident_bytes(cluster: RealCluster) -> dict[str, float]:
    """Return the resident memory of each replica that answers, in bytes, by the name of its Pod."""
    return {
        pod["metadata"]["name"]: sample.value
        for pod in cluster.api.listed("pods", NAMESPACE)
        for sample in _samples_of(pod)
        if sample.name == "process_resident_memory_bytes"
    }


def _samples_of(pod: Body) -> list[Any]:
    address = pod["status"].get("podIP")
    try:
        with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    except OSError:
        return []
    return [sample for family in families for sample in family.samples]


def wait_until_all_reconciled(cluster: RealCluster, kinds: Sequence[type[Kind]], within: float = 60.0) -> None:
    """Wait until a new leader has reconciled every object of the kinds. `within` is in seconds."""

    def all_reconciled(counts: dict[tuple[str, str], float]) -> bool:
        numbers = [(counts["reconciled", kind.__name__], counts["cached", kind.plural]) for kind in kinds]
        return all(reconciled >= cached > 0 for reconciled, cached in numbers)

    poll(lambda: _counts(cluster), all_reconciled, within=within, awaited="a reconcile of every object")


def _counts(cluster: RealCluster) -> dict[tuple[str, str], float]:
    """Return the numbers of reconciles of each kind, and of objects in the cache of each resource."""
    counts: dict[tuple[str, str], float] = defaultdict(float)
    for sample in samples(cluster):
        if sample.name == "modelops_reconciles_total":
            counts["reconciled", sample.labels["kind"]] += sample.value
        if sample.name == "modelops_cached_objects":
            counts["cached", sample.labels["resource"]] += sample.value
    return counts
