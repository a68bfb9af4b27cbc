"""What one column's values are, in numbers or by their counts, in memory that does not grow with the rows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc  # type: ignore[import-untyped]
from datasketches import (  # type: ignore[import-untyped]
    frequent_items_error_type,
    frequent_strings_sketch,
    kll_doubles_sketch,
    update_theta_sketch,
)

from modelops.worker.tabular.canonical_text import shortened

TOP_VALUES = 50
_DECILES = [tenth / 10 for tenth in range(1, 10)]
_SKETCH_K = 8192
"""Exact up to as many values; beyond, ranks are within 0.04 % in some 200 KiB a column."""
_COUNTED_LOG2 = 14
"""Value counts are exact up to 0.75 * 2^14 distinct values; beyond, lower bounds."""
_DISTINCT_LOG2 = 14
"""How many distinct values there are is exact up to 2^14; beyond, its standard error is 0.8 %, in at most 256 KiB."""


class _Distinct:
    def __init__(self) -> None:
        self._sketch = update_theta_sketch(_DISTINCT_LOG2)

    def add(self, value: float | str) -> None:
        # The sketch passes over an empty text.
        self._sketch.update(f"={value}" if isinstance(value, str) else value)

    def estimate(self, count: int) -> int:
        """Of `count` values; never more."""
        return min(round(self._sketch.get_estimate()), count)


class Numbers:
    """Count, mean and deviation by Chan's method, which loses no digits over batches; quantiles by a KLL sketch."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = 0.0
        self._min, self._max = math.inf, -math.inf
        self._sketch = kll_doubles_sketch(_SKETCH_K)
        self._distinct = _Distinct()

    def add(self, numbers: np.ndarray) -> None:
        """Take in finite numbers."""
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
        for number in np.unique(numbers).tolist():
            self._distinct.add(number)

    @property
    def distinct(self) -> int:
        """How many different ones there are, about."""
        return self._distinct.estimate(self.count)

    def between(self, edges: Sequence[float]) -> list[int]:
        """How many lie in each bin of `edges`, as profiles have them: one more than edges, `count` in all."""
        if not self.count or not edges:
            return [self.count] + [0] * len(edges)
        return apportioned(self._sketch.get_pmf(edges), self.count)

    def document(self) -> dict[str, Any]:
        """Their part of the profile."""
        if not self.count:
            return {"min": None, "max": None, "mean": None, "std": None, "edges": [], "counts": [0]}
        edges = sorted(set(self._sketch.get_quantiles(_DECILES)))
        return {
            "min": self._min,
            "max": self._max,
            "mean": _finite(self._mean),
            "std": _finite(math.sqrt(self._squares / self.count)),
            "edges": edges,
            "counts": self.between(edges),
        }


class Values:
    """How often each value comes, by a frequent-items sketch."""

    def __init__(self) -> None:
        self.count = 0
        self._sketch = frequent_strings_sketch(_COUNTED_LOG2)
        self._distinct = _Distinct()

    def add(self, texts: Any) -> None:
        """Take in an Arrow array of strings; null is no value."""
        there = shortened(pc.drop_null(texts))
        self.count += len(there)
        for pair in pc.value_counts(there).to_pylist():
            self._sketch.update(pair["values"], pair["counts"])
            self._distinct.add(pair["values"])

    @property
    def distinct(self) -> int:
        """How many different ones there are, about."""
        return self._distinct.estimate(self.count)

    def of(self, values: Sequence[str]) -> list[int]:
        """How often each of `values` comes, and last how often any other does."""
        # The lower bound is the count itself while no value had to be dropped, and never more than it.
        counts = [self._sketch.get_lower_bound(value) for value in values]
        return [*counts, self.count - sum(counts)]

    def document(self) -> dict[str, Any]:
        """Their part of the profile."""
        items = self._sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        counted = sorted(((value, lower) for value, _, lower, _ in items), key=lambda one: (-one[1], one[0]))
        top = counted[:TOP_VALUES]
        return {
            "values": [{"value": value, "count": count} for value, count in top],
            "other": self.count - sum(count for _, count in top),
        }


def apportioned(shares: Sequence[float], total: int) -> list[int]:
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
