"""`make test` and `make lint`: what must hold before a change goes in."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hack.cluster import machine, places
from hack.cluster.__main__ import node
from hack.steps import Step, StepError, Steps

_PYTHON = Path(sys.executable)
_CHECKED = ("operator", "tests", "hack", "examples")


def main() -> int:
    """Lint; then, unless only that was asked for, every test. The exit code."""
    cluster = places.Cluster("test")
    steps = Steps(cluster.logs)
    lint(steps, cluster)
    if sys.argv[1:] == ["lint"]:
        return 0
    with steps.step("Static tools for the tests") as step:
        environment = {**os.environ, **static_tools(step)}
    return subprocess.run(
        [_PYTHON, "-m", "pytest", "-q", *sys.argv[1:]], cwd=places.CHECKOUT, env=environment, check=False
    ).returncode


def lint(steps: Steps, cluster: places.Cluster) -> None:
    """Style, types, layers, generated files, the chart."""
    with steps.step("Style (ruff)") as step:
        step.run(_PYTHON, "-m", "ruff", "check", *_CHECKED, cwd=places.CHECKOUT)
        step.run(_PYTHON, "-m", "ruff", "format", "--check", *_CHECKED, cwd=places.CHECKOUT)
    with steps.step("Types (mypy)") as step:
        step.run(_PYTHON, "-m", "mypy", cwd=places.CHECKOUT)
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
    """The CRDs, and the chart's copy of them, are what the models say."""
    with tempfile.TemporaryDirectory() as directory:
        step.run(_PYTHON, "-m", "modelops.api.crds", directory)
        for fresh in sorted(Path(directory).glob("*.yaml")):
            for kept in (places.CHECKOUT / "crds", places.CHECKOUT / "helm" / "modelops" / "files" / "crds"):
                if not (kept / fresh.name).exists() or (kept / fresh.name).read_bytes() != fresh.read_bytes():
                    where = (kept / fresh.name).relative_to(places.CHECKOUT)
                    raise StepError(f"{where} is not what operator/modelops/api says: run `make crds`")


def static_tools(step: Step) -> dict[str, str]:
    """Busybox and tini for the tests of the worker's scripts, from Debian's packages, unpacked and not installed."""
    root = machine.unpacked(step, "tools", "busybox-static", "tini")
    return {
        "MODELOPS_TEST_BUSYBOX": str(root / "bin" / "busybox"),
        "MODELOPS_TEST_TINI": str(root / "usr" / "bin" / "tini-static"),
    }


if __name__ == "__main__":
    sys.exit(main())
