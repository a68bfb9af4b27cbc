"""Value counts by column, bounded in memory whatever clients send.

Numbers are counted in bins that are the same in every Pod, so that the counts of Pods can be added. Numbers share a bin
if they share sign, exponent and the eight leading binary digits; a bin is named by its lower edge. A bin is at most
1/256 of its values wide, and whole numbers up to 512 have a bin each.

Text is reported as hashes: a comparison needs to know which values are equal, not what they say.
"""

import bisect
import hashlib
import math
from typing import Any

from modelops.monitor.capture.tables import MAX_COLUMNS, Table, Value

MAX_BINS = 2_048
MAX_LABELS = 256
MAX_BINS_AND_LABELS = 32_768
"""Bound on the bins and labels of all columns together, which bounds the size of the report: the operator reads up to
four times as many from a Pod."""
MAX_LABEL_LENGTH = 32
OTHER = "\0other"
"""Label of text that is too long, or beyond the bound on labels. Text that starts with NUL is counted here as well."""
_HASH_LENGTH = 16
"""64 bits: of 32,768 labels, two share a hash once in about 30 billion times."""
_MANTISSA_STEPS = 512
_MAX_MAGNITUDE = 1e300
"""Numbers of greater magnitude are counted as this one, so that each has a finite lower edge."""


def bin_edge(number: float) -> float:
    """Return the lower edge of a finite number's bin."""
    if number == 0:
        return 0.0
    mantissa, exponent = math.frexp(max(-_MAX_MAGNITUDE, min(number, _MAX_MAGNITUDE)))
    return math.ldexp(math.floor(mantissa * _MANTISSA_STEPS), exponent - _MANTISSA_STEPS.bit_length() + 1)


def hash_label(column: str, text: str) -> str:
    """Return the hash under which text is reported.

    The same text has one hash in all Pods, and another hash in each column.
    """
    return hashlib.sha256(f"{column}\0{text}".encode(errors="surrogatepass")).hexdigest()[:_HASH_LENGTH]


class Capacity:
    """Number of bins and labels that may still be added."""

    def __init__(self, left: int = MAX_BINS_AND_LABELS) -> None:
        self._left = left

    def take(self) -> bool:
        """Use up one bin or label, and return whether there was one left."""
        self._left -= self._left > 0
        return self._left > 0


class ColumnHistogram:
    """Value counts of one column."""

    def __init__(self, name: str, capacity: Capacity) -> None:
        self._name = name
        self._capacity = capacity
        self._bins: dict[float, int] = {}
        self._labels: dict[str, int] = {}
        self._full_bins: list[float] = []
        """All bins in order, once no more may be added."""

    def add(self, value: Value) -> None:
        """Count one value."""
        if isinstance(value, str):
            label = value if self._has_label(value) else OTHER
            self._labels[label] = self._labels.get(label, 0) + 1
        elif math.isfinite(value):
            edge = self._available_bin(bin_edge(value))
            self._bins[edge] = self._bins.get(edge, 0) + 1
        else:
            self.add(str(value))

    def to_json(self) -> dict[str, Any]:
        """Return the counts in the report's format: `numbers` as [bin edge, count] pairs, `labels` as count by hash."""
        labels = {
            label if label == OTHER else hash_label(self._name, label): count for label, count in self._labels.items()
        }
        return {"numbers": list(self._bins.items()), "labels": labels}

    def _has_label(self, label: str) -> bool:
        if label in self._labels:
            return True
        fits = len(label) <= MAX_LABEL_LENGTH and not label.startswith("\0")
        return fits and len(self._labels) < MAX_LABELS and self._capacity.take()

    def _available_bin(self, edge: float) -> float:
        """Return the number's own bin. If no more bins may be added, return the nearest lower one, or the lowest."""
        if edge in self._bins:
            return edge
        if not self._full_bins and (not self._bins or (len(self._bins) < MAX_BINS and self._capacity.take())):
            return edge
        self._full_bins = self._full_bins or sorted(self._bins)
        return self._full_bins[max(bisect.bisect_right(self._full_bins, edge) - 1, 0)]


class Histograms:
    """Value counts of all columns."""

    def __init__(self) -> None:
        self._rows = 0
        self._capacity = Capacity()
        self._columns: dict[str, ColumnHistogram] = {}

    def add(self, rows: int, values: Table) -> None:
        """Count the values of one request or response with so many rows."""
        self._rows += rows
        for name, column in values.items():
            histogram = self._columns.get(name)
            if histogram is None:
                if len(self._columns) >= MAX_COLUMNS:
                    continue
                histogram = self._columns[name] = ColumnHistogram(name, self._capacity)
            for value in column:
                histogram.add(value)

    def to_json(self) -> dict[str, Any]:
        """Return the row count and the counts by column in the report's format."""
        return {"rows": self._rows, "columns": {name: column.to_json() for name, column in self._columns.items()}}
