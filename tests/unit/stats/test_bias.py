"""The four bias metrics against 2 by 2 tables computed by hand, and where a proportion is zero."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelops.stats.bias import class_imbalance, difference_in_proportions_of_labels, js_divergence, kl_divergence

LABELS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=12)


def test_a_table_computed_by_hand() -> None:
    """Others: 100 rows, 80 of them positive. Group: 50 rows, 30 of them positive. Proportions 0.8 and 0.6."""
    assert class_imbalance(others=100, group=50) == pytest.approx(50 / 150)
    difference = difference_in_proportions_of_labels(others_positive=80, others=100, group_positive=30, group=50)
    assert difference == pytest.approx(0.2)
    others, group = [80, 20], [30, 20]
    assert kl_divergence(others, group) == pytest.approx(0.8 * math.log(0.8 / 0.6) + 0.2 * math.log(0.2 / 0.4))
    others_to_mean = 0.8 * math.log(0.8 / 0.7) + 0.2 * math.log(0.2 / 0.3)
    group_to_mean = 0.6 * math.log(0.6 / 0.7) + 0.4 * math.log(0.4 / 0.3)
    assert js_divergence(others, group) == pytest.approx((others_to_mean + group_to_mean) / 2)


def test_the_mortgage_example() -> None:
    """96 of 339 black applicants and 189 of 2,042 others were denied."""
    assert class_imbalance(others=2042, group=339) == pytest.approx(0.71525, abs=1e-5)
    difference = difference_in_proportions_of_labels(others_positive=1853, others=2042, group_positive=243, group=339)
    assert difference == pytest.approx(0.19063, abs=1e-5)
    assert kl_divergence(others=[1853, 189], group=[243, 96]) == pytest.approx(0.11048, abs=1e-5)
    assert js_divergence(others=[1853, 189], group=[243, 96]) == pytest.approx(0.03095, abs=1e-5)


@pytest.mark.parametrize(
    ("others", "group", "divergence"),
    [
        pytest.param([1, 0], [5, 5], math.log(2), id="a label that only the group has adds nothing"),
        # Half an observation is added to each label: 4.5 of 5 and 0.5 of 5.
        pytest.param(
            [1, 1],
            [4, 0],
            0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1),
            id="a label that the group lacks counts half an observation",
        ),
        pytest.param([1, 1, 0], [2, 2, 0], 0.0, id="a label that neither side has adds nothing"),
        pytest.param([0, 0], [1, 1], None, id="without others the divergence is None"),
        pytest.param([1, 1], [0, 0], None, id="without a group the divergence is None"),
    ],
)
def test_kl_divergence_with_zero_counts(others: list[int], group: list[int], divergence: float | None) -> None:
    """A label that one side lacks never makes the divergence infinite."""
    assert kl_divergence(others, group) == (None if divergence is None else pytest.approx(divergence))


def test_metrics_without_a_group_or_others_are_none() -> None:
    """Without rows on one side bias is unknown, which is not the same as no bias."""
    assert class_imbalance(others=0, group=5) is None
    assert class_imbalance(others=5, group=0) is None
    assert difference_in_proportions_of_labels(others_positive=0, others=0, group_positive=1, group=5) is None
    assert difference_in_proportions_of_labels(others_positive=1, others=5, group_positive=0, group=0) is None
    assert js_divergence(others=[0, 0], group=[1, 2]) is None


@given(LABELS)
def test_the_metrics_are_bounded_and_finite(labels: list[tuple[int, int]]) -> None:
    """Every metric can be written as JSON, whatever the counts."""
    others, group = [a for a, _ in labels], [d for _, d in labels]
    assume(sum(others) and sum(group))
    imbalance = class_imbalance(others=sum(others), group=sum(group))
    reverse = class_imbalance(others=sum(group), group=sum(others))
    assert imbalance is not None
    assert reverse is not None
    assert -1 < imbalance < 1
    assert imbalance == -reverse
    difference = difference_in_proportions_of_labels(
        others_positive=others[0], others=sum(others), group_positive=group[0], group=sum(group)
    )
    assert difference is not None
    assert -1 <= difference <= 1
    kl = kl_divergence(others, group)
    assert kl is not None
    assert 0 <= kl < math.inf
    assert kl_divergence(others, others) == 0
    js = js_divergence(others, group)
    assert js is not None
    assert 0 <= js <= math.log(2)
    assert js == js_divergence(group, others)
