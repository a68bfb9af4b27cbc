"""`make test`, `make unit` and `make lint`: the checks that a change must pass before it is merged."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hack.cluster import machine, places
from hack.cluster.__main__ import node
from hack.steps import Step, StepError, Steps
from hack.test_cluster import TestCluster

_PYTHON = Path(sys.executable)
_CHECKED = ("operator", "tests", "hack", "examples")
_UNIT_PROCESSES = os.cpu_count() or 1
_PROCESSES = 6
"""Number of test processes. More than processors: a test on the cluster mostly waits."""


def main() -> int:
    """Run `lint`, `unit`, or both and all other tests. Return the exit code.

    Further arguments are pytest's.
    """
    cluster = places.Cluster("test")
    steps = Steps(cluster.logs)
    target, arguments = (sys.argv[1], sys.argv[2:]) if sys.argv[1:2] in (["lint"], ["unit"]) else ("all", sys.argv[1:])
    if target in ("lint", "all"):
        lint(steps, cluster)
    if target == "lint":
        return 0
    with steps.step("Static tools for the tests") as step:
        environment = {**os.environ, **static_tools(step)}
    if target == "unit":
        return _pytest(environment, "-n", str(_UNIT_PROCESSES), "tests/unit", *arguments)
    with TestCluster(cluster) as variables:
        return _pytest(environment | variables, "-n", str(_PROCESSES), "--durations=20", *arguments)


def _pytest(environment: dict[str, str], *arguments: str) -> int:
    command = [str(_PYTHON), "-m", "pytest", "-q", "--dist", "loadscope", *arguments]
    return subprocess.run(command, cwd=places.CHECKOUT, env=environment, check=False).returncode


def lint(steps: Steps, cluster: places.Cluster) -> None:
    """Check style, spelling, types, layers, generated files and the chart."""
    with steps.step("Style (ruff)") as step:
        step.run(_PYTHON, "-m", "ruff", "check", *_CHECKED, cwd=places.CHECKOUT)
        step.run(_PYTHON, "-m", "ruff", "format", "--check", *_CHECKED, cwd=places.CHECKOUT)
    with steps.step("Spelling (codespell)") as step:
        step.run(_PYTHON, "-m", "codespell_lib", cwd=places.CHECKOUT)
    with steps.step("Types (mypy)") as step:
        # A fresh checkout would otherwise check every library again. The entries are by content.
        step.run(_PYTHON, "-m", "mypy", "--cache-dir", places.cache() / "mypy", cwd=places.CHECKOUT)
    with steps.step("Layers (import-linter)") as step:
        step.run(_PYTHON, "-c", "from importlinter.cli import lint_imports_command as c; c()", cwd=places.CHECKOUT)
    with steps.step("Generated files") as step:
        _generated(step)
    with steps.step("Helm") as step:
        node(cluster).programs(step)
        helm = places.CHECKOUT / ".cluster" / "bin" / "helm"
        step.run(
            helm, "lint", "--strict", places.CHECKOUT / "helm" / "modelops", "--set", "store.url=s3://bucket/prefix"
        )
        step.note("chart linted")


def _generated(step: Step) -> None:
    """Check that the CRDs, and the copy in the chart, are those generated from the models."""
    with tempfile.TemporaryDirectory() as directory:
        step.run(_PYTHON, "-m", "modelops.api.crds", directory)
        for fresh in sorted(Path(directory).glob("*.yaml")):
            for kept in (places.CHECKOUT / "crds", places.CHECKOUT / "helm" / "modelops" / "files" / "crds"):
                if not (kept / fresh.name).exists() or (kept / fresh.name).read_bytes() != fresh.read_bytes():
                    where = (kept / fresh.name).relative_to(places.CHECKOUT)
                    raise StepError(f"{where} differs from the models in operator/modelops/api: run `make crds`")


def static_tools(step: Step) -> dict[str, str]:
    """Unpack Debian's busybox and tini for the tests of the worker's scripts. Return the variables with their paths."""
    root = machine.unpacked(step, "tools", "busybox-static", "tini")
    return {
        "MODELOPS_TEST_BUSYBOX": str(root / "bin" / "busybox"),
        "MODELOPS_TEST_TINI": str(root / "usr" / "bin" / "tini-static"),
    }


if __name__ == "__main__":
    sys.exit(main())
