"""Processes of the operator on this machine: finds them by their Pod, kills and restarts them."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from hack.deploy import NAMESPACE, RELEASE
from support.cluster.polling import poll
from support.cluster.real_cluster import RealCluster


def kill_leader(cluster: RealCluster) -> None:
    """Kill the leader by SIGKILL, and delete its Pod.

    The kubelet would delay the restart of a container that was killed several times.
    """
    with _one_at_a_time(cluster):
        pod = cluster.operator_pod()
        running = pids(pod["metadata"]["uid"])
        assert running, f"Pod {pod['metadata']['name']} has no process on this machine"
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", NAMESPACE, "--grace-period=0", "--force")


def restart(cluster: RealCluster) -> None:
    """Delete both replicas, and wait until a new one is the leader."""
    with _one_at_a_time(cluster):
        before = {pod["metadata"]["name"] for pod in cluster.api.listed("pods", NAMESPACE)}
        cluster.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--wait=true")
        cluster.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=90s")
        poll(cluster.leader, lambda leader: leader not in before, within=60, awaited="a new replica as the leader")


@contextlib.contextmanager
def _one_at_a_time(cluster: RealCluster) -> Iterator[None]:
    """Keep tests that run beside each other from ending the same Pod twice."""
    with (cluster.place.logs / "ends-the-operator.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
