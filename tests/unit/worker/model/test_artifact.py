"""Files of a model: regular files beneath its directory, whatever a trainer that still runs puts in their place."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from modelops.lineage.digests import ArtifactFile
from modelops.worker.model import artifact
from modelops.worker.model.artifact import files_of, open_file
from modelops.worker.runtime.errors import TaskError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Model of one file in a directory, beside which there are credentials."""
    (tmp_path / "model" / "weights").mkdir(parents=True)
    (tmp_path / "model" / "weights" / "0").write_text("w")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "0").write_text("key")
    return tmp_path / "model"


def swap(model: Path, path: str) -> None:
    """Replace a part of the model by a link to the credentials."""
    target = model.parent / "credentials"
    (model / path).rename(model.parent / "before")
    (model / path).symlink_to(target if path == "weights" else target / "0")


def test_files_have_their_size_and_hash(model: Path) -> None:
    """The digest of a model is that of all of its bytes."""
    assert files_of(model) == [ArtifactFile("weights/0", 1, hashlib.sha256(b"w").hexdigest())]


@pytest.mark.parametrize("path", ["weights", "weights/0"])
def test_a_link_that_takes_a_files_place_after_the_listing_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """No credentials of the sidecar are ever published as a model."""

    def list_then_swap(found: Iterable[Path]) -> list[Path]:
        files = list(found)
        swap(model, path)
        return files

    monkeypatch.setattr(artifact, "sorted", list_then_swap, raising=False)
    with pytest.raises(TaskError, match="behind a symbolic link") as caught:
        files_of(model)
    assert caught.value.failure.reason == "InvalidModel"


def test_a_pipe_that_takes_a_files_place_is_refused(model: Path) -> None:
    """The upload does not wait for a writer."""
    (model / "weights" / "0").unlink()
    os.mkfifo(model / "weights" / "0")
    with pytest.raises(TaskError, match="not a regular file"):
        open_file(model, "weights/0")


def test_a_model_of_more_files_than_a_server_would_fetch_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says so, instead of the Pods that would serve the model."""
    monkeypatch.setattr(artifact, "MAX_FILES", 2)
    for name in ("a", "b/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [file.path for file in artifact.files_of(tmp_path)] == ["a", "b/c"]
    (tmp_path / "d").touch()
    with pytest.raises(TaskError, match="the model has more than 2 files") as caught:
        artifact.files_of(tmp_path)
    assert caught.value.failure.reason == "InvalidModel"
