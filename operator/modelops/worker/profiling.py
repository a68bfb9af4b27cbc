"""What a snapshot's columns hold, in numbers: the baseline that drift is measured against later.

A numeric column has `edges`, frozen: bin i of `counts` holds the values v with edges[i-1] <= v < edges[i], the first
one everything below edges[0] and the last one everything from edges[-1] on: `bisect_right(edges, v)` is a value's bin.
`std` is that of the population. A categorical column has its most frequent `values`, and the count of all `other`.
"""

import math
from typing import Any

import numpy as np
import pyarrow.compute as pc  # type: ignore[import-untyped]
from datasketches import (  # type: ignore[import-untyped]
    frequent_items_error_type,
    frequent_strings_sketch,
    kll_doubles_sketch,
)

from modelops.api.types import Column, ColumnType
from modelops.worker.cells import Cells, Kind
from modelops.worker.tables import Batch

SCHEMA_VERSION = 1
TOP_VALUES = 50
_DECILES = [tenth / 10 for tenth in range(1, 10)]
_SKETCH_K = 8192
"""Exact up to as many values; beyond, ranks are within 0.04 % in some 200 KiB a column."""
_DISTINCT_LOG2 = 14
"""Value counts are exact up to 0.75 * 2^14 distinct values; beyond, lower bounds."""
_NUMERIC = (ColumnType.NUMBER, ColumnType.INTEGER)


class Profile:
    """Takes in batches; tells the profile in the end. Memory grows with the number of columns, not of rows."""

    def __init__(self, columns: list[Column]) -> None:
        self.rows = 0
        self._declared = {column.name: column.type for column in columns}
        self._columns: dict[str, _ColumnProfile] = {}

    def add(self, batch: Batch) -> None:
        """Take in a batch."""
        self.rows += batch.rows
        for name, cells in batch.columns.items():
            if name not in self._columns:
                self._columns[name] = _ColumnProfile(self._declared.get(name))
            self._columns[name].add(cells)

    def document(self, digest: str, format_type: str) -> dict[str, Any]:
        """The profile as JSON."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "digest": digest,
            "format": format_type,
            "rows": self.rows,
            "columns": [{"name": name, **column.document(self.rows)} for name, column in self._columns.items()],
        }


class _ColumnProfile:
    """One column. Without a declared type, it is numeric if every value that is there is a number."""

    def __init__(self, declared: ColumnType | None) -> None:
        self._declared = declared
        self._kinds = np.zeros(len(Kind), np.int64)
        self._numbers = _Numbers()
        self._values = frequent_strings_sketch(_DISTINCT_LOG2)

    def add(self, cells: Cells) -> None:
        self._kinds += np.bincount(cells.kinds, minlength=len(Kind))
        if self._declared is None or self._declared in _NUMERIC:
            self._numbers.add(cells.numbers[cells.kinds == Kind.NUMBER])
        if self._declared not in _NUMERIC:
            for pair in pc.value_counts(pc.drop_null(cells.texts())).to_pylist():
                self._values.update(pair["values"], pair["counts"])

    def document(self, rows: int) -> dict[str, Any]:
        if self._type in _NUMERIC:
            count = self._numbers.count
            nulls = rows - self._there
            return {"type": self._type.value, "count": count, "nulls": nulls, **self._numbers.document()}
        return {"type": self._type.value, "count": self._there, "nulls": rows - self._there, **self._top_values()}

    @property
    def _there(self) -> int:
        return int(self._kinds.sum() - self._kinds[Kind.NULL])

    @property
    def _type(self) -> ColumnType:
        if self._declared is not None:
            return self._declared
        if self._kinds[Kind.NUMBER] and not self._kinds[Kind.TEXT] and not self._kinds[Kind.BOOLEAN]:
            return ColumnType.NUMBER
        if self._kinds[Kind.BOOLEAN] == self._there > 0:
            return ColumnType.BOOLEAN
        return ColumnType.STRING

    def _top_values(self) -> dict[str, Any]:
        items = self._values.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        # The lower bound is the count itself while no value had to be dropped, and never more than it.
        counted = sorted(((value, lower) for value, _, lower, _ in items), key=lambda one: (-one[1], one[0]))
        top = counted[:TOP_VALUES]
        return {
            "values": [{"value": value, "count": count} for value, count in top],
            "other": self._there - sum(count for _, count in top),
        }


class _Numbers:
    """Count, mean and deviation by Chan's method, which loses no digits over batches; quantiles by a KLL sketch."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = 0.0
        self._min, self._max = math.inf, -math.inf
        self._sketch = kll_doubles_sketch(_SKETCH_K)

    def add(self, numbers: np.ndarray) -> None:
        if not len(numbers):
            return
        with np.errstate(over="ignore"):
            count, mean = len(numbers), float(numbers.mean())
        total, shift = self.count + count, mean - self._mean
        with np.errstate(over="ignore"):  # Infinity then, which the document leaves out.
            self._squares += float(((numbers - mean) ** 2).sum()) + shift * shift * self.count * count / total
        self._mean += shift * count / total
        self.count = total
        self._min, self._max = min(self._min, float(numbers.min())), max(self._max, float(numbers.max()))
        self._sketch.update(np.ascontiguousarray(numbers))

    def document(self) -> dict[str, Any]:
        if not self.count:
            return {"min": None, "max": None, "mean": None, "std": None, "edges": [], "counts": [0]}
        edges = sorted(set(self._sketch.get_quantiles(_DECILES)))
        return {
            "min": self._min,
            "max": self._max,
            "mean": _finite(self._mean),
            "std": _finite(math.sqrt(self._squares / self.count)),
            "edges": edges,
            "counts": apportioned(self._sketch.get_pmf(edges), self.count),
        }


def apportioned(shares: list[float], total: int) -> list[int]:
    """Whole numbers in proportion to `shares`, their sum exactly `total`: largest remainders go up. Pure."""
    exact = [share * total for share in shares]
    counts = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(counts)), key=lambda index: (counts[index] - exact[index], index))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def _finite(value: float) -> float | None:
    """Squares of huge numbers can overflow, and JSON has no infinity."""
    return value if math.isfinite(value) else None
