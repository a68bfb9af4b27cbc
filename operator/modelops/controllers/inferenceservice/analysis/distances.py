"""Distances between what two versions received, or between what they predicted, column by column. Pure.

A Pod counts numbers in fine bins that are the same everywhere, so that the counts of Pods add up. Here they are merged
into a few bins that both samples share. An empty bin of one sample counts as half an observation in PSI (J. B. S.
Haldane, "The Estimation and Significance of the Logarithm of a Ratio of Frequencies", Annals of Human Genetics 20,
1956). The Jensen-Shannon distance needs no smoothing: see `modelops.stats`.
"""

import bisect
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from modelops.stats.distances import jensen_shannon, psi

Method = Literal["JensenShannon", "PSI"]
MAX_BINS = 10
RARE_LABEL_SHARE = 0.05
"""Labels below this share of both samples have one bin together."""
_DEVIATIONS = 4.0
"""Standard deviations of the normal distribution, exceeded once in 31,574 times."""
_DISTANCES = {"JensenShannon": jensen_shannon, "PSI": psi}


@dataclass(frozen=True)
class ColumnCounts:
    """Number of times that each value of a column was seen."""

    numbers: Mapping[float, int] = field(default_factory=dict)
    """Counts of numbers, by the lower edge of their bin."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """Counts of all other values."""

    @property
    def total(self) -> int:
        """Number of values."""
        return sum(self.numbers.values()) + sum(self.labels.values())

    def __add__(self, other: Self) -> "ColumnCounts":
        return ColumnCounts(_sum(self.numbers, other.numbers), _sum(self.labels, other.labels))


@dataclass(frozen=True)
class Sample:
    """Rows that a version received, or predicted, by column."""

    rows: int = 0
    columns: Mapping[str, ColumnCounts] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """Number of columns, and of the different values in them."""
        return sum(1 + len(counts.numbers) + len(counts.labels) for counts in self.columns.values())

    def since(self, before: Self) -> "Sample":
        """Return what was added after `before`. A count below that of `before` means a restart: then all of it was."""
        columns: dict[str, ColumnCounts] = {}
        for name in {**self.columns, **before.columns}:
            now, then = self.columns.get(name, ColumnCounts()), before.columns.get(name, ColumnCounts())
            numbers, labels = _difference(now.numbers, then.numbers), _difference(now.labels, then.labels)
            if numbers is None or labels is None:
                return self
            columns[name] = ColumnCounts(numbers, labels)
        return self if self.rows < before.rows else Sample(self.rows - before.rows, columns)

    def __add__(self, other: Self) -> "Sample":
        names = {**self.columns, **other.columns}
        return Sample(
            self.rows + other.rows,
            {name: self.columns.get(name, ColumnCounts()) + other.columns.get(name, ColumnCounts()) for name in names},
        )


class ColumnDistance(NamedTuple):
    """Distance between two samples of one column."""

    column: str
    distance: float
    noise: float
    """Greatest distance that chance alone explains: see `sampling_noise`."""


def column_distances(stable: Sample, candidate: Sample, method: Method) -> list[ColumnDistance]:
    """Return the distance of each column that can be compared, greatest first."""
    distances = []
    for name in {**stable.columns, **candidate.columns}:
        counts = shared_bins(
            _with_missing(stable.columns.get(name, ColumnCounts()), stable.rows),
            _with_missing(candidate.columns.get(name, ColumnCounts()), candidate.rows),
        )
        distance = _DISTANCES[method](*counts)
        if distance is not None:
            distances.append(ColumnDistance(name, distance, sampling_noise(*counts, method)))
    return sorted(distances, key=lambda column: (-column.distance, column.column))


def sampling_noise(stable: list[int], candidate: list[int], method: Method) -> float:
    """Return the distance that two samples of one distribution, with these counts, exceed once in 31,574 times.

    Over k bins, n and m observations of one distribution have a PSI of about (1/n + 1/m) times a chi-squared variable
    of k - 1 degrees of freedom (B. Yurdakul, "Statistical Properties of Population Stability Index", Western Michigan
    University 2018), and a Jensen-Shannon divergence, in nats, of an eighth of that. The quantile is that of E. B.
    Wilson and M. M. Hilferty, "The Distribution of Chi-Square", PNAS 17, 1931.
    """
    occupied = sum(1 for of_stable, of_candidate in zip(stable, candidate, strict=True) if of_stable or of_candidate)
    freedom = occupied - 1
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    chi_squared = freedom * (1 - part + _DEVIATIONS * math.sqrt(part)) ** 3
    index = chi_squared * (1 / sum(stable) + 1 / sum(candidate))
    return index if method == "PSI" else min(math.sqrt(index / 8 / math.log(2)), 1.0)


def shared_bins(stable: ColumnCounts, candidate: ColumnCounts) -> tuple[list[int], list[int]]:
    """Return the counts of both over the same bins: those of numbers, one for each label, one for all rare labels.

    Up to `MAX_BINS` different numbers have a bin each. More are merged into bins with equal parts of the stable sample,
    with one below and one above all of its numbers. Labels that are rare in both samples are merged as well: names or
    identifiers differ every time, and would have the greatest distance possible.
    """
    edges = _bin_edges(stable.numbers, candidate.numbers)
    frequent = sorted(_frequent_labels(stable) | _frequent_labels(candidate))
    rare = {*stable.labels, *candidate.labels}.difference(frequent)
    stable_counts, candidate_counts = (
        [
            *_merge_bins(side.numbers, edges),
            *(side.labels.get(label, 0) for label in frequent),
            *([sum(side.labels.get(label, 0) for label in rare)] if rare else []),
        ]
        for side in (stable, candidate)
    )
    return stable_counts, candidate_counts


def _frequent_labels(side: ColumnCounts) -> set[str]:
    minimum = RARE_LABEL_SHARE * side.total
    return {label for label, count in side.labels.items() if count >= minimum}


def _bin_edges(stable: Mapping[float, int], candidate: Mapping[float, int]) -> list[float]:
    """Return the greatest number of each bin except the last."""
    values = sorted({*stable, *candidate})
    if len(values) <= MAX_BINS:
        return values[:-1]
    of_stable = sorted(value for value, count in stable.items() if count)
    if not of_stable:
        return []
    inner, total, so_far = MAX_BINS - 2, sum(stable.values()), 0
    edges = [value for value in values if value < of_stable[0]][-1:]
    for value in of_stable:
        full = so_far * inner // total
        so_far += stable[value]
        if so_far * inner // total > full:
            edges.append(value)
    return edges


def _merge_bins(numbers: Mapping[float, int], edges: list[float]) -> list[int]:
    counts = [0] * (len(edges) + 1)
    for value, count in numbers.items():
        counts[bisect.bisect_left(edges, value)] += count
    return counts


def _with_missing(column: ColumnCounts, rows: int) -> ColumnCounts:
    """Add the rows without a value in the column, under a label that no value can have."""
    missing = rows - column.total
    return column + ColumnCounts(labels={"\0absent": missing}) if missing > 0 else column


def _sum(counts: Mapping[Any, int], others: Mapping[Any, int]) -> dict[Any, int]:
    return dict(Counter(counts) + Counter(others))


def _difference(now: Mapping[Any, int], before: Mapping[Any, int]) -> dict[Any, int] | None:
    """Return the counts added after `before`; None where any went back."""
    difference = {value: now.get(value, 0) - before.get(value, 0) for value in {**now, **before}}
    if any(count < 0 for count in difference.values()):
        return None
    return {value: count for value, count in difference.items() if count}
