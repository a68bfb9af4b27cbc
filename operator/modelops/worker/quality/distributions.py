"""Distribution of one column's values, numeric or categorical, in memory that does not grow with the rows.

The sketches are Apache DataSketches': KLL for quantiles, frequent items for value counts, theta for distinct counts.
"""

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

from modelops.worker.tabular.canonical_text import truncate

TOP_VALUES = 50
_DECILES = [tenth / 10 for tenth in range(1, 10)]
_SKETCH_K = 8192
"""Quantiles are exact for up to this many values. Beyond, ranks are within 0.04 %, in some 200 KiB per column."""
_COUNTED_LOG2 = 14
"""Value counts are exact for up to 0.75 * 2^14 distinct values. Beyond, they are lower bounds."""
_DISTINCT_LOG2 = 14
"""Distinct counts are exact up to 2^14. Beyond, their standard error is 0.8 %, in at most 256 KiB."""


class _DistinctCount:
    def __init__(self) -> None:
        self._sketch = update_theta_sketch(_DISTINCT_LOG2)

    def add(self, value: float | str) -> None:
        # The prefix: the sketch ignores empty strings.
        self._sketch.update(f"={value}" if isinstance(value, str) else value)

    def estimate(self, count: int) -> int:
        """Estimate the number of distinct values among `count` values, at most `count`."""
        return min(round(float(self._sketch.get_estimate())), count)


class NumericDistribution:
    """Count, mean, standard deviation, range and quantiles of numbers.

    Mean and deviation are combined over batches by the method of Chan, Golub and LeVeque (1979), which loses no
    precision over many batches.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = 0.0
        self._min, self._max = math.inf, -math.inf
        self._sketch = kll_doubles_sketch(_SKETCH_K)
        self._distinct = _DistinctCount()

    def add(self, numbers: np.ndarray) -> None:
        """Add finite numbers."""
        if not len(numbers):
            return
        with np.errstate(over="ignore"):
            count, mean = len(numbers), float(numbers.mean())
        total, shift = self.count + count, mean - self._mean
        with np.errstate(over="ignore"):  # An overflow gives infinity, which the document leaves out.
            self._squares += float(((numbers - mean) ** 2).sum()) + shift * shift * self.count * count / total
        self._mean += shift * count / total
        self.count = total
        self._min, self._max = min(self._min, float(numbers.min())), max(self._max, float(numbers.max()))
        self._sketch.update(np.ascontiguousarray(numbers))
        for number in np.unique(numbers).tolist():
            self._distinct.add(number)

    @property
    def distinct(self) -> int:
        """Estimated number of distinct values."""
        return self._distinct.estimate(self.count)

    def bin_counts(self, edges: Sequence[float]) -> list[int]:
        """Count the numbers in each bin of `edges`, as a profile does: len(edges) + 1 counts, their sum `count`."""
        if not self.count or not edges:
            return [self.count] + [0] * len(edges)
        return apportion(self._sketch.get_pmf(edges), self.count)

    def document(self) -> dict[str, Any]:
        """Build this distribution's fields of the profile."""
        if not self.count:
            return {"min": None, "max": None, "mean": None, "std": None, "edges": [], "counts": [0]}
        edges = sorted(set(self._sketch.get_quantiles(_DECILES)))
        return {
            "min": self._min,
            "max": self._max,
            "mean": _finite(self._mean),
            "std": _finite(math.sqrt(self._squares / self.count)),
            "edges": edges,
            "counts": self.bin_counts(edges),
        }


class CategoricalDistribution:
    """Count of each value, by a frequent-items sketch."""

    def __init__(self) -> None:
        self.count = 0
        self._sketch = frequent_strings_sketch(_COUNTED_LOG2)
        self._distinct = _DistinctCount()

    def add(self, texts: Any) -> None:
        """Add an Arrow array of strings; nulls are ignored."""
        values = truncate(pc.drop_null(texts))
        self.count += len(values)
        for pair in pc.value_counts(values).to_pylist():
            self._sketch.update(pair["values"], pair["counts"])
            self._distinct.add(pair["values"])

    @property
    def distinct(self) -> int:
        """Estimated number of distinct values."""
        return self._distinct.estimate(self.count)

    def counts_of(self, values: Sequence[str]) -> list[int]:
        """Count each of `values`, and last all other values together: len(values) + 1 counts, their sum `count`."""
        # The lower bound never exceeds the true count, and equals it until the sketch has to drop a value.
        counts = [self._sketch.get_lower_bound(value) for value in values]
        return [*counts, self.count - sum(counts)]

    def document(self) -> dict[str, Any]:
        """Build this distribution's fields of the profile."""
        items = self._sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
        counted = sorted(((value, lower) for value, _, lower, _ in items), key=lambda pair: (-pair[1], pair[0]))
        top = counted[:TOP_VALUES]
        return {
            "values": [{"value": value, "count": count} for value, count in top],
            "other": self.count - sum(count for _, count in top),
        }


def apportion(shares: Sequence[float], total: int) -> list[int]:
    """Round `shares` of `total` to whole numbers with the sum `total`, by the largest remainder method. Pure."""
    exact = [share * total for share in shares]
    counts = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(counts)), key=lambda index: (counts[index] - exact[index], index))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def _finite(value: float) -> float | None:
    """Return None for infinity, which JSON cannot hold: squares of huge numbers can overflow."""
    return value if math.isfinite(value) else None
