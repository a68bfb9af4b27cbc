"""How far two distributions are from each other, from counts over the same bins. Pure.

The two may have been counted over different numbers of observations: only shares matter. A distribution without any
observation has no distance to another: the answer is None.
"""

import math
from collections.abc import Sequence

EMPTY_BIN = 0.5
"""What a bin counts that is empty in only one of two distributions, where a logarithm needs more than nothing."""


def psi(expected: Sequence[float], actual: Sequence[float]) -> float | None:
    """The population stability index: the sum of (a - e) ln(a / e) over the bins' shares; 0 for equal shares.

    N. Siddiqi, "Credit Risk Scorecards", Wiley 2006, chapter 9; it is the symmetric divergence of H. Jeffreys, "An
    Invariant Form for the Prior Probability in Estimation Problems", Proc. R. Soc. Lond. A 186, 1946. A bin that is
    empty on one side counts half an observation there (J. B. S. Haldane, "The Estimation and Significance of the
    Logarithm of a Ratio of Frequencies", Annals of Human Genetics 20, 1956); one that is empty on both adds nothing.
    """
    all_expected, all_actual = sum(expected), sum(actual)
    if not all_expected or not all_actual:
        return None
    distance = 0.0
    for one, other in zip(expected, actual, strict=True):
        if one or other:
            e, a = (one or EMPTY_BIN) / all_expected, (other or EMPTY_BIN) / all_actual
            distance += (a - e) * (math.log(a) - math.log(e))
    return distance


def jensen_shannon(expected: Sequence[float], actual: Sequence[float]) -> float | None:
    """The Jensen-Shannon distance with logarithms to base 2: 0 for equal shares, 1 for nothing in common. A metric.

    D. M. Endres, J. E. Schindelin, "A New Metric for Probability Distributions", IEEE Transactions on Information
    Theory 49(7), 2003. Empty bins need no smoothing.
    """
    divergence = jensen_shannon_divergence(expected, actual)
    return None if divergence is None else math.sqrt(divergence / math.log(2))


def jensen_shannon_divergence(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The square of that distance in nats, from 0 to ln 2.

    J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory 37(1), 1991.
    """
    all_one, all_other = sum(one), sum(other)
    if not all_one or not all_other:
        return None
    to_middle = 0.0
    for count, count_other in zip(one, other, strict=True):
        p, q = count / all_one, count_other / all_other
        to_middle += _to_middle(p, (p + q) / 2) + _to_middle(q, (p + q) / 2)
    # Rounding alone can lead out of these limits.
    return min(max(to_middle / 2, 0.0), math.log(2))


def _to_middle(share: float, middle: float) -> float:
    return share * math.log(share / middle) if share else 0.0
