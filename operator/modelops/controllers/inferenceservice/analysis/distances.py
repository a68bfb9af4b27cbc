"""How far what two versions were asked, or what they answered, is apart. Pure.

A Pod counts numbers in fine bins that are the same everywhere, so that the counts of Pods add up. Here such counts are
drawn together into a few bins that both sides share. What is empty on one side counts half an observation in PSI
(J. B. S. Haldane, "The Estimation and Significance of the Logarithm of a Ratio of Frequencies", Annals of Human
Genetics 20, 1956), and as it is in the Jensen-Shannon distance, which needs no smoothing: see `modelops.stats`.
"""

import bisect
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from modelops.stats.distances import jensen_shannon, psi

Method = Literal["JensenShannon", "PSI"]
MAX_BINS = 10
RARE_LABEL_SHARE = 0.05
"""A label that is less of both sides than this has no bin of its own."""
_DEVIATIONS = 4.0
"""Of the normal distribution: beyond is once in 31,574 times."""
_DISTANCES = {"JensenShannon": jensen_shannon, "PSI": psi}


@dataclass(frozen=True)
class ColumnCounts:
    """How often each value of a column was seen: numbers by the lower edge of their bin, everything else by itself."""

    numbers: Mapping[float, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many values there were."""
        return sum(self.numbers.values()) + sum(self.labels.values())

    def __add__(self, other: Self) -> "ColumnCounts":
        return ColumnCounts(_sum(self.numbers, other.numbers), _sum(self.labels, other.labels))


@dataclass(frozen=True)
class Sample:
    """What a version was asked, or what it answered, by column."""

    rows: int = 0
    columns: Mapping[str, ColumnCounts] = field(default_factory=dict)

    def since(self, before: Self) -> "Seen":
        """What came after `before`. Where anything is less than before the Pod has begun anew: all of it came after."""
        columns: dict[str, ColumnCounts] = {}
        for name in {**self.columns, **before.columns}:
            now, then = self.columns.get(name, ColumnCounts()), before.columns.get(name, ColumnCounts())
            numbers, labels = _difference(now.numbers, then.numbers), _difference(now.labels, then.labels)
            if numbers is None or labels is None:
                return self
            columns[name] = ColumnCounts(numbers, labels)
        return self if self.rows < before.rows else Sample(self.rows - before.rows, columns)

    def __add__(self, other: Self) -> "Seen":
        names = {**self.columns, **other.columns}
        return Sample(
            self.rows + other.rows,
            {name: self.columns.get(name, ColumnCounts()) + other.columns.get(name, ColumnCounts()) for name in names},
        )


class ColumnDistance(NamedTuple):
    """How far both sides of a column are apart."""

    column: str
    distance: float
    chance: float
    """How far two samples of one distribution are apart at most, of as many rows and over as many bins."""


def column_distances(stable: Sample, candidate: Sample, method: Method) -> list[ColumnDistance]:
    """All columns that can be compared, the one that differs most first."""
    found = []
    for name in {**stable.columns, **candidate.columns}:
        counts = shared_bins(
            _with_absent(stable.columns.get(name, ColumnCounts()), stable.rows),
            _with_absent(candidate.columns.get(name, ColumnCounts()), candidate.rows),
        )
        distance = _DISTANCES[method](*counts)
        if distance is not None:
            found.append(ColumnDistance(name, distance, sampling_noise(*counts, method)))
    return sorted(found, key=lambda one: (-one.distance, one.column))


def sampling_noise(stable: list[int], candidate: list[int], method: Method) -> float:
    """How far two samples of one distribution with these numbers are apart, but once in some 30,000 times.

    Over k bins, n and m observations of one distribution have a PSI of about (1/n + 1/m) times a chi-squared variable
    of k - 1 degrees of freedom (B. Yurdakul, "Statistical Properties of Population Stability Index", Western Michigan
    University 2018), and a Jensen-Shannon divergence, in nats, of an eighth of that. The quantile is that of E. B.
    Wilson and M. M. Hilferty, "The Distribution of Chi-Square", PNAS 17, 1931.
    """
    freedom = sum(1 for one, other in zip(stable, candidate, strict=True) if one or other) - 1
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    farthest = freedom * (1 - part + _DEVIATIONS * math.sqrt(part)) ** 3
    index = farthest * (1 / sum(stable) + 1 / sum(candidate))
    return index if method == "PSI" else min(math.sqrt(index / 8 / math.log(2)), 1.0)


def shared_bins(stable: ColumnCounts, candidate: ColumnCounts) -> tuple[list[int], list[int]]:
    """The counts of both over the same bins: those of the numbers, then one for each label, and one for all rare ones.

    A few different numbers have a bin each. Many are drawn together so that each bin has as much of the stable side as
    the others, with one below and one above all that the stable side has. Labels that are rare on both sides are drawn
    together as well: those of names or identifiers are others every time, and would be as far apart as can be.
    """
    cuts = _bin_edges(stable.numbers, candidate.numbers)
    common = sorted(_frequent_labels(stable) | _frequent_labels(candidate))
    rare = {*stable.labels, *candidate.labels}.difference(common)
    one, other = (
        [
            *_merge_bins(side.numbers, cuts),
            *(side.labels.get(label, 0) for label in common),
            *([sum(side.labels.get(label, 0) for label in rare)] if rare else []),
        ]
        for side in (stable, candidate)
    )
    return one, other


def _frequent_labels(side: ColumnCounts) -> set[str]:
    least = RARE_LABEL_SHARE * side.total
    return {label for label, count in side.labels.items() if count >= least}


def _bin_edges(stable: Mapping[float, int], candidate: Mapping[float, int]) -> list[float]:
    """The greatest number of each bin but the last one's."""
    values = sorted({*stable, *candidate})
    if len(values) <= MAX_BINS:
        return values[:-1]
    known = sorted(value for value, count in stable.items() if count)
    if not known:
        return []
    inner, total, so_far = MAX_BINS - 2, sum(stable.values()), 0
    cuts = [value for value in values if value < known[0]][-1:]
    for value in known:
        full = so_far * inner // total
        so_far += stable[value]
        if so_far * inner // total > full:
            cuts.append(value)
    return cuts


def _merge_bins(numbers: Mapping[float, int], cuts: list[float]) -> list[int]:
    counts = [0] * (len(cuts) + 1)
    for value, count in numbers.items():
        counts[bisect.bisect_left(cuts, value)] += count
    return counts


def _with_absent(column: ColumnCounts, rows: int) -> ColumnCounts:
    """Rows that have no value in a column are a label of their own, which no value can be."""
    absent = rows - column.total
    return column + ColumnCounts(labels={"\0absent": absent}) if absent > 0 else column


def _sum(one: Mapping, other: Mapping) -> dict:
    return dict(Counter(one) + Counter(other))


def _difference(now: Mapping, before: Mapping) -> dict | None:
    difference = {value: now.get(value, 0) - before.get(value, 0) for value in {**now, **before}}
    if any(count < 0 for count in difference.values()):
        return None
    return {value: count for value, count in difference.items() if count}
