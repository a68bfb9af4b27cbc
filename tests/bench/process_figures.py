"""CPU and memory of a process, as the kernel counts them."""

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of all threads since the process's start, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Return the resident memory in MiB."""
    return _status_mib(pid, "VmRSS")


def rss_peak_mib(pid: int) -> float:
    """Return the highest resident memory so far in MiB."""
    return _status_mib(pid, "VmHWM")


def _status_mib(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0
