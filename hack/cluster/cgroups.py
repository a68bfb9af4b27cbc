"""Branch of the cgroup tree (version 1 or 2) that holds every process of a cluster's node."""

import contextlib
import os
import subprocess
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_SHARE = {"cpu.shares": 8192, "cpu.weight": 800}
"""Share of the processor in either version: that of eight processes outside the branch.

With the default share, which is that of a single process, the operator in the cluster would miss the renewals of its
Lease whenever tests beside the cluster compute.
"""


def is_version_2() -> bool:
    """Return whether this machine has only the unified hierarchy."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Return the root of each cgroup hierarchy of this machine."""
    if is_version_2():
        return [ROOT]
    return sorted(path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink() and os.path.ismount(path))


def join(name: str) -> None:
    """Create the branch, and move this process into the branch."""
    for root in hierarchies():
        branch = root / name
        branch.mkdir(exist_ok=True)
        if (branch / "cpuset.cpus").exists() and not is_version_2():
            for file in ("cpuset.cpus", "cpuset.mems"):
                (branch / file).write_text((root / file).read_text())
        for file, share in _SHARE.items():
            if (branch / file).exists():
                (branch / file).write_text(str(share))
        (branch / "cgroup.procs").write_text(str(os.getpid()))


def show_only_own() -> None:
    """Mount this process's own branch as the whole cgroup tree. Requires a mount and a cgroup namespace of its own."""
    version_2 = is_version_2()
    mounted = [(path, _options(path)) for path in hierarchies()]
    subprocess.run(["umount", "-R", ROOT], check=True)
    if version_2:
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", ROOT], check=True)
        _delegate()
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", ROOT], check=True)
    for path, (kind, options) in mounted:
        path.mkdir()
        subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []), "cgroup", path], check=True)


def remove(name: str) -> None:
    """Remove a branch that holds no process."""
    for root in hierarchies():
        for path in sorted((root / name).rglob("*"), key=lambda path: -len(path.parts)):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            (root / name).rmdir()


def left(name: str) -> list[Path]:
    """Return the directories of a branch that exist."""
    return [root / name for root in hierarchies() if (root / name).exists()]


def _options(path: Path) -> tuple[str, str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if where == str(path):
            kept = [
                option for option in options.split(",") if option not in ("rw", "relatime", "nosuid", "nodev", "noexec")
            ]
            return kind, ",".join(kept)
    return "cgroup", path.name


def _delegate() -> None:
    """Move all processes into a leaf: version 2 allows no processes beside branches with controllers."""
    leaf = ROOT / "init"
    leaf.mkdir(exist_ok=True)
    for pid in (ROOT / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (leaf / "cgroup.procs").write_text(pid)
    controllers = (ROOT / "cgroup.controllers").read_text().split()
    (ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in controllers))
