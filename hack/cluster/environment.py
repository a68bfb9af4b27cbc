"""The Python environment of the tests and the demo, made once for a state of its lock file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import places
from hack.cluster.content import key_of
from hack.steps import Step, StepError

LOCK = places.CHECKOUT / "requirements" / "dev.txt"


def python(step: Step) -> Path:
    """The interpreter that has everything, and `.venv` as a link to its environment."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this says so to whoever has an older one
        raise StepError(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    root = places.cache() / "python" / key_of(LOCK, sys.version, sys.executable)
    complete = root / "complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)
        _require_venv(step)
        step.note("installs requirements/dev.txt")
        step.run(sys.executable, "-m", "venv", root)
        install = ("install", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", LOCK)
        step.run(root / "bin" / "python", "-m", "pip", *install)
        complete.touch()
    link = places.CHECKOUT / ".venv"
    if link.is_symlink() and link.readlink() != root:
        link.unlink()
    if not link.exists():
        link.symlink_to(root)
    return root / "bin" / "python"


def _require_venv(step: Step) -> None:
    has_pip = subprocess.run([sys.executable, "-m", "ensurepip", "--version"], capture_output=True, check=False)
    if has_pip.returncode == 0:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StepError("Python's venv is missing: install python3-venv")
    step.note("installs python3-venv")
    step.run("apt-get", "-q", "update")
    step.run("apt-get", "-q", "install", "-y", "--no-install-recommends", "python3-venv", "python3-pip")
