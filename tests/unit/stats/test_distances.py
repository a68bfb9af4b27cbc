"""Distances decide over rejecting data: they must be right, symmetric, bounded, and never infinite."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelops.stats.distances import jensen_shannon, jensen_shannon_divergence, psi

PAIRS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("expected", "actual", "distance"),
    [
        pytest.param([50, 50], [5, 5], 0.0, id="equal shares of different numbers of rows are no distance"),
        pytest.param([50, 50], [80, 20], 0.3 * math.log(1.6) - 0.3 * math.log(0.4), id="by hand"),
        pytest.param([10, 90, 0], [10, 90, 0], 0.0, id="a bin that is empty on both sides adds nothing"),
        pytest.param([100, 0], [90, 10], 0.1 * math.log(1 / 0.9) + 0.095 * math.log(20), id="empty counts half a row"),
        pytest.param([0, 0], [1, 1], None, id="nothing has no distance"),
        pytest.param([1, 1], [0, 0], None, id="nothing has no distance either way"),
    ],
)
def test_psi(expected, actual, distance):
    assert psi(expected, actual) == (None if distance is None else pytest.approx(distance, abs=1e-12))


@pytest.mark.parametrize(
    ("expected", "actual", "distance"),
    [
        pytest.param([1, 2], [10, 20], 0.0, id="equal shares"),
        pytest.param([5, 0], [0, 9], 1.0, id="nothing in common"),
        # M = (0.75, 0.25): the divergence is (ln(4/3) + ln(2/3) / 2 + ln 2 / 2) / 2 nats.
        pytest.param(
            [1, 0],
            [1, 1],
            math.sqrt((math.log(4 / 3) + math.log(2 / 3) / 2 + math.log(2) / 2) / 2 / math.log(2)),
            id="by hand",
        ),
        pytest.param([], [], None, id="nothing"),
    ],
)
def test_jensen_shannon(expected, actual, distance):
    assert jensen_shannon(expected, actual) == (None if distance is None else pytest.approx(distance, abs=1e-12))


@given(PAIRS)
def test_distances_are_symmetric_bounded_and_finite(pairs):
    """Which of two snapshots was there first does not matter, and no count leads to an infinity."""
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    assume(sum(one) and sum(other))
    assert psi(one, other) == psi(other, one)
    assert jensen_shannon(one, other) == jensen_shannon(other, one)
    assert 0 <= psi(one, other) <= 2 * math.log(2 * max(sum(one), sum(other)))
    assert 0 <= jensen_shannon(one, other) <= 1
    assert 0 <= jensen_shannon_divergence(one, other) <= math.log(2)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.integers(1, 1000))
def test_the_same_shares_have_no_distance(counts, times):
    """More rows of the same kind are no drift."""
    assume(sum(counts))
    more = [count * times for count in counts]
    assert psi(counts, counts) == jensen_shannon(counts, counts) == 0
    if times > 1:
        assert psi(counts, more) == pytest.approx(0, abs=1e-12)
        assert jensen_shannon(counts, more) == pytest.approx(0, abs=1e-6)


@given(PAIRS, st.integers(0, 19), st.integers(0, 19))
def test_merging_bins_never_adds_to_the_jensen_shannon_distance(pairs, first, second):
    """The data processing inequality: coarser bins see no more."""
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    first, second = first % len(pairs), second % len(pairs)
    assume(sum(one) and sum(other) and first != second)

    def merged(counts):
        return [counts[first] + counts[second], *(c for i, c in enumerate(counts) if i not in (first, second))]

    assert jensen_shannon(merged(one), merged(other)) <= jensen_shannon(one, other) + 1e-7
