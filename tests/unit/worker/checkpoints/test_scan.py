"""Which of the trainer's files are saved as checkpoints, and how S3 keys name ranks and manifests."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.store.layout import Location
from modelops.worker.checkpoints.manifests import RankFolder, is_manifest, leads_outside
from modelops.worker.checkpoints.scan import scan
from support.builders.common import digest


def test_a_scan_finds_regular_files_and_links_that_stay_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that could lead to the sidecar's credentials, or that has no content, is never saved."""
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "file").write_text("1")
    (tmp_path / "d" / "last").symlink_to("e")
    (tmp_path / "up").symlink_to("d/../../x")
    (tmp_path / "away").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("1")
    monkeypatch.chdir(tmp_path)  # A socket's path must be short.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        result = scan(tmp_path)
    assert list(result.files) == ["d/e/file"]
    assert result.links == {"d/last": "e"}
    assert sorted(result.skipped) == ["'\\udcff'", "away", "pipe", "socket", "up"]


def test_a_link_that_takes_a_directorys_place_is_not_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that swaps its directory for a link while the sidecar scans saves none of the sidecar's files."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "d" / "file").touch()
    outside.mkdir()
    (outside / "secret").touch()

    def list_then_swap(directory: Any) -> Any:
        entries = list(scandir(directory))
        if (root / "d").is_dir() and not (root / "d").is_symlink():
            (root / "d").rename(tmp_path / "before")
            (root / "d").symlink_to(outside)
        return entries

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", list_then_swap)
    assert scan(root).files == {}


def test_a_directory_that_does_not_exist_has_no_files(tmp_path: Path) -> None:
    """A run that writes no checkpoints has nothing to save, and does not fail."""
    assert scan(tmp_path / "none").files == {}


def test_a_file_that_is_new_or_changed_is_not_unchanged(tmp_path: Path) -> None:
    """A file that is new, grew, or was overwritten with as many bytes may be half written."""
    for name in ("same", "grows", "over", "mode"):
        (tmp_path / name).write_text("1")
    before = scan(tmp_path)
    (tmp_path / "grows").write_text("12")
    (tmp_path / "over").write_text("2")
    os.utime(tmp_path / "over", ns=(1, before.files["over"].modified + 1))
    (tmp_path / "mode").chmod(0o600)
    (tmp_path / "new").write_text("1")
    assert list(scan(tmp_path).unchanged_since(before)) == ["same"]


@given(st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=6).map("/".join))
def test_no_saved_link_leads_outside_its_directory(target: str) -> None:
    """A restored link never reaches another path of the Pod."""
    if not leads_outside(target):
        assert os.path.normpath(os.path.join("/root/x", target)).startswith("/root/x")


def test_only_objects_with_the_name_of_a_manifest_count_as_checkpoints() -> None:
    """The log names checkpoints that are left out, and no other objects."""
    run = Location("b", "runs/one/")
    manifest = RankFolder(run, 10).manifest_key(1_767_225_600_000)
    keys = ["rank-2/objects/x", "rank-2/1.json", f"rank-x/{9:016}.json", f"rank-01/{9:016}.json", "other", "rank-3"]
    assert [key for key in [*(run.key + key for key in keys), manifest] if is_manifest(run, key)] == [manifest]


def test_the_pins_of_a_rank_are_its_manifests_newest_first() -> None:
    """The newest pinned checkpoint of a worker is restored, and never that of another worker in its place."""
    folder = RankFolder(Location("b", "runs/one/"), 1)
    times = (9, 10, 1_767_225_600_000)
    pins = [folder.pin(time, digest("a")) for time in times]
    others = [RankFolder(folder.run, 0).pin(11, digest("b"))]
    keys = [folder.manifest_key(time) for time in times]
    assert list(folder.pinned([*others, *pins])) == keys[::-1]
    assert set(folder.pinned([*others, *pins]).values()) == {digest("a")}
    assert [folder.time_of(key) for key in keys] == list(times)
