"""Processes of the operator on this machine: finds them by their Pod, kills and restarts them."""

import contextlib
import os
import signal
import time
from pathlib import Path

from hack.deploy import NAMESPACE, RELEASE, wait_for_leader
from support.real_cluster import RealCluster


def kill_leader(cluster: RealCluster) -> None:
    """Kill the leader by SIGKILL, and delete its Pod."""
    pod = cluster.operator_pod()
    running = pids(pod["metadata"]["uid"])
    assert running, f"Pod {pod['metadata']['name']} has no process on this machine"
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # Delete the Pod, since the kubelet delays the restart of a container that was killed several times.
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", NAMESPACE, "--grace-period=0", "--force")


def restart(cluster: RealCluster) -> None:
    """Delete both replicas, and wait for a new leader."""
    before = {pod["metadata"]["name"] for pod in cluster.kubectl.listed("pods", NAMESPACE)}
    cluster.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--wait=true")
    cluster.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=90s")
    deadline = time.monotonic() + 60
    while wait_for_leader(cluster.kubectl) in before:
        assert time.monotonic() < deadline, "no new replica became the leader"
        time.sleep(0.2)


def pids(pod_uid: str) -> list[int]:
    """Return the process IDs, on this machine, of the operator in a Pod."""
    ids = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            in_pod = pod_uid.replace("-", "_") in (text := (process / "cgroup").read_text()) or pod_uid in text
            if in_pod and b"modelops" in (process / "cmdline").read_bytes():
                ids.append(int(process.name))
    return ids
