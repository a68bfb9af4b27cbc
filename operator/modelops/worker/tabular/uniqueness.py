"""Which values come twice in a whole snapshot, in memory that does not grow with it.

A value is known by 128 bits of its BLAKE2b: that two different ones of 10^8 have the same is less likely than 10^-22,
where 64 bits would already mistake one snapshot in 4,000. Full buffers go to a file as sorted runs without duplicates.
In the end the file is gone through once, one range of hashes after the other: since hashes are spread evenly and each
comes at most once a run, ranges can be chosen so small that one of all runs fits into memory. The file is mapped: its
pages look like memory in use, but the kernel can drop them at any time.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RECORDS_IN_MEMORY = 1 << 20
"""Of all columns together while data is read; afterwards of one column at a time."""
_RECORD = np.dtype([("high", np.uint64), ("low", np.uint64), ("position", np.uint64)])
_HASH_BYTES = 16


class Duplicates(NamedTuple):
    """How many values were there already, where the first of them is, and where it was before."""

    repeated: int
    first: int
    before: int


class Uniqueness:
    """The values of one column. `records` are held in memory, the others in `file`."""

    def __init__(self, file: Path, records: int = RECORDS_IN_MEMORY) -> None:
        self._file = file
        self._records = records
        self._buffer: list[np.ndarray] = []
        self._buffered = 0
        self._runs = [0]
        """Where in the file each run begins, and where the last one ends."""
        self._found: Duplicates | None = None

    def add(self, values: Any, positions: np.ndarray) -> None:
        """Take in an Arrow array of strings without nulls, and where each value is; positions only ever grow."""
        if not len(values):
            return
        hashes = b"".join([_hash(value) for value in values.to_pylist()])
        records = np.empty(len(values), _RECORD)
        records["high"], records["low"] = np.frombuffer(hashes, np.uint64).reshape(-1, 2).T
        records["position"] = positions
        self._buffer.append(records)
        self._buffered += len(records)
        if self._buffered >= self._records:
            self._write_run()

    def finish(self) -> Duplicates | None:
        """What came twice in all that was added; None where nothing did. Nothing can be added any more."""
        if len(self._runs) == 1:
            self._distinct(self._buffer)
            return self._found
        self._write_run()
        spilled = np.memmap(self._file, _RECORD, mode="r")
        runs = [spilled[start:end] for start, end in zip(self._runs, self._runs[1:], strict=False)]
        ranges = len(spilled) // RECORDS_IN_MEMORY + 1
        bounds = np.array([(number << 64) // ranges for number in range(1, ranges)], np.uint64)
        cuts = [[0, *np.searchsorted(run["high"], bounds), len(run)] for run in runs]
        for number in range(ranges):
            self._distinct([run[cut[number] : cut[number + 1]] for run, cut in zip(runs, cuts, strict=True)])
        return self._found

    def _write_run(self) -> None:
        run = self._distinct(self._buffer)
        with self._file.open("ab") as file:
            file.write(run.tobytes())
        self._runs.append(self._runs[-1] + len(run))
        self._buffer, self._buffered = [], 0

    def _distinct(self, parts: list[np.ndarray]) -> np.ndarray:
        """The records sorted, each hash at its first position; the others are counted. `parts` are in order."""
        records = np.concatenate(parts or [np.empty(0, _RECORD)])
        # A stable sort: of equal hashes the first position stays first.
        records = records[np.lexsort((records["low"], records["high"]))]
        again = np.zeros(len(records), bool)
        again[1:] = (records["high"][1:] == records["high"][:-1]) & (records["low"][1:] == records["low"][:-1])
        self._count(records, again)
        return records[~again]

    def _count(self, records: np.ndarray, again: np.ndarray) -> None:
        if not again.any():
            return
        repeated = np.flatnonzero(again)
        first = repeated[np.argmin(records["position"][repeated])]
        # The one that comes first of all repetitions is the second of its kind: what sorts before it is the first.
        found = Duplicates(len(repeated), int(records["position"][first]), int(records["position"][first - 1]))
        self._found = found if self._found is None else _together(self._found, found)


def _together(one: Duplicates, other: Duplicates) -> Duplicates:
    return min(one, other, key=lambda found: found.first)._replace(repeated=one.repeated + other.repeated)


def _hash(value: str) -> bytes:
    return hashlib.blake2b(value.encode(), digest_size=_HASH_BYTES, usedforsecurity=False).digest()
