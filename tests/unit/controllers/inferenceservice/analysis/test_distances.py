"""How far two versions' inputs or predictions are apart: same shares are 0, and what only one has is always seen."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.distances import (
    MAX_BINS,
    ColumnCounts,
    Method,
    Sample,
    column_distances,
    sampling_noise,
    shared_bins,
)

numbers = st.dictionaries(st.integers(-1000, 1000).map(float), st.integers(1, 100), min_size=1, max_size=60)
columns = st.builds(ColumnCounts, numbers, st.dictionaries(st.sampled_from("abc"), st.integers(1, 100)))
METHODS: tuple[Method, ...] = ("JensenShannon", "PSI")


def seen(rows: int = 0, **counted: ColumnCounts) -> Sample:
    return Sample(rows, counted)


def distance(stable: ColumnCounts, candidate: ColumnCounts, method: Method = "JensenShannon") -> float:
    (found,) = column_distances(seen(x=stable), seen(x=candidate), method)
    return found.distance


@given(columns, columns)
def test_bins_are_few_and_lose_nothing(one: ColumnCounts, other: ColumnCounts) -> None:
    stable, candidate = shared_bins(one, other)
    assert len(stable) == len(candidate) <= MAX_BINS + len({*one.labels, *other.labels})
    assert (sum(stable), sum(candidate)) == (one.total, other.total)


@given(columns, st.integers(2, 5))
def test_the_same_shares_have_no_distance(one: ColumnCounts, times: int) -> None:
    other = one
    for _ in range(times):
        other = other + one
    for method in METHODS:
        assert distance(one, other, method) == pytest.approx(0, abs=1e-6)


@given(numbers)
def test_numbers_that_the_stable_side_never_has_are_far_away(one: dict[float, int]) -> None:
    """However many of them, and however many different ones: nothing in common is the greatest distance."""
    far = ColumnCounts({value + 5000: count for value, count in one.items()})
    assert distance(ColumnCounts(one), far) == pytest.approx(1)
    assert distance(far, ColumnCounts(one)) == pytest.approx(1)


def test_a_bin_has_as_much_of_the_stable_side_as_the_others() -> None:
    stable, candidate = shared_bins(ColumnCounts({float(n): 10 for n in range(80)}), ColumnCounts({-1.0: 3, 99.0: 4}))
    assert stable == [0, *[100] * 8, 0]
    assert candidate == [3, *[0] * 8, 4]


def test_a_few_numbers_are_not_drawn_together() -> None:
    """Otherwise 0.5 would be taken for 1 where the stable side has only 0 and 1."""
    assert distance(ColumnCounts({0.0: 50, 1.0: 50}), ColumnCounts({0.0: 50, 0.5: 50})) > 0.5


def test_identifiers_are_not_apart_because_each_is_another_one() -> None:
    """A column of names or identifiers says nothing about a version, and must not fail every candidate."""
    stable = ColumnCounts(labels={f"customer {n}": 1 for n in range(100)})
    candidate = ColumnCounts(labels={f"customer {n}": 1 for n in range(100, 200)})
    assert distance(stable, candidate) == pytest.approx(0, abs=1e-6)
    assert distance(stable, candidate + ColumnCounts(labels={"test": 100})) > 0.4


def test_the_column_that_differs_most() -> None:
    same, other = ColumnCounts(labels={"a": 5, "b": 5}), ColumnCounts(labels={"a": 9, "b": 1})
    found = column_distances(seen(dir=same, lvr=same), seen(dir=same, lvr=other), "JensenShannon")
    assert [one.column for one in found] == ["lvr", "dir"]


def test_a_column_that_only_one_side_has_differs_most() -> None:
    (found,) = column_distances(seen(10), seen(10, lvr=ColumnCounts({1.0: 10})), "JensenShannon")
    assert (found.column, found.distance) == ("lvr", pytest.approx(1))


def test_rows_without_a_value_count() -> None:
    full, half = ColumnCounts(labels={"a": 100}), ColumnCounts(labels={"a": 50})
    assert column_distances(seen(100, x=full), seen(50, x=half), "PSI") == [("x", 0, 0)]
    (found,) = column_distances(seen(100, x=full), seen(100, x=half), "PSI")
    assert found.distance > 0.2


def test_nothing_to_compare() -> None:
    assert column_distances(seen(), seen(), "PSI") == []
    assert column_distances(seen(x=ColumnCounts({1.0: 3})), seen(), "PSI") == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("stable", "candidate"), [(100, 100), (2_000, 100), (1_000, 1_000)])
def test_samples_of_one_distribution_are_apart_by_chance_alone(method: Method, stable: int, candidate: int) -> None:
    """Otherwise a candidate that does nothing wrong would be rolled back because it was judged by few rows."""
    draw = random.Random(7)
    shares = []
    for _ in range(200):
        sides = [
            ColumnCounts(dict(Counter(round(draw.gauss(0, 1), 2) for _ in range(rows)))) for rows in (stable, candidate)
        ]
        (found,) = column_distances(seen(x=sides[0]), seen(x=sides[1]), method)
        shares.append(found.distance / found.chance)
    assert 0.55 < max(shares) < 1


@pytest.mark.parametrize("method", METHODS)
def test_chance_goes_with_rows(method: Method) -> None:
    few, many = sampling_noise([50, 50], [50, 50], method), sampling_noise([5_000, 5_000], [5_000, 5_000], method)
    assert few > 2 * many > 0
    assert sampling_noise([9, 0], [9, 0], method) == 0


@given(columns, columns)
def test_what_came_after_is_what_was_added(before: ColumnCounts, later: ColumnCounts) -> None:
    now = seen(5, x=before) + seen(7, x=later)
    assert now.since(seen(5, x=before)) == seen(7, x=later)


def test_counts_that_went_back_are_all_new() -> None:
    anew = seen(2, x=ColumnCounts({1.0: 2}))
    assert anew.since(seen(9, x=ColumnCounts({1.0: 1}))) == anew
    assert anew.since(seen(1, x=ColumnCounts({2.0: 1}))) == anew
    assert anew.since(seen(1, y=ColumnCounts(labels={"a": 1}))) == anew
