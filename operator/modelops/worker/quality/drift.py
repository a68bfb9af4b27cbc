"""Drift of a column since the current snapshot: both snapshots are counted over the baseline's bins, which are frozen.

Missing values have a bin, so a column that becomes empty has drifted; in a numeric column, that bin also counts values
that are not numbers. Values that the baseline does not list share one bin.
"""

from collections.abc import Callable

from modelops.api.checks import DriftMetric
from modelops.stats.distances import jensen_shannon, psi
from modelops.worker.quality.baselines import BaselineColumn
from modelops.worker.quality.profiling import ColumnProfile

_DISTANCES: dict[DriftMetric, Callable[[list[int], list[int]], float | None]] = {
    DriftMetric.PSI: psi,
    DriftMetric.JENSEN_SHANNON: jensen_shannon,
}


def drift(
    metric: DriftMetric, baseline: BaselineColumn, baseline_rows: int, column: ColumnProfile, rows: int
) -> float | None:
    """Compute a column's distance from its baseline, each with the number of rows of its snapshot.

    Returns None if the column was numeric and is now declared otherwise, or the reverse, or if either side has no rows.
    """
    if baseline.counts is not None:
        if column.numeric is None:
            return None
        expected = [*baseline.counts, baseline_rows - sum(baseline.counts)]
        actual = column.numeric.bin_counts(baseline.edges)
        return _DISTANCES[metric](expected, [*actual, rows - sum(actual)])
    if column.categorical is None:
        return None
    expected = [*(listed.count for listed in baseline.values), baseline.other, baseline.nulls]
    actual = column.categorical.counts_of([listed.value for listed in baseline.values])
    return _DISTANCES[metric](expected, [*actual, rows - sum(actual)])
