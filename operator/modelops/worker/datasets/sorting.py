"""Sort a file's lines by their bytes, in memory that does not grow with the file: an external merge sort."""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

CHUNK_BYTES = 16 << 20
"""Size of a chunk that is sorted in memory."""


def sort_lines(file: Path, *, chunk_bytes: int = CHUNK_BYTES) -> None:
    """Sort the lines of `file` in place. Each line must end in a line feed.

    Needs disk space for a second copy beside `file`.
    """
    chunks = list(_sorted_chunks(file, chunk_bytes))
    if len(chunks) > 1:
        merged = file.with_name(f"{file.name}.merged")
        with ExitStack() as stack, merged.open("wb") as output:
            # Iterate over the file, not splitlines: a key may hold a carriage return, which does not end a line here.
            output.writelines(heapq.merge(*(stack.enter_context(chunk.open("rb")) for chunk in chunks)))
        chunks.append(merged)
    if chunks:
        chunks.pop().replace(file)
    for chunk in chunks:
        chunk.unlink()


def _sorted_chunks(file: Path, chunk_bytes: int) -> Iterator[Path]:
    with file.open("rb") as lines:
        number = 0
        while chunk := lines.readlines(chunk_bytes):
            chunk.sort()
            part = file.with_name(f"{file.name}.sorted-{number}")
            with part.open("wb") as output:
                output.writelines(chunk)
            yield part
            number += 1
