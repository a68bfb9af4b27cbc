"""A look at the trainer's checkpoints: which files are there, and which of them hold still."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from modelops.worker.checkpoints.manifests import leads_out


class Signature(NamedTuple):
    """What changes when a file is written to."""

    size: int
    modified: int
    mode: int


@dataclass
class Look:
    """What was there. Paths are relative to the checkpoints."""

    files: dict[str, Signature] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """What cannot be kept: devices, pipes, links that lead elsewhere, names that are no valid text."""

    def still(self, before: "Look") -> dict[str, Signature]:
        """The files that are as they were at the look before."""
        return {path: seen for path, seen in self.files.items() if before.files.get(path) == seen}


def look_at(root: Path) -> Look:
    """Look at all below `root`; nothing where it is not there. What goes away meanwhile was not there."""
    look = Look()
    _walk(root, "", look)
    return look


def signature(of: os.stat_result) -> Signature:
    """Of a file, by what stat says of it."""
    return Signature(of.st_size, of.st_mtime_ns, stat.S_IMODE(of.st_mode))


def _walk(root: Path, below: str, look: Look) -> None:
    try:
        entries = list(os.scandir(root / below))
    except OSError:
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        try:
            seen = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode):
                _walk(root, f"{path}/", look)
            elif not _is_text(path):
                look.left_out.append(repr(path))
            elif stat.S_ISREG(seen.st_mode):
                look.files[path] = signature(seen)
            elif stat.S_ISLNK(seen.st_mode) and not leads_out(target := os.readlink(root / path)) and _is_text(target):
                look.links[path] = target
            else:
                look.left_out.append(path)
        except OSError:
            continue


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
