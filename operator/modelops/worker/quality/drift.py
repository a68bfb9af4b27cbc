"""How far a column has drifted from the current snapshot: both counted over the baseline's own bins, which are frozen.

Missing values are a bin of their own, since a column that goes missing has drifted; of a numeric column it takes in
everything that is no number. Values that the baseline does not list are one bin together.
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
    """The distance of the column of a snapshot of so many rows from the baseline's.

    None where it was declared to be of another type, or either side has no rows.
    """
    if baseline.counts is not None:
        if column.numbers is None:
            return None
        expected = [*baseline.counts, baseline_rows - sum(baseline.counts)]
        actual = column.numbers.between(baseline.edges)
        return _DISTANCES[metric](expected, [*actual, rows - sum(actual)])
    if column.values is None:
        return None
    expected = [*(one.count for one in baseline.values), baseline.other, baseline.nulls]
    actual = column.values.of([one.value for one in baseline.values])
    return _DISTANCES[metric](expected, [*actual, rows - sum(actual)])
