"""The files of a model that a trainer left."""

from pathlib import Path

import pytest

from modelops.worker.model import artifact
from modelops.worker.runtime.errors import TaskError


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
