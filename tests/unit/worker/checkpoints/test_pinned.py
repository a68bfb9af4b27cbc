"""Pins of checkpoints: what the operator says may be restored, and what the sidecar reports."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from modelops.api.checkpoints import Checkpoint
from modelops.api.contract.tasks import CHECKPOINTS_FILE, PinnedCheckpoints
from modelops.worker.checkpoints.pinned import SavedCheckpoints, pinned_checkpoints
from support.builders.common import digest

PINS = [Checkpoint(rank=0, manifest=f"{time:016}", digest=digest("a")) for time in range(4)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of the mounted ConfigMap, which does not exist yet."""
    monkeypatch.setenv("MODELOPS_CHECKPOINTS_DIR", str(tmp_path))
    return tmp_path / CHECKPOINTS_FILE


def test_a_pod_reads_the_pins_that_are_mounted(file: Path) -> None:
    assert pinned_checkpoints() == []
    file.write_text(PinnedCheckpoints(checkpoints=PINS).model_dump_json(by_alias=True))
    assert pinned_checkpoints() == PINS


@pytest.mark.parametrize("text", ["", "{", '{"checkpoints": [{"rank": 0, "manifest": "../x", "digest": "sha256:0"}]}'])
def test_an_invalid_file_pins_nothing(file: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Without valid pins nothing is restored, and the log says so."""
    file.write_text(text)
    assert pinned_checkpoints() == []
    assert "cannot be read, so no checkpoint counts as pinned" in caplog.text


def test_each_saved_checkpoint_is_reported_at_once_until_the_last_report() -> None:
    """A sidecar that is killed has reported what it saved, and its last report is never overwritten."""
    reports: list[list[Checkpoint]] = []
    saved = SavedCheckpoints(lambda newest: reports.append(list(newest)))
    for pin in PINS[:3]:
        saved.add(pin)
    assert reports == [[PINS[0]], [PINS[1], PINS[0]], [PINS[2], PINS[1]]]
    saved.close()
    saved.add(PINS[3])
    assert len(reports) == 3
    assert saved.newest() == [PINS[3], PINS[2]]


def test_a_report_that_fails_does_not_stop_the_upload() -> None:
    def fails(newest: Sequence[Checkpoint]) -> None:
        raise OSError("read-only")

    saved = SavedCheckpoints(fails)
    saved.add(PINS[0])
    assert saved.newest() == [PINS[0]]
