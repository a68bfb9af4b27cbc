"""A dataset's manifest on disk: one line for each pinned object, in byte order."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import PREFIX, PinnedObject, manifest_entries
from modelops.worker.datasets.sorting import sort_lines

MAX_LINE_BYTES = 8 << 10
"""More than any line has: a path on a volume has at most 4 KiB, key and version in S3 have 1 KiB each."""


class RepeatedKeyError(ValueError):
    """A key was listed twice: the source changed during the listing."""


class DatasetManifest(NamedTuple):
    """Manifest in a file. The file's SHA-256 is the dataset's digest."""

    file: Path
    digest: str
    objects: int
    bytes: int

    def entries(self) -> Iterator[PinnedObject]:
        """Yield the objects, read line by line. Raises NotAManifestError."""
        with self.file.open("rb") as lines:
            yield from manifest_entries(lines)


def finish_manifest(file: Path, objects: int, size: int) -> DatasetManifest:
    """Sort the lines in `file` if they are not in order, and compute their digest. Raises RepeatedKeyError."""
    digest = _digest(file)
    if digest is None:
        sort_lines(file)
        digest = _digest(file)
    assert digest is not None, "sorted lines are in order"
    return DatasetManifest(file, digest, objects, size)


def _digest(file: Path) -> str | None:
    """Return the digest of the lines; None if they are not in order."""
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
