"""Files beneath a directory that others write to, whether the kernel resolves paths or the walk that stands in."""

import errno
import os
from pathlib import Path

import pytest

from modelops.worker.runtime import beneath
from modelops.worker.runtime.beneath import LeadsOutError, open_beneath, opened_directory
from modelops.worker.runtime.regular_file import open_regular_file_beneath, path_of


@pytest.fixture(params=["the kernel resolves", "ENOSYS", "EPERM", "EAGAIN"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernel that knows openat2, and kernels or seccomp profiles that refuse it."""
    if request.param.startswith("E"):

        def refuse(*_: object, **__: object) -> int:
            raise OSError(getattr(errno, request.param), "refused")

        monkeypatch.setattr(beneath, "_openat2", refuse)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Directory with a file, links to it, and links that lead out."""
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    for link, target in {
        "a/near": "b/file",
        "a/b/up": "../../a/b/file",
        "directory": "a/b",
        "out": "../secret",
        "a/out": "../../secret",
        "through": "out",
        "absolute": str(root / "a" / "b" / "file"),
        "loop": "loop",
        "magic": "/proc/self/root",
        "broken": "missing",
    }.items():
        (root / link).symlink_to(target)
    return root


def open_file(root: Path, path: str, *, follow_links: bool, flags: int = os.O_RDONLY) -> str:
    """Return where the opened file is, relative to the root; or how it was refused."""
    before = sorted(os.listdir("/proc/self/fd"))
    try:
        with opened_directory(root) as directory:
            descriptor = open_beneath(directory, path, flags, follow_links=follow_links)
    except OSError as error:
        assert sorted(os.listdir("/proc/self/fd")) == before
        return "leads out" if isinstance(error, LeadsOutError) else errno.errorcode[error.errno or 0]
    try:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), root)
    finally:
        os.close(descriptor)
        assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
@pytest.mark.parametrize(
    ("path", "followed", "not_followed"),
    [
        ("a/b/file", "a/b/file", "a/b/file"),
        ("./a//b/../b/file", "a/b/file", "a/b/file"),
        ("a", "a", "a"),
        ("a/near", "a/b/file", "leads out"),
        ("a/b/up", "a/b/file", "leads out"),
        ("directory/file", "a/b/file", "leads out"),
        ("out", "leads out", "leads out"),
        ("a/out", "leads out", "leads out"),
        ("through", "leads out", "leads out"),
        ("absolute", "leads out", "leads out"),
        ("magic/etc/passwd", "leads out", "leads out"),
        ("../secret", "leads out", "leads out"),
        ("a/../../secret", "leads out", "leads out"),
        ("/etc/passwd", "leads out", "leads out"),
        ("loop", "ELOOP", "leads out"),
        ("broken", "ENOENT", "leads out"),
        ("missing", "ENOENT", "ENOENT"),
        ("a/b/file/x", "ENOTDIR", "ENOTDIR"),
    ],
)
def test_no_path_leads_out_of_the_directory(
    root: Path, path: str, followed: str, not_followed: str, flags: int
) -> None:
    """A link of a volume or of a trainer never leads to the credentials in the same container."""
    assert open_file(root, path, follow_links=True, flags=flags) == followed
    assert open_file(root, path, follow_links=False, flags=flags) == not_followed


def test_what_was_opened_stays_what_is_read(root: Path) -> None:
    """A library that opens the file by a path reads the file that was checked, not what took its place."""
    file = open_regular_file_beneath(root, "a/b/file")
    assert file is not None
    with file:
        (root / "a" / "b" / "file").unlink()
        (root / "a" / "b" / "file").symlink_to(root.parent / "secret")
        assert path_of(file).read_text() == "inside"


@pytest.mark.parametrize("path", ["a", "pipe"])
def test_only_a_regular_file_is_opened(root: Path, path: str) -> None:
    """A pipe is not waited for."""
    os.mkfifo(root / "pipe")
    assert open_regular_file_beneath(root, path) is None
