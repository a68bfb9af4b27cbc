"""The cluster's own branch of the cgroup tree, of version 1 or 2: everything of the node is below it."""

import contextlib
import os
import subprocess
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def is_version_2() -> bool:
    """Whether this machine has the unified hierarchy only."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """The root of each hierarchy of this machine."""
    if is_version_2():
        return [ROOT]
    return sorted(path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink() and os.path.ismount(path))


def join(name: str) -> None:
    """Make the branch and move this process into it."""
    for root in hierarchies():
        branch = root / name
        branch.mkdir(exist_ok=True)
        if (branch / "cpuset.cpus").exists() and not is_version_2():
            for file in ("cpuset.cpus", "cpuset.mems"):
                (branch / file).write_text((root / file).read_text())
        (branch / "cgroup.procs").write_text(str(os.getpid()))


def show_only_own() -> None:
    """In namespaces of our own: mount what is below our branch as if it were everything."""
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
    """Remove the branch; nothing runs in it any more."""
    for root in hierarchies():
        for path in sorted((root / name).rglob("*"), key=lambda one: -len(one.parts)):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            (root / name).rmdir()


def left(name: str) -> list[Path]:
    """What there is of the branch."""
    return [root / name for root in hierarchies() if (root / name).exists()]


def _options(path: Path) -> tuple[str, str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if where == str(path):
            kept = [one for one in options.split(",") if one not in ("rw", "relatime", "nosuid", "nodev", "noexec")]
            return kind, ",".join(kept)
    return "cgroup", path.name


def _delegate() -> None:
    """Version 2 lets no process stay beside branches with controllers."""
    leaf = ROOT / "init"
    leaf.mkdir(exist_ok=True)
    for pid in (ROOT / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (leaf / "cgroup.procs").write_text(pid)
    controllers = (ROOT / "cgroup.controllers").read_text().split()
    (ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in controllers))
