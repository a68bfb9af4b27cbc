"""Files of a volume: each file once, no file from outside, and every change noticed."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from modelops.api.contract.tasks import CREDENTIALS_DIR
from modelops.lineage.digests import PinnedObject
from modelops.worker.datasets.sources import VolumeSource
from modelops.worker.datasets.volume import PathEscapesVolumeError, hash_file, walk_files
from modelops.worker.runtime.errors import TaskError


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Volume with two files, one of them empty and in a directory."""
    root = tmp_path / "volume"
    (root / "deep/er").mkdir(parents=True)
    (root / "a.csv").write_bytes(b"x\n1\n")
    (root / "deep/er/b-c").touch()
    return root


@pytest.fixture
def source(volume: Path, tmp_path: Path) -> VolumeSource:
    """Source that reads the volume."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return VolumeSource(volume, scratch)


def paths(root: Path) -> list[str]:
    return sorted(file.path for file in walk_files(root))


def test_files_and_links_to_files_are_walked(volume: Path) -> None:
    """Files count in every directory, except in lost+found and behind links to directories."""
    (volume / "lost+found").mkdir()
    (volume / "lost+found/x").touch()
    (volume / "link.csv").symlink_to("a.csv")
    (volume / "loop").symlink_to("deep")
    os.mkfifo(volume / "pipe")
    assert paths(volume) == ["a.csv", "deep/er/b-c", "link.csv"]


@pytest.mark.parametrize("target", ["/etc/hostname", "../beside", "/etc", "missing", "link", CREDENTIALS_DIR])
def test_a_link_that_points_outside_the_volume_or_to_nothing_is_refused(
    volume: Path, source: VolumeSource, target: str
) -> None:
    """The Pod's own files never become data, and a file that a trainer would not find is never pinned."""
    (volume.parent / "beside").touch()
    (volume / "link").symlink_to(target)
    with pytest.raises(PathEscapesVolumeError, match='"link"'):
        paths(volume)
    with pytest.raises(TaskError) as caught:
        source.probe()
    assert caught.value.failure.reason == "UnusableKey"


def test_a_path_outside_the_volume_is_not_read(volume: Path) -> None:
    """A manifest cannot make a fetch read outside of the volume."""
    (volume.parent / "beside").touch()
    with pytest.raises(PathEscapesVolumeError):
        hash_file(volume, "../beside")


def test_a_file_name_with_a_line_break_is_refused(volume: Path, source: VolumeSource) -> None:
    """In a manifest, a line break in a name would read as two files."""
    (volume / "a\nb").touch()
    with pytest.raises(TaskError) as caught:
        source.probe()
    assert caught.value.failure.reason == "UnusableKey"


def test_files_are_pinned_by_their_content(source: VolumeSource, volume: Path) -> None:
    """A copy of the volume has the same digest."""
    state = source.probe()
    manifest = source.pin()
    sums = [hashlib.sha256(text).hexdigest() for text in (b"x\n1\n", b"")]
    assert list(manifest.entries()) == [
        PinnedObject("a.csv", "sha256", 4, sums[0]),
        PinnedObject("deep/er/b-c", "sha256", 0, sums[1]),
    ]
    assert manifest.digest == "sha256:" + hashlib.sha256(manifest.file.read_bytes()).hexdigest()
    assert (state.objects, state.bytes) == (manifest.objects, manifest.bytes) == (2, 4)
    assert [file.resolve() for _, file in source.files(manifest)] == [volume / "a.csv", volume / "deep/er/b-c"]


def test_the_change_token_is_a_hash_of_paths_sizes_and_modification_times(source: VolumeSource, volume: Path) -> None:
    """Anyone can compute the token: SHA-256 of the sorted lines of path, size and modification time."""
    os.utime(volume / "a.csv", ns=(5, 2 * 10**18))
    os.utime(volume / "deep/er/b-c", ns=(5, 10**18))
    state = source.probe()
    lines = b"a.csv\0%d\0%d\ndeep/er/b-c\0%d\0%d\n" % (4, 2 * 10**18, 0, 10**18)
    assert state.token == source.change_token == hashlib.sha256(lines).hexdigest()
    assert state.last_modified == "2033-05-18T03:33:20Z"


@pytest.mark.parametrize("change", ["written", "touched", "added", "removed", "renamed"])
def test_every_change_of_a_file_changes_the_token(source: VolumeSource, volume: Path, change: str) -> None:
    """A change that no probe notices never becomes a snapshot."""
    before = source.probe().token
    file = volume / "a.csv"
    if change == "written":
        file.write_bytes(b"x\n2\n")
    elif change == "touched":
        os.utime(file, ns=(1, 1))
    elif change == "added":
        (volume / "new").touch()
    elif change == "removed":
        file.unlink()
    else:
        file.rename(volume / "b.csv")
    assert source.probe().token != before


@pytest.mark.parametrize("change", ["written", "removed"])
def test_a_change_between_probe_and_hashing_is_noticed(source: VolumeSource, volume: Path, change: str) -> None:
    """A mixture of two states never becomes a snapshot."""
    source.probe()
    if change == "written":
        (volume / "a.csv").write_bytes(b"x\n2\n")
    else:
        (volume / "a.csv").unlink()
    with pytest.raises(TaskError) as caught:
        source.pin()
    assert caught.value.failure.reason == "SourceChanged"
    assert "a.csv" in caught.value.failure.message


def test_a_change_during_reading_is_noticed(source: VolumeSource, volume: Path) -> None:
    """Files are read in place, so at the end of the reading they must still be the pinned files."""
    source.probe()
    files = source.files(source.pin())
    next(files)
    (volume / "a.csv").write_bytes(b"x\n2\n")
    with pytest.raises(TaskError) as caught:
        list(files)
    assert caught.value.failure.reason == "SourceChanged"


@pytest.fixture
def outside(volume: Path) -> Path:
    """Directory outside the volume, with a file of the same name, size and times as one of the volume's."""
    outside = volume.parent / "outside"
    outside.mkdir()
    shutil.copy2(volume / "a.csv", outside / "a.csv")
    return outside


def swap(path: Path, target: Path) -> None:
    """Replace a file or directory by a link, as a writer of the volume can at any time."""
    path.rename(path.with_name("before"))
    path.symlink_to(target)


@pytest.mark.parametrize("step", ["hashing", "reading"])
def test_a_link_that_takes_a_files_place_after_the_look_is_not_followed(
    source: VolumeSource, volume: Path, outside: Path, step: str
) -> None:
    """The Pod's credentials never become data, whoever writes to the volume while it is read."""
    source.probe()
    files = source.files(source.pin()) if step == "reading" else iter(())
    swap(volume / "a.csv", outside / "a.csv")
    with pytest.raises(TaskError) as caught, source.translate_errors():
        next(files) if step == "reading" else source.pin()
    assert caught.value.failure.reason == "UnusableKey"


def test_a_link_that_takes_an_open_files_place_is_not_read(source: VolumeSource, volume: Path, outside: Path) -> None:
    """Rows are read from the very file that was checked, and the change is noticed at the end."""
    source.probe()
    (outside / "a.csv").write_text("other")
    files = source.files(source.pin())
    _, file = next(files)
    swap(volume / "a.csv", outside / "a.csv")
    assert file.read_bytes() == b"x\n1\n"
    with pytest.raises(TaskError), source.translate_errors():
        list(files)


def test_a_link_that_takes_a_directorys_place_is_not_walked(volume: Path, outside: Path) -> None:
    """Between the listing of a directory and its opening, a link to another directory changes nothing."""
    (volume / "a.csv").unlink()
    (volume / "other").mkdir()
    (volume / "other/x").touch()
    files = walk_files(volume)
    first = next(files).path.partition("/")[0]
    swap(volume / ("other" if first == "deep" else "deep"), outside)
    with pytest.raises(NotADirectoryError):
        list(files)
