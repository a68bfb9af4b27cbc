"""Scan the trainer's checkpoint directory: which files exist, and which have not changed since the last scan."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from modelops.worker.checkpoints.manifests import leads_outside
from modelops.worker.runtime.beneath import open_beneath, opened_directory
from modelops.worker.runtime.unicode_text import is_utf8


class Signature(NamedTuple):
    """Size, time of modification and permissions of a file: at least one changes when the file is written to."""

    size: int
    modified: int
    """Unix time in nanoseconds."""
    mode: int


@dataclass
class Scan:
    """Content of the directory at one time. Paths are relative to the directory."""

    files: dict[str, Signature] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Target of each symbolic link."""
    skipped: list[str] = field(default_factory=list)
    """Entries that cannot be saved: devices, pipes, links that lead outside, names that are not valid text."""

    def unchanged_since(self, before: "Scan") -> dict[str, Signature]:
        """Return the files that had the same signature in an earlier scan."""
        return {path: seen for path, seen in self.files.items() if before.files.get(path) == seen}


def scan(root: Path) -> Scan:
    """Return what is below `root`; empty if `root` does not exist.

    An entry that disappears during the scan is left out.
    """
    result = Scan()
    try:
        with opened_directory(root) as directory:
            _walk(directory, "", result)
    except OSError:
        pass
    return result


def signature(status: os.stat_result) -> Signature:
    """Return the signature of a file from its `stat` result."""
    return Signature(status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode))


def _walk(directory: int, folder: str, result: Scan) -> None:
    """Add what is in a directory, given by its descriptor: the trainer may meanwhile put a link where it was."""
    for entry in list(os.scandir(directory)):
        path = f"{folder}{entry.name}"
        try:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                inner = open_beneath(directory, entry.name, os.O_RDONLY | os.O_DIRECTORY, follow_links=False)
                try:
                    _walk(inner, f"{path}/", result)
                finally:
                    os.close(inner)
            elif not is_utf8(path):
                result.skipped.append(repr(path))
            elif stat.S_ISREG(status.st_mode):
                result.files[path] = signature(status)
            elif (
                stat.S_ISLNK(status.st_mode)
                and not leads_outside(target := os.readlink(entry.name, dir_fd=directory))
                and is_utf8(target)
            ):
                result.links[path] = target
            else:
                result.skipped.append(path)
        except OSError:
            continue
