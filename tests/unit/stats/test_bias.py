"""The four bias metrics against 2 by 2 tables worked out by hand, and at the edges where a share is zero."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.stats.bias import class_imbalance, difference_in_proportions_of_labels, js_divergence, kl_divergence

LABELS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=12)


def test_a_table_by_hand():
    """100 others with 80 positive labels, 50 of the group with 30: shares 0.8 and 0.6."""
    assert class_imbalance(100, 50) == pytest.approx(50 / 150)
    assert difference_in_proportions_of_labels(80, 100, 30, 50) == pytest.approx(0.2)
    others, group = [80, 20], [30, 20]
    assert kl_divergence(others, group) == pytest.approx(0.8 * math.log(0.8 / 0.6) + 0.2 * math.log(0.2 / 0.4))
    to_middle = 0.8 * math.log(0.8 / 0.7) + 0.2 * math.log(0.2 / 0.3)
    from_group = 0.6 * math.log(0.6 / 0.7) + 0.4 * math.log(0.4 / 0.3)
    assert js_divergence(others, group) == pytest.approx((to_middle + from_group) / 2)


def test_the_mortgage_example():
    """Denied were 96 of 339 black applicants and 189 of 2,042 others."""
    assert class_imbalance(2042, 339) == pytest.approx(0.71525, abs=1e-5)
    assert difference_in_proportions_of_labels(1853, 2042, 243, 339) == pytest.approx(0.19063, abs=1e-5)
    assert kl_divergence([1853, 189], [243, 96]) == pytest.approx(0.11048, abs=1e-5)
    assert js_divergence([1853, 189], [243, 96]) == pytest.approx(0.03095, abs=1e-5)


@pytest.mark.parametrize(
    ("others", "group", "divergence"),
    [
        pytest.param([1, 0], [5, 5], math.log(2), id="a label that the others lack adds nothing"),
        # Half an observation each: 4.5 of 5 and 0.5 of 5.
        pytest.param([1, 1], [4, 0], 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1), id="one the group lacks"),
        pytest.param([1, 1, 0], [2, 2, 0], 0.0, id="one that nobody has"),
        pytest.param([0, 0], [1, 1], None, id="no others"),
        pytest.param([1, 1], [0, 0], None, id="no group"),
    ],
)
def test_kl_with_zeros(others, group, divergence):
    """A label that is missing on one side makes no infinity."""
    assert kl_divergence(others, group) == (None if divergence is None else pytest.approx(divergence))


def test_nothing_to_compare():
    """Without a group or without others there is no bias to tell, rather than none."""
    assert class_imbalance(0, 5) is class_imbalance(5, 0) is None
    assert difference_in_proportions_of_labels(0, 0, 1, 5) is difference_in_proportions_of_labels(1, 5, 0, 0) is None
    assert js_divergence([0, 0], [1, 2]) is None


@given(LABELS)
def test_the_metrics_are_bounded_and_finite(labels):
    """Every metric can be written as JSON, whatever the counts."""
    others, group = [a for a, _ in labels], [d for _, d in labels]
    if not sum(others) or not sum(group):
        return
    assert -1 < class_imbalance(sum(others), sum(group)) < 1
    assert class_imbalance(sum(others), sum(group)) == -class_imbalance(sum(group), sum(others))
    assert -1 <= difference_in_proportions_of_labels(others[0], sum(others), group[0], sum(group)) <= 1
    assert 0 <= kl_divergence(others, group) < math.inf
    assert kl_divergence(others, others) == 0
    assert 0 <= js_divergence(others, group) == js_divergence(group, others) <= math.log(2)
