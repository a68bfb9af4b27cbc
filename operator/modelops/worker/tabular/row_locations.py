"""Location of a value, object and row, as one whole number that grows in the order of reading."""

from itertools import islice
from pathlib import Path

import numpy as np

from modelops.worker.tabular.readers import Batch

_ROW_BITS = 40
"""Enough for 10^12 rows per object, and leaves room for 16 million objects."""


class RowLocations:
    """Number the rows of one object after the other. The objects' names are kept in `file`, since they can be many."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._object = 0

    def locate(self, batch: Batch) -> np.ndarray:
        """Return the locations of a batch's rows in the current object, as uint64."""
        if not batch.rows:
            return np.zeros(0, np.uint64)
        first, last = batch.row_number(0), batch.row_number(batch.rows - 1)
        if last - first == batch.rows - 1:
            rows = np.arange(first, last + 1, dtype=np.uint64)
        else:
            rows = np.fromiter((batch.row_number(index) for index in range(batch.rows)), np.uint64, batch.rows)
        return rows + np.uint64(self._object << _ROW_BITS)

    def end_object(self, name: str) -> None:
        """Record the current object's name. Batches from now on belong to the next object."""
        with self._file.open("a", encoding="utf-8") as names:
            names.write(name.replace("\n", " ") + "\n")
        self._object += 1

    def describe(self, location: int) -> str:
        """Format a location in an ended object for a message, such as `a.csv row 7`."""
        number, row = location >> _ROW_BITS, location & ((1 << _ROW_BITS) - 1)
        with self._file.open(encoding="utf-8", newline="\n") as names:
            return f"{next(islice(names, number, None)).removesuffix(chr(10))} row {row}"
