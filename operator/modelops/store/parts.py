"""Parts in which an object is uploaded. Pure but for reading the file."""

from collections.abc import Iterator
from pathlib import Path

MULTIPART_BYTES = 64 << 20
"""Size above which a file is uploaded in parts of this size, or larger ones: S3 takes at most 10,000 parts."""
_MAX_PARTS = 10_000


def size_of(content: bytes | Path) -> int:
    """Return the size of bytes or of a file, in bytes. Raises OSError."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def parts_of(content: bytes | Path, part_bytes: int) -> Iterator[bytes]:
    """Yield the parts of bytes or of a file, each of `part_bytes` or larger where there would be too many parts."""
    part_bytes = max(part_bytes, -(-size_of(content) // _MAX_PARTS))
    if isinstance(content, bytes):
        yield from (content[start : start + part_bytes] for start in range(0, len(content), part_bytes))
        return
    with content.open("rb") as file:
        while part := file.read(part_bytes):
            yield part
