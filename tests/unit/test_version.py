"""Every program prints its version."""

import subprocess
import sys

import pytest

from modelops import __version__
from support.checkout import OPERATOR


@pytest.mark.parametrize(
    ("module", "program"),
    [
        ("modelops", "modelops"),
        ("modelops.worker", "modelops.worker"),
        ("modelops.monitor", "modelops.monitor"),
        ("modelops.server", "modelops.server"),
        ("modelops.cli", "kubectl modelops"),
    ],
)
def test_a_program_prints_its_version(module: str, program: str) -> None:
    """A report of a bug can name the version of each image and of the plugin."""
    printed = subprocess.run(
        [sys.executable, "-m", module, "--version"],
        env={"PYTHONPATH": str(OPERATOR)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == f"{program} {__version__}\n"
