"""The files of a volume: each of them once, none that is not in it, and every change seen."""

import hashlib
import os

import pytest

from modelops.api.contract.tasks import CREDENTIALS_DIR
from modelops.lineage.digests import PinnedObject
from modelops.worker.datasets.sources import Volume
from modelops.worker.datasets.volume import PathEscapesVolumeError, content, walk
from modelops.worker.runtime.errors import TaskError


@pytest.fixture
def volume(tmp_path):
    """A volume with two files, one of them empty and deep."""
    root = tmp_path / "volume"
    (root / "deep/er").mkdir(parents=True)
    (root / "a.csv").write_bytes(b"x\n1\n")
    (root / "deep/er/b-c").touch()
    return root


@pytest.fixture
def source(volume, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Volume(volume, scratch)


def names(root) -> list[str]:
    return sorted(one.path for one in walk(root))


def test_a_walk(volume):
    """Files count wherever they are, links to files as well; directories behind links and lost+found do not."""
    (volume / "lost+found").mkdir()
    (volume / "lost+found/x").touch()
    (volume / "link.csv").symlink_to("a.csv")
    (volume / "loop").symlink_to("deep")
    os.mkfifo(volume / "pipe")
    assert names(volume) == ["a.csv", "deep/er/b-c", "link.csv"]


@pytest.mark.parametrize("target", ["/etc/hostname", "../beside", "/etc", "nowhere", CREDENTIALS_DIR])
def test_a_link_that_leads_out(volume, source, target):
    """Nothing of the Pod's own files becomes data, and nothing that a trainer would not find is pinned."""
    (volume.parent / "beside").touch()
    (volume / "link").symlink_to(target)
    with pytest.raises(PathEscapesVolumeError, match='"link"'):
        names(volume)
    with pytest.raises(TaskError) as caught:
        source.look()
    assert caught.value.failure.reason == "UnusableKey"


def test_a_path_that_leads_out_is_not_read(volume):
    """A manifest cannot make a fetch read outside of the volume."""
    (volume.parent / "beside").touch()
    with pytest.raises(PathEscapesVolumeError):
        content(volume, "../beside")


def test_a_name_that_a_manifest_cannot_hold(volume, source):
    """A line break in a name would read as two files."""
    (volume / "a\nb").touch()
    with pytest.raises(TaskError) as caught:
        source.look()
    assert caught.value.failure.reason == "UnusableKey"


def test_the_manifest(source, volume):
    """A file is pinned by its content, so that a copy of the volume has the same digest."""
    look = source.look()
    manifest = source.pin()
    sums = [hashlib.sha256(text).hexdigest() for text in (b"x\n1\n", b"")]
    assert list(manifest.entries()) == [
        PinnedObject("a.csv", "sha256", 4, sums[0]),
        PinnedObject("deep/er/b-c", "sha256", 0, sums[1]),
    ]
    assert manifest.digest == "sha256:" + hashlib.sha256(manifest.file.read_bytes()).hexdigest()
    assert (look.objects, look.bytes) == (manifest.objects, manifest.bytes) == (2, 4)
    assert [file for _, file in source.files(manifest)] == [volume / "a.csv", volume / "deep/er/b-c"]


def test_the_token(source, volume):
    """The token is a hash of the sorted lines of path, size and time of last change, so that anyone can compute it."""
    os.utime(volume / "a.csv", ns=(5, 2 * 10**18))
    os.utime(volume / "deep/er/b-c", ns=(5, 10**18))
    look = source.look()
    lines = b"a.csv\0%d\0%d\ndeep/er/b-c\0%d\0%d\n" % (4, 2 * 10**18, 0, 10**18)
    assert look.token == source.change_token == hashlib.sha256(lines).hexdigest()
    assert look.newest == "2033-05-18T03:33:20Z"


@pytest.mark.parametrize("change", ["written", "touched", "added", "removed", "renamed"])
def test_every_change_has_another_token(source, volume, change):
    """A change that a look does not see is one that never becomes a snapshot."""
    before = source.look().token
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
    assert source.look().token != before


@pytest.mark.parametrize("change", ["written", "removed"])
def test_a_change_while_it_is_hashed(source, volume, change):
    """Half of one state and half of another is never a snapshot."""
    source.look()
    if change == "written":
        (volume / "a.csv").write_bytes(b"x\n2\n")
    else:
        (volume / "a.csv").unlink()
    with pytest.raises(TaskError) as caught:
        source.pin()
    assert caught.value.failure.reason == "SourceChanged"
    assert "a.csv" in caught.value.failure.message


def test_a_change_while_it_is_read(source, volume):
    """Files are read where they are: what was read must still be what was pinned when the reading ends."""
    source.look()
    files = source.files(source.pin())
    next(files)
    (volume / "a.csv").write_bytes(b"x\n2\n")
    with pytest.raises(TaskError) as caught:
        list(files)
    assert caught.value.failure.reason == "SourceChanged"
