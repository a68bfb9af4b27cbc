"""Figures of the leader: CPU and memory from the kernel, API calls from the leader's metrics."""

import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from bench.process_figures import cpu_seconds, rss_peak_mib
from support import operator_process
from support.real_cluster import RealCluster

_WRITES = ("APPLY", "PATCH", "POST", "DELETE")


@dataclass(frozen=True)
class Figures:
    """Figures of the leader at one moment."""

    cpu_seconds: float
    rss_peak_mib: float
    writes: float
    """Writes to objects, without those to Events and the Lease."""
    errors: float
    """API calls that ended with 4xx or 5xx."""
    queue: float
    objects: float
    """Objects in the cache."""


def read(cluster: RealCluster) -> Figures:
    """Read the figures of the leader."""
    pod = cluster.operator_pod()
    pid = max(operator_process.pids(pod["metadata"]["uid"]), key=rss_peak_mib)
    address = pod["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    calls = [sample for sample in samples if sample.name == "modelops_api_calls_total"]
    return Figures(
        cpu_seconds=cpu_seconds(pid),
        rss_peak_mib=rss_peak_mib(pid),
        writes=sum(
            call.value
            for call in calls
            if call.labels["verb"] in _WRITES and call.labels["resource"] not in ("events",)
        ),
        errors=sum(call.value for call in calls if call.labels["code"][0] in "045"),
        objects=sum(sample.value for sample in samples if sample.name == "modelops_cached_objects"),
        queue=next((sample.value for sample in samples if sample.name == "modelops_queue_depth"), 0.0),
    )
