"""Python environment of the tests and the demo, created once for each state of the lock file."""

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
    """Create the environment unless it exists, and link it as `.venv`. Return its interpreter.

    Raises StepError where Python is older than 3.11, or the module venv is missing and cannot be installed.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - the message is for older versions
        raise StepError(f"Python 3.11 or newer is required, this is {sys.version.split()[0]}")
    root = places.cache() / "python" / key_of(LOCK, sys.version, sys.executable)
    complete = root / "complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)
        _require_venv(step)
        step.note("installing requirements/dev.txt")
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
    step.note("installing python3-venv")
    step.run("apt-get", "-q", "update")
    step.run("apt-get", "-q", "install", "-y", "--no-install-recommends", "python3-venv", "python3-pip")
