"""The acting replica from outside: its CPU and memory as the kernel counts them, its API calls as it counts them."""

import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from bench.process_figures import cpu_seconds, rss_peak_mib
from support import operator_process
from support.real_cluster import RealCluster

_WRITES = ("APPLY", "PATCH", "POST", "DELETE")


@dataclass(frozen=True)
class Figures:
    """One look at the operator."""

    cpu_seconds: float
    rss_peak_mib: float
    writes: float
    """Writes to objects; Events and the Lease are not among them."""
    errors: float
    """API calls that ended with 4xx or 5xx."""
    queue: float
    objects: float
    """In the cache."""


def look(cluster: RealCluster) -> Figures:
    """At the replica that acts."""
    pod = cluster.operator_pod()
    pid = max(operator_process.pids(pod["metadata"]["uid"]), key=rss_peak_mib)
    address = pod["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    calls = [one for one in samples if one.name == "modelops_api_calls_total"]
    return Figures(
        cpu_seconds=cpu_seconds(pid),
        rss_peak_mib=rss_peak_mib(pid),
        writes=sum(
            one.value for one in calls if one.labels["verb"] in _WRITES and one.labels["resource"] not in ("events",)
        ),
        errors=sum(one.value for one in calls if one.labels["code"][0] in "045"),
        objects=sum(one.value for one in samples if one.name == "modelops_cached_objects"),
        queue=next((one.value for one in samples if one.name == "modelops_queue_depth"), 0.0),
    )
