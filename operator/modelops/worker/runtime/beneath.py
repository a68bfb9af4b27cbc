"""Open a file beneath a directory that others write to, so that no link leads the reader out of the directory.

A path that is looked at first and opened then may meanwhile lead elsewhere. Here the kernel resolves the path once,
beneath the descriptor of the directory (openat2, Linux 5.6), and whatever is to be known of the file is asked of the
descriptor. A sandbox or seccomp profile that does not know openat2 refuses the call: then the path is walked one
component at a time, each opened beside the descriptor of the one before it, which is as safe and slower.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPENAT2 = 437
"""Number of the system call, on every architecture. https://man7.org/linux/man-pages/man2/openat2.2.html"""
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08
_UNKNOWN_CALL = (errno.ENOSYS, errno.EPERM)
_MAX_LINKS = 40
"""Links in one path, as many as the kernel follows."""
_libc = ctypes.CDLL(None, use_errno=True)


class LeadsOutError(OSError):
    """A path leads out of its directory, or through a link where none is allowed."""


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@contextmanager
def opened_directory(directory: Path) -> Iterator[int]:
    """Open a directory whose own path nobody else can change, such as a mount. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_beneath(directory: int, path: str, flags: int, *, follow_links: bool) -> int:
    """Open `path` beneath the descriptor of a directory, and return a descriptor.

    Args:
        directory: descriptor of the directory.
        path: relative path.
        flags: flags of `os.open`. A pipe is not waited for.
        follow_links: whether relative links that stay beneath the directory are followed. Otherwise there must be none.

    Raises:
        LeadsOutError: the path is absolute, leads above the directory, or has a link that is not followed.
        OSError: the file cannot be opened.
    """
    flags |= os.O_CLOEXEC | (0 if flags & os.O_PATH else os.O_NONBLOCK)
    try:
        try:
            return _openat2(directory, path, flags, follow_links=follow_links)
        except OSError as error:
            # EAGAIN: something was renamed while the kernel resolved a `..`, which a walk does not care about.
            if error.errno not in (*_UNKNOWN_CALL, errno.EAGAIN, errno.EINTR):
                raise
            return _walk(directory, path, flags, follow_links=follow_links)
    except OSError as error:
        if error.errno == errno.EXDEV or (error.errno == errno.ELOOP and not follow_links):
            raise LeadsOutError(error.errno, "the path leads out of its directory", path) from error
        raise


def _openat2(directory: int, path: str, flags: int, *, follow_links: bool) -> int:
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | (0 if follow_links else _RESOLVE_NO_SYMLINKS)
    how = _OpenHow(flags, 0, resolve)
    descriptor: int = _libc.syscall(
        ctypes.c_long(_OPENAT2),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


def _walk(directory: int, path: str, flags: int, *, follow_links: bool) -> int:
    """Open a path component by component. `..` returns to a directory that is still open, wherever it was moved."""
    rest, links = _components(path), 0
    opened = [os.dup(directory)]
    try:
        while rest:
            name = rest.pop(0)
            if name == "..":
                os.close(opened.pop())
                if not opened:
                    raise _error(errno.EXDEV, path)
                continue
            last = not rest
            how = (flags if last else os.O_PATH | os.O_DIRECTORY) | os.O_NOFOLLOW
            try:
                found = os.open(name, how, dir_fd=opened[-1])
            except OSError as error:
                target = _target(name, opened[-1]) if error.errno in (errno.ELOOP, errno.ENOTDIR) else None
                if target is None:
                    raise
            else:
                target = _target("", found) if flags & os.O_PATH and last else None
                if target is None:
                    opened.append(found)
                    continue
                os.close(found)
            links += 1
            if not follow_links or links > _MAX_LINKS:
                raise _error(errno.ELOOP, path)
            rest = _components(target) + rest
        return opened.pop()
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _components(path: str) -> list[str]:
    if path.startswith("/"):
        raise _error(errno.EXDEV, path)
    return [name for name in path.split("/") if name not in ("", ".")]


def _target(name: str, directory: int) -> str | None:
    """Return the target of a link; None if the name is not that of a link."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
