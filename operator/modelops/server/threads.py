"""Number of threads of numeric libraries, which count the node's processors, not those of the container's limit."""

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_CGROUP_2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_1 = (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))


def limit(environment: MutableMapping[str, str]) -> None:
    """Set the variables that the user has not set. Must run before any of the libraries is imported."""
    for name in VARIABLES:
        environment.setdefault(name, str(available_processors()))


def available_processors() -> int:
    """Return how many processors this container may use, at least one."""
    processors = len(os.sched_getaffinity(0))
    return min(processors, quota_processors(_quota()) or processors)


def quota_processors(quota: str) -> int | None:
    """Return a CPU quota in whole processors, rounded up, or None without a limit.

    `quota` is `<quota> <period>` in microseconds, as in cgroup v2's cpu.max.
    """
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
