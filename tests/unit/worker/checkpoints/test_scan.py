"""Which of the trainer's files are checkpoints to keep."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.store.layout import Location
from modelops.worker.checkpoints.manifests import RankPlace, leads_out, ranks_of
from modelops.worker.checkpoints.scan import look_at


def test_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and links among them. Not what could lead to the sidecar's credentials, and not what has no content."""
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "file").write_text("1")
    (tmp_path / "d" / "last").symlink_to("e")
    (tmp_path / "up").symlink_to("d/../../x")
    (tmp_path / "away").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("1")
    monkeypatch.chdir(tmp_path)  # A socket's path must be short.
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        look = look_at(tmp_path)
    assert list(look.files) == ["d/e/file"]
    assert look.links == {"d/last": "e"}
    assert sorted(look.left_out) == ["'\\udcff'", "away", "pipe", "socket", "up"]


def test_no_directory(tmp_path: Path) -> None:
    """A run without checkpoints has none to keep."""
    assert look_at(tmp_path / "none").files == {}


def test_what_holds_still(tmp_path: Path) -> None:
    """A file that is new, grew, or was written over with as many bytes may be in the middle of it."""
    for name in ("same", "grows", "over", "mode"):
        (tmp_path / name).write_text("1")
    before = look_at(tmp_path)
    (tmp_path / "grows").write_text("12")
    (tmp_path / "over").write_text("2")
    os.utime(tmp_path / "over", ns=(1, before.files["over"].modified + 1))
    (tmp_path / "mode").chmod(0o600)
    (tmp_path / "new").write_text("1")
    assert list(look_at(tmp_path).still(before)) == ["same"]


@given(st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=6).map("/".join))
def test_no_link_leads_out(target: str) -> None:
    """Wherever a link is, what it leads to is beside or below it."""
    if not leads_out(target):
        assert os.path.normpath(os.path.join("/root/x", target)).startswith("/root/x")


def test_ranks_are_told_by_their_folders() -> None:
    """Only what a sidecar has written counts as a rank."""
    run = Location("b", "runs/one/")
    keys = ["rank-10/1.json", "rank-2/objects/x", "rank-2/1.json", "rank-x/1", "rank-01/1", "other", "rank-3"]
    assert ranks_of(run, [run.key + key for key in keys]) == [RankPlace(run, 2), RankPlace(run, 10)]


def test_manifests_in_order() -> None:
    """The newest manifest is the one that is restored, whatever else is there."""
    place = RankPlace(Location("b", "runs/one/"), 1)
    keys = [place.manifest_key(time) for time in (9, 10, 1_767_225_600_000)]
    others = [place.object_key("0" * 64), place.prefix + "1.json", RankPlace(place.run, 0).manifest_key(5)]
    assert place.newest_first([*others, *keys]) == keys[::-1]
    assert [place.time_of(key) for key in keys] == [9, 10, 1_767_225_600_000]
