"""Find repeated values in a whole snapshot, in memory that does not grow with the snapshot.

A value is represented by 128 bits of its BLAKE2b hash: the probability that two of 10^8 different values have the same
hash is below 10^-22, where 64 bits would already be wrong for one snapshot in 4,000. Full buffers are appended to a
file as sorted runs without duplicates, as in an external merge sort. At the end the file is read once, one range of
hashes after the other: hashes are spread evenly and each occurs at most once per run, so the ranges can be chosen small
enough for one range of all runs to fit into memory. The file is mapped: its pages appear as memory in use, but the
kernel can drop them at any time.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RECORDS_IN_MEMORY = 1 << 20
"""Limit for all columns together while data is read, and for one column at a time afterwards."""
_RECORD = np.dtype([("high", np.uint64), ("low", np.uint64), ("location", np.uint64)])
_HASH_BYTES = 16


class Duplicates(NamedTuple):
    """Number of repetitions, location of the first repetition, and location of the value that it repeats."""

    repeated: int
    first: int
    original: int


class Uniqueness:
    """Repeated values of one column. At most `records` values are held in memory, the others in `file`."""

    def __init__(self, file: Path, records: int = RECORDS_IN_MEMORY) -> None:
        self._file = file
        self._records = records
        self._buffer: list[np.ndarray] = []
        self._buffered = 0
        self._runs = [0]
        """Record at which each run begins in the file, and at which the last run ends."""
        self._duplicates: Duplicates | None = None

    def add(self, texts: Any, locations: np.ndarray) -> None:
        """Add an Arrow array of strings without nulls, and each value's location. Locations must increase."""
        if not len(texts):
            return
        hashes = b"".join([_hash(text) for text in texts.to_pylist()])
        records = np.empty(len(texts), _RECORD)
        records["high"], records["low"] = np.frombuffer(hashes, np.uint64).reshape(-1, 2).T
        records["location"] = locations
        self._buffer.append(records)
        self._buffered += len(records)
        if self._buffered >= self._records:
            self._write_run()

    def finish(self) -> Duplicates | None:
        """Return the duplicates among all values, None if there are none. Nothing can be added afterwards."""
        if len(self._runs) == 1:
            self._distinct(self._buffer)
            return self._duplicates
        self._write_run()
        spilled = np.memmap(self._file, _RECORD, mode="r")
        runs = [spilled[start:end] for start, end in zip(self._runs, self._runs[1:], strict=False)]
        ranges = len(spilled) // RECORDS_IN_MEMORY + 1
        bounds = np.array([(number << 64) // ranges for number in range(1, ranges)], np.uint64)
        cuts = [[0, *np.searchsorted(run["high"], bounds), len(run)] for run in runs]
        for number in range(ranges):
            self._distinct([run[cut[number] : cut[number + 1]] for run, cut in zip(runs, cuts, strict=True)])
        return self._duplicates

    def _write_run(self) -> None:
        run = self._distinct(self._buffer)
        with self._file.open("ab") as file:
            file.write(run.tobytes())
        self._runs.append(self._runs[-1] + len(run))
        self._buffer, self._buffered = [], 0

    def _distinct(self, parts: list[np.ndarray]) -> np.ndarray:
        """Sort the records of `parts`, which are in order of location. Keep each hash's first, count the others."""
        records = np.concatenate(parts or [np.empty(0, _RECORD)])
        # A stable sort: of equal hashes the first location stays first.
        records = records[np.lexsort((records["low"], records["high"]))]
        repeats = np.zeros(len(records), bool)
        repeats[1:] = (records["high"][1:] == records["high"][:-1]) & (records["low"][1:] == records["low"][:-1])
        self._count(records, repeats)
        return records[~repeats]

    def _count(self, records: np.ndarray, repeats: np.ndarray) -> None:
        if not repeats.any():
            return
        repeated = np.flatnonzero(repeats)
        first = repeated[np.argmin(records["location"][repeated])]
        # The earliest of all repetitions is the second record of its hash, so the record before it is the original.
        found = Duplicates(len(repeated), int(records["location"][first]), int(records["location"][first - 1]))
        self._duplicates = found if self._duplicates is None else _merge(self._duplicates, found)


def _merge(left: Duplicates, right: Duplicates) -> Duplicates:
    earlier = min(left, right, key=lambda duplicates: duplicates.first)
    return earlier._replace(repeated=left.repeated + right.repeated)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES, usedforsecurity=False).digest()
