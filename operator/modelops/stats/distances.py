"""Distances between two distributions, from counts over the same bins. Pure.

The numbers of observations may differ: only the proportions count. A distance is None if a distribution has no
observations.
"""

import math
from collections.abc import Sequence

EMPTY_BIN = 0.5
"""Count of a bin that is empty in only one of two distributions, where a logarithm needs a positive number."""


def psi(expected: Sequence[float], actual: Sequence[float]) -> float | None:
    """Return the population stability index: the sum of (a - e) ln(a / e) over the bins' proportions; at least 0.

    N. Siddiqi, "Credit Risk Scorecards", Wiley 2006, chapter 9. The same as the symmetric divergence of H. Jeffreys,
    "An Invariant Form for the Prior Probability in Estimation Problems", Proc. R. Soc. Lond. A 186, 1946. A bin that
    is empty on one side counts half an observation there: J. B. S. Haldane, "The Estimation and Significance of the
    Logarithm of a Ratio of Frequencies", Annals of Human Genetics 20, 1956. A bin that is empty on both sides adds 0.
    """
    all_expected, all_actual = sum(expected), sum(actual)
    if not all_expected or not all_actual:
        return None
    distance = 0.0
    for expected_count, actual_count in zip(expected, actual, strict=True):
        if expected_count or actual_count:
            e, a = (expected_count or EMPTY_BIN) / all_expected, (actual_count or EMPTY_BIN) / all_actual
            distance += (a - e) * (math.log(a) - math.log(e))
    return distance


def jensen_shannon(expected: Sequence[float], actual: Sequence[float]) -> float | None:
    """Return the Jensen-Shannon distance to base 2: 0 for equal proportions, 1 without a common bin.

    The distance is a metric: D. M. Endres, J. E. Schindelin, "A New Metric for Probability Distributions", IEEE
    Transactions on Information Theory 49(7), 2003. Empty bins need no smoothing.
    """
    divergence = jensen_shannon_divergence(expected, actual)
    return None if divergence is None else math.sqrt(divergence / math.log(2))


def jensen_shannon_divergence(expected: Sequence[float], actual: Sequence[float]) -> float | None:
    """Return the Jensen-Shannon divergence in nats, the square of the distance: from 0 to ln 2.

    J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory 37(1), 1991.
    """
    all_expected, all_actual = sum(expected), sum(actual)
    if not all_expected or not all_actual:
        return None
    to_mean = 0.0
    for expected_count, actual_count in zip(expected, actual, strict=True):
        p, q = expected_count / all_expected, actual_count / all_actual
        to_mean += _divergence_term(p, (p + q) / 2) + _divergence_term(q, (p + q) / 2)
    # Rounding alone can exceed these limits.
    return min(max(to_mean / 2, 0.0), math.log(2))


def _divergence_term(p: float, mean: float) -> float:
    return p * math.log(p / mean) if p else 0.0
