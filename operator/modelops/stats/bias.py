"""Pre-training bias metrics of one group (Clarify's facet d) against all others (facet a), from counts. Pure.

Definitions: "Pre-training Bias Metrics" in the documentation of Amazon SageMaker Clarify, and M. Hardt et al., "Amazon
SageMaker Clarify: Machine Learning Bias Detection and Explainability in the Cloud", KDD 2021. Every metric is None
where one side has no observations, and is never infinite.
"""

import math
from collections.abc import Sequence

from modelops.stats.distances import EMPTY_BIN, jensen_shannon_divergence


def class_imbalance(others: int, group: int) -> float | None:
    """Return CI = (n_a - n_d) / (n_a + n_d) from numbers of rows.

    Near 1 the group is rare, near -1 nearly all rows are of the group.
    """
    return (others - group) / (others + group) if others and group else None


def difference_in_proportions_of_labels(
    others_positive: int, others: int, group_positive: int, group: int
) -> float | None:
    """Return DPL = q_a - q_d, the proportion of positive labels in the others minus that in the group: -1 to 1."""
    return others_positive / others - group_positive / group if others and group else None


def kl_divergence(others: Sequence[int], group: Sequence[int]) -> float | None:
    """Return KL(P_a || P_d) = sum of P_a(y) ln(P_a(y) / P_d(y)) in nats, from the counts of each label y; at least 0.

    The divergence is infinite if the group lacks a label that the others have. Then half an observation is added to
    every label of the group that either side has, so that its probabilities still add up to 1. Clarify's library
    omits such labels instead, and with them the greatest differences.
    """
    all_others = sum(others)
    if not all_others or not sum(group):
        return None
    pairs = [(a, d) for a, d in zip(others, group, strict=True) if a or d]
    added = EMPTY_BIN if any(a and not d for a, d in pairs) else 0.0
    all_group = sum(d + added for _, d in pairs)
    divergence = sum(a / all_others * math.log(a / all_others / ((d + added) / all_group)) for a, d in pairs if a)
    return max(divergence, 0.0)


def js_divergence(others: Sequence[int], group: Sequence[int]) -> float | None:
    """Return JS = (KL(P_a || P) + KL(P_d || P)) / 2 in nats, with P the mean of both: from 0 to ln 2.

    Labels that one side lacks need no smoothing.
    """
    return jensen_shannon_divergence(others, group)
