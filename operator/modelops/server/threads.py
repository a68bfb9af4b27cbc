"""How many threads numeric libraries may start: they count the node's processors, not the container's share of them."""

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CGROUP_2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_1 = (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))


def limit(environment: MutableMapping[str, str]) -> None:
    """Set what the user has not. Must come before any of the libraries is imported."""
    for name in VARIABLES:
        environment.setdefault(name, str(available()))


def available() -> int:
    """The processors that this container may keep busy, at least one."""
    processors = len(os.sched_getaffinity(0))
    return min(processors, share(_quota()) or processors)


def share(quota: str) -> int | None:
    """`<quota> <period>` in microseconds, as in cgroup v2's cpu.max, in whole processors. None: no limit."""
    match quota.split():
        case [used, period] if used not in ("max", "-1"):
            return max(1, math.ceil(int(used) / int(period)))
        case _:
            return None


def _quota() -> str:
    try:
        return _CGROUP_2.read_text()
    except OSError:
        pass
    try:
        return " ".join(part.read_text().strip() for part in _CGROUP_1)
    except OSError:
        return ""
