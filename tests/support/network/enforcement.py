"""Enforcement of a namespace's NetworkPolicies on the embedded node, whose network plugin (ptp) enforces none."""

import contextlib
import subprocess
from collections.abc import Iterator

from support.cluster.real_cluster import Space
from support.network.rules import Endpoint, Situation, ruleset


@contextlib.contextmanager
def enforced(space: Space) -> Iterator[None]:
    """Enforce the policies of a namespace until the context ends, for the Pods that run when it begins.

    The node of kind has a network plugin that enforces policies by itself, and nothing is to be done.
    """
    pid_file = space.cluster.place.state / "pid"
    if not pid_file.exists():
        yield
        return
    network = f"--net=/proc/{pid_file.read_text().split()[0]}/ns/net"
    table = f"test-{space.name}"
    _nft(network, ruleset(table, space.listed("networkpolicies"), _situation(space)))
    try:
        yield
    finally:
        _nft(network, f"delete table inet {table}\n")


def _situation(space: Space) -> Situation:
    """Read the Pods that run in this namespace, and in those of the operator and of the cluster's own programs."""
    api = space.cluster.api
    namespaces = {body["metadata"]["name"]: body["metadata"].get("labels", {}) for body in api.listed("namespaces", "")}
    pods = [pod for namespace in namespaces for pod in api.listed("pods", namespace)]
    endpoints = [
        Endpoint(pod["metadata"]["namespace"], pod["metadata"].get("labels", {}), pod["status"]["podIP"])
        for pod in pods
        if pod["status"].get("podIP") and pod["status"]["phase"] == "Running"
    ]
    return Situation(endpoints, namespaces)


def _nft(network: str, rules: str) -> None:
    subprocess.run(["nsenter", network, "nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)
