"""The trainer's state as the sidecar reads it: whatever the trainer puts in its place, nothing hangs or is followed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from modelops.worker.checkpoints import session
from modelops.worker.checkpoints.manifests import Restored
from modelops.worker.training.trainer_exit import exit_code


def pipe(file: Path) -> None:
    os.mkfifo(file)


def link(file: Path) -> None:
    elsewhere = file.parent / "elsewhere"
    elsewhere.write_text("0" if file.name == "exit-code" else Restored(unusable=True).model_dump_json())
    file.symlink_to(elsewhere)


def directory(file: Path) -> None:
    file.mkdir()


def large(file: Path) -> None:
    with file.open("wb") as content:
        content.truncate(1 << 30)


PLACES = pytest.mark.parametrize("put", [pipe, link, directory, large])


@PLACES
def test_only_a_regular_file_has_the_exit_code(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """A pipe is not waited for, a link is not followed, and a large file is not read into memory."""
    put(tmp_path / "exit-code")
    assert exit_code(tmp_path) is None


@pytest.mark.parametrize(("text", "expected"), [("0\n", 0), ("137\n", 137), ("", None), ("x", None)])
def test_the_exit_code_is_the_number_that_the_supervisor_wrote(tmp_path: Path, text: str, expected: int | None) -> None:
    assert exit_code(tmp_path) is None
    (tmp_path / "exit-code").write_text(text)
    assert exit_code(tmp_path) == expected


@pytest.mark.parametrize("put", [pipe, link, directory])
def test_only_a_regular_file_is_the_record_of_restored_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path], None]
) -> None:
    """Without the record the sidecar saves the checkpoints again."""
    monkeypatch.setenv("MODELOPS_SHARED", str(tmp_path))
    (tmp_path / "state").mkdir()
    session.save_restored(Restored(unusable=True))
    assert session.load_restored() == Restored(unusable=True)
    (tmp_path / "state/restored.json").unlink()
    put(tmp_path / "state/restored.json")
    assert session.load_restored() is None
