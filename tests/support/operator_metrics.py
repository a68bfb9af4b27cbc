"""What the replica of the operator that acts tells Prometheus."""

import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from modelops.api.kinds import Kind
from support.real_cluster import RealCluster


def samples(cluster: RealCluster) -> list[Any]:
    """Its samples; nothing where it cannot be asked."""
    address = cluster.operator_pod()["status"].get("podIP")
    try:
        with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    except OSError:
        return []
    return [sample for family in families for sample in family.samples]


def wait_until_all_reconciled(cluster: RealCluster, kinds: Sequence[type[Kind]], within: float = 60.0) -> None:
    """Wait until a replica that has just taken over has been through every object of the kinds."""
    deadline = time.monotonic() + within
    while True:
        figures = _figures(cluster)
        if figures and all(
            figures["reconciled", kind.__name__] >= figures["cached", kind.plural] > 0 for kind in kinds
        ):
            return
        assert time.monotonic() < deadline, f"not all objects were looked at after {within:.0f} s: {figures}"
        time.sleep(0.2)


def _figures(cluster: RealCluster) -> dict[tuple[str, str], float]:
    """How many objects of a kind the replica knows, and how many it has reconciled."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for sample in samples(cluster):
        if sample.name == "modelops_reconciles_total":
            found["reconciled", sample.labels["kind"]] += sample.value
        if sample.name == "modelops_cached_objects":
            found["cached", sample.labels["resource"]] += sample.value
    return found
