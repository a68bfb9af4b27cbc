"""Versions: every program prints its own, and the chart has the same."""

import subprocess
import sys

import pytest
import yaml

from modelops import __version__
from support.checkout import OPERATOR, ROOT


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


def test_the_chart_has_the_version_of_the_package() -> None:
    """The chart's images are tagged with its version."""
    chart = yaml.safe_load((ROOT / "helm/modelops/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
