"""The operator as processes of this machine: found by their Pod, and killed as the kernel kills."""

import contextlib
import os
import signal
import time
from pathlib import Path

from hack.deploy import NAMESPACE, RELEASE, wait_for_leader
from support.real_cluster import RealCluster


def kill_leader(cluster: RealCluster) -> None:
    """Kill -9 the replica that acts, and see that it is gone before anything else is done."""
    pod = cluster.operator_pod()
    running = pids(pod["metadata"]["uid"])
    assert running, f"no process of Pod {pod['metadata']['name']} is on this machine"
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # A new Pod, since the kubelet would let a container that was killed often wait for long.
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", NAMESPACE, "--grace-period=0", "--force")


def restart(cluster: RealCluster) -> None:
    """End both replicas, and wait until a new one acts."""
    before = {pod["metadata"]["name"] for pod in cluster.kubectl.listed("pods", NAMESPACE)}
    cluster.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--wait=true")
    cluster.kubectl("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=90s")
    deadline = time.monotonic() + 60
    while wait_for_leader(cluster.kubectl) in before:
        assert time.monotonic() < deadline, "no new replica has taken over"
        time.sleep(0.2)


def pids(pod_uid: str) -> list[int]:
    """The operator's processes in a Pod, by this machine's numbers."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            in_pod = pod_uid.replace("-", "_") in (text := (process / "cgroup").read_text()) or pod_uid in text
            if in_pod and b"modelops" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found
