"""Paths of the worker, moved into a directory of the test."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import tools


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Return a Pod's volumes `shared` and `ml`, the file of its report, and its processes, which are killed at the end.

    busybox is real, and so is tini if it is installed.
    """
    busybox, tini = tools.find("busybox"), tools.find("tini")
    if busybox is None:
        pytest.skip("no busybox: install busybox-static or set MODELOPS_TEST_BUSYBOX")
    shared, ml, report = tmp_path / "shared", tmp_path / "ml", tmp_path / "report.json"
    (ml / "output").mkdir(parents=True)
    (ml / "model").mkdir()
    monkeypatch.setenv("MODELOPS_SHARED", str(shared))
    monkeypatch.setenv("MODELOPS_ML_ROOT", str(ml))
    monkeypatch.setenv("MODELOPS_REPORT", str(report))
    monkeypatch.setenv("MODELOPS_BUSYBOX", str(busybox))
    monkeypatch.setenv("MODELOPS_TINI", str(tini or busybox))
    monkeypatch.setenv("MODELOPS_PROGRESS_PORT", "0")  # Any free port: sidecars of several tests may run at once.
    processes: list[subprocess.Popen[str]] = []
    yield SimpleNamespace(shared=shared, ml=ml, report=report, tini=tini, processes=processes)
    for process in processes:
        if process.poll() is None:
            own_group = os.getpgid(process.pid) == process.pid
            (os.killpg if own_group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
