"""A manifest on disk: the pinned objects of a dataset, one line each, in order."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import (
    PREFIX,
    DatasetDigest,
    OutOfOrder,
    Pinned,
    dataset_digest,
    manifest_entries,
    manifest_line,
)


class Manifest(NamedTuple):
    """A manifest in a file. `sha256sum` of the file is its digest."""

    file: Path
    digest: str
    objects: int
    bytes: int

    def entries(self) -> Iterator[Pinned]:
        """The objects, read line by line. Raises NotAManifest."""
        with self.file.open("rb") as lines:
            yield from manifest_entries(lines)


def write_manifest(objects: Iterable[Pinned], file: Path) -> Manifest:
    """Write the manifest of `objects` to `file`, in constant memory when they come in order. Raises Unspeakable."""
    count, size, in_order = 0, 0, True
    digest = DatasetDigest()
    with file.open("wb") as output:
        for one in objects:
            line = manifest_line(*one)
            output.write(line)
            count, size = count + 1, size + one.size
            if in_order:
                try:
                    digest.add(line)
                except OutOfOrder:
                    in_order = False
    if in_order:
        return Manifest(file, digest.value, count, size)
    lines = _sorted_lines(file)
    file.write_bytes(b"".join(lines))
    return Manifest(file, dataset_digest(lines), count, size)


def digest_of_file(file: Path) -> str:
    """The digest of a file's bytes."""
    with file.open("rb") as content:
        return PREFIX + hashlib.file_digest(content, "sha256").hexdigest()


def _sorted_lines(file: Path) -> list[bytes]:
    # Not splitlines: a key may hold a carriage return, which ends no line here.
    with file.open("rb") as lines:
        return sorted(lines)
