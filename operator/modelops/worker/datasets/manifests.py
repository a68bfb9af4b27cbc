"""A manifest on disk: the pinned objects of a dataset, one line each, in order."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import PREFIX, PinnedObject, manifest_entries
from modelops.worker.datasets.sorting import sort_lines


class RepeatedKeyError(ValueError):
    """One key came twice: what was listed changed meanwhile."""


class Manifest(NamedTuple):
    """A manifest in a file. `sha256sum` of the file is its digest."""

    file: Path
    digest: str
    objects: int
    bytes: int

    def entries(self) -> Iterator[PinnedObject]:
        """The objects, read line by line. Raises NotAManifestError."""
        with self.file.open("rb") as lines:
            yield from manifest_entries(lines)


def finish(file: Path, objects: int, size: int) -> Manifest:
    """The manifest whose lines are in `file`, which are sorted first where they are not. Raises Repeated."""
    digest = _digest(file)
    if digest is None:
        sort_lines(file)
        digest = _digest(file)
    assert digest is not None, "sorted lines are in order"
    return Manifest(file, digest, objects, size)


def digest_of_file(file: Path) -> str:
    """The digest of a file's bytes."""
    with file.open("rb") as content:
        return PREFIX + hashlib.file_digest(content, "sha256").hexdigest()


def _digest(file: Path) -> str | None:
    """The digest of the lines; None where they are not in order."""
    digest, last, last_key = hashlib.sha256(), b"", None
    with file.open("rb") as lines:
        for line in lines:
            if line < last:
                return None
            key = line[: line.index(b"\0")]
            if key == last_key:
                raise RepeatedKeyError(f'"{key.decode()}" was listed twice')
            digest.update(line)
            last, last_key = line, key
    return PREFIX + digest.hexdigest()
