"""Distances decide whether data is rejected: they must be correct, symmetric, bounded, and never infinite."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelops.stats.distances import jensen_shannon, jensen_shannon_divergence, psi

Pairs = list[tuple[int, int]]
PAIRS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("expected", "actual", "distance"),
    [
        pytest.param([50, 50], [5, 5], 0.0, id="equal proportions of different numbers of rows have distance 0"),
        pytest.param(
            [50, 50], [80, 20], 0.3 * math.log(1.6) - 0.3 * math.log(0.4), id="the formula is as computed by hand"
        ),
        pytest.param([10, 90, 0], [10, 90, 0], 0.0, id="a bin that is empty on both sides adds nothing"),
        pytest.param(
            [100, 0],
            [90, 10],
            0.1 * math.log(1 / 0.9) + 0.095 * math.log(20),
            id="a bin that is empty on one side counts half an observation",
        ),
        pytest.param([0, 0], [1, 1], None, id="without expected observations the distance is None"),
        pytest.param([1, 1], [0, 0], None, id="without actual observations the distance is None"),
    ],
)
def test_psi(expected: list[int], actual: list[int], distance: float | None) -> None:
    assert psi(expected, actual) == (None if distance is None else pytest.approx(distance, abs=1e-12))


@pytest.mark.parametrize(
    ("expected", "actual", "distance"),
    [
        pytest.param([1, 2], [10, 20], 0.0, id="equal proportions have distance 0"),
        pytest.param([5, 0], [0, 9], 1.0, id="distributions without a common bin have distance 1"),
        # The mean is (0.75, 0.25): the divergence is (ln(4/3) + ln(2/3) / 2 + ln 2 / 2) / 2 nats.
        pytest.param(
            [1, 0],
            [1, 1],
            math.sqrt((math.log(4 / 3) + math.log(2 / 3) / 2 + math.log(2) / 2) / 2 / math.log(2)),
            id="the formula is as computed by hand",
        ),
        pytest.param([], [], None, id="without bins the distance is None"),
    ],
)
def test_jensen_shannon(expected: list[int], actual: list[int], distance: float | None) -> None:
    assert jensen_shannon(expected, actual) == (None if distance is None else pytest.approx(distance, abs=1e-12))


@given(PAIRS)
def test_distances_are_symmetric_bounded_and_finite(pairs: Pairs) -> None:
    """The order of two snapshots does not matter, and no count makes a distance infinite."""
    expected, actual = [a for a, _ in pairs], [b for _, b in pairs]
    assume(sum(expected) and sum(actual))
    index, distance = psi(expected, actual), jensen_shannon(expected, actual)
    divergence = jensen_shannon_divergence(expected, actual)
    assert index is not None
    assert distance is not None
    assert divergence is not None
    assert index == psi(actual, expected)
    assert distance == jensen_shannon(actual, expected)
    assert 0 <= index <= 2 * math.log(2 * max(sum(expected), sum(actual)))
    assert 0 <= distance <= 1
    assert 0 <= divergence <= math.log(2)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.integers(1, 1000))
def test_equal_proportions_have_distance_zero(counts: list[int], times: int) -> None:
    """More rows of the same kind are not drift."""
    assume(sum(counts))
    more = [count * times for count in counts]
    assert psi(counts, counts) == jensen_shannon(counts, counts) == 0
    if times > 1:
        assert psi(counts, more) == pytest.approx(0, abs=1e-12)
        assert jensen_shannon(counts, more) == pytest.approx(0, abs=1e-6)


@given(PAIRS, st.integers(0, 19), st.integers(0, 19))
def test_merging_bins_never_increases_the_jensen_shannon_distance(pairs: Pairs, first: int, second: int) -> None:
    """The data processing inequality: coarser bins show no more difference."""
    expected, actual = [a for a, _ in pairs], [b for _, b in pairs]
    first, second = first % len(pairs), second % len(pairs)
    assume(sum(expected) and sum(actual) and first != second)

    def merge(counts: list[int]) -> list[int]:
        return [
            counts[first] + counts[second],
            *(count for position, count in enumerate(counts) if position not in (first, second)),
        ]

    before, after = jensen_shannon(expected, actual), jensen_shannon(merge(expected), merge(actual))
    assert before is not None
    assert after is not None
    assert after <= before + 1e-7
