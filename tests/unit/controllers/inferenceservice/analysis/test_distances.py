"""Distances of columns: equal distributions have none, and values of one version alone are always noticed."""

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


def sample(rows: int = 0, **columns: ColumnCounts) -> Sample:
    return Sample(rows, columns)


def distance(stable: ColumnCounts, candidate: ColumnCounts, method: Method = "JensenShannon") -> float:
    (column,) = column_distances(sample(x=stable), sample(x=candidate), method)
    return column.distance


@given(columns, columns)
def test_bins_are_few_and_lose_no_value(first: ColumnCounts, second: ColumnCounts) -> None:
    stable, candidate = shared_bins(first, second)
    assert len(stable) == len(candidate) <= MAX_BINS + len({*first.labels, *second.labels})
    assert (sum(stable), sum(candidate)) == (first.total, second.total)


@given(columns, st.integers(2, 5))
def test_equal_shares_have_no_distance(column: ColumnCounts, times: int) -> None:
    multiple = column
    for _ in range(times):
        multiple = multiple + column
    for method in METHODS:
        assert distance(column, multiple, method) == pytest.approx(0, abs=1e-6)


@given(numbers)
def test_numbers_without_overlap_have_the_greatest_distance(counts: dict[float, int]) -> None:
    """The number of values does not matter: nothing in common is the greatest distance."""
    near, far = ColumnCounts(counts), ColumnCounts({value + 5000: count for value, count in counts.items()})
    assert distance(near, far) == pytest.approx(1)
    assert distance(far, near) == pytest.approx(1)


def test_bins_have_equal_parts_of_the_stable_sample() -> None:
    stable, candidate = shared_bins(ColumnCounts({float(n): 10 for n in range(80)}), ColumnCounts({-1.0: 3, 99.0: 4}))
    assert stable == [0, *[100] * 8, 0]
    assert candidate == [3, *[0] * 8, 4]


def test_a_few_numbers_are_not_merged() -> None:
    """Otherwise 0.5 would count as 1 where the stable sample has only 0 and 1."""
    assert distance(ColumnCounts({0.0: 50, 1.0: 50}), ColumnCounts({0.0: 50, 0.5: 50})) > 0.5


def test_identifiers_have_no_distance() -> None:
    """Names or identifiers differ in every sample, and must not fail every candidate."""
    stable = ColumnCounts(labels={f"customer {n}": 1 for n in range(100)})
    candidate = ColumnCounts(labels={f"customer {n}": 1 for n in range(100, 200)})
    assert distance(stable, candidate) == pytest.approx(0, abs=1e-6)
    assert distance(stable, candidate + ColumnCounts(labels={"test": 100})) > 0.4


def test_the_column_with_the_greatest_distance_is_first() -> None:
    same, other = ColumnCounts(labels={"a": 5, "b": 5}), ColumnCounts(labels={"a": 9, "b": 1})
    distances = column_distances(sample(dir=same, lvr=same), sample(dir=same, lvr=other), "JensenShannon")
    assert [column.column for column in distances] == ["lvr", "dir"]


def test_a_column_of_one_sample_alone_has_the_greatest_distance() -> None:
    (column,) = column_distances(sample(10), sample(10, lvr=ColumnCounts({1.0: 10})), "JensenShannon")
    assert column.column == "lvr"
    assert column.distance == pytest.approx(1)


def test_rows_without_a_value_have_a_bin() -> None:
    full, half = ColumnCounts(labels={"a": 100}), ColumnCounts(labels={"a": 50})
    assert column_distances(sample(100, x=full), sample(50, x=half), "PSI") == [("x", 0, 0)]
    (column,) = column_distances(sample(100, x=full), sample(100, x=half), "PSI")
    assert column.distance > 0.2


def test_a_column_without_values_of_one_sample_has_no_distance() -> None:
    assert column_distances(sample(), sample(), "PSI") == []
    assert column_distances(sample(x=ColumnCounts({1.0: 3})), sample(), "PSI") == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("stable", "candidate"), [(100, 100), (2_000, 100), (1_000, 1_000)])
def test_samples_of_one_distribution_stay_within_the_sampling_noise(
    method: Method, stable: int, candidate: int
) -> None:
    """Otherwise few rows would roll back a candidate without any fault."""
    draw = random.Random(7)
    ratios = []
    for _ in range(200):
        sides = [
            ColumnCounts(dict(Counter(round(draw.gauss(0, 1), 2) for _ in range(rows)))) for rows in (stable, candidate)
        ]
        (column,) = column_distances(sample(x=sides[0]), sample(x=sides[1]), method)
        ratios.append(column.distance / column.noise)
    assert 0.55 < max(ratios) < 1


@pytest.mark.parametrize("method", METHODS)
def test_more_rows_have_less_sampling_noise(method: Method) -> None:
    few, many = sampling_noise([50, 50], [50, 50], method), sampling_noise([5_000, 5_000], [5_000, 5_000], method)
    assert few > 2 * many > 0
    assert sampling_noise([9, 0], [9, 0], method) == 0


@given(columns, columns)
def test_a_sample_since_an_earlier_one_is_what_was_added(before: ColumnCounts, later: ColumnCounts) -> None:
    now = sample(5, x=before) + sample(7, x=later)
    assert now.since(sample(5, x=before)) == sample(7, x=later)


def test_a_sample_with_lower_counts_is_all_new() -> None:
    restarted = sample(2, x=ColumnCounts({1.0: 2}))
    assert restarted.since(sample(9, x=ColumnCounts({1.0: 1}))) == restarted
    assert restarted.since(sample(1, x=ColumnCounts({2.0: 1}))) == restarted
    assert restarted.since(sample(1, y=ColumnCounts(labels={"a": 1}))) == restarted
