"""Value counts by column: bins that are the same in every Pod, and bounds that hold whatever clients send."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.monitor.capture import histograms
from modelops.monitor.capture.histograms import (
    MAX_BINS,
    MAX_LABEL_LENGTH,
    MAX_LABELS,
    OTHER,
    Histograms,
    bin_edge,
    hash_label,
)
from modelops.monitor.capture.tables import MAX_COLUMNS, Value

finite = st.floats(-1e300, 1e300)


def count(*values: Value) -> tuple[dict[float, int], dict[str, int]]:
    """Count values of one column, and return its bins and labels."""
    counted = Histograms()
    counted.add(len(values), {"x": list(values)})
    column = counted.to_json()["columns"]["x"]
    return dict(column["numbers"]), column["labels"]


@given(finite)
def test_a_bin_starts_at_or_just_below_its_numbers(number: float) -> None:
    edge = bin_edge(number)
    assert edge <= number
    assert number - edge <= abs(number) / 256 + 5e-324
    assert bin_edge(edge) == edge


@given(finite, finite)
def test_bins_are_in_the_order_of_their_numbers(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert bin_edge(low) <= bin_edge(high)


def test_numbers_of_the_greatest_magnitude_have_a_bin() -> None:
    assert bin_edge(-1.79e308) <= bin_edge(-1e300) < 0 < bin_edge(1.79e308)


@given(st.integers(-512, 512))
def test_small_whole_numbers_have_a_bin_each(number: int) -> None:
    """Categories are often encoded as numbers."""
    assert bin_edge(number) == number


def test_labels_beyond_the_bound_are_counted_as_other() -> None:
    """Text made up by a client must not fill the memory, nor a report."""
    numbers, labels = count(*(f"label {n}" for n in range(MAX_LABELS + 7)))
    assert numbers == {}
    assert len(labels) == MAX_LABELS + 1
    assert labels[OTHER] == 7


@pytest.mark.parametrize("label", ["x" * (MAX_LABEL_LENGTH + 1), "\0absent", OTHER])
def test_long_and_reserved_labels_are_counted_as_other(label: str) -> None:
    """Long text is not a category, and a client must not be able to write one of the operator's own labels."""
    assert count(label) == ({}, {OTHER: 1})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_counted_as_labels(number: float) -> None:
    assert count(number) == ({}, {hash_label("x", str(number)): 1})


def test_labels_are_reported_as_hashes() -> None:
    """A reader of the report must not learn what clients wrote, such as names.

    Equal text of one column has one hash, and the same text in two columns does not link them.
    """
    counted = Histograms()
    counted.add(3, {"name": ["Ada Lovelace", "Ada Lovelace", "\ud800"], "town": ["Ada Lovelace"]})
    columns = counted.to_json()["columns"]
    assert "Ada" not in json.dumps(columns)
    assert columns["name"]["labels"] == {hash_label("name", "Ada Lovelace"): 2, hash_label("name", "\ud800"): 1}
    assert not columns["name"]["labels"].keys() & columns["town"]["labels"].keys()
    assert hash_label("name", "Ada Lovelace") == "506de02b96701809"


def test_numbers_beyond_the_bound_are_counted_in_the_nearest_bin() -> None:
    values = [math.exp(n / 100) for n in range(MAX_BINS + 500)]
    numbers, _ = count(*values)
    assert len(numbers) == MAX_BINS
    assert sum(numbers.values()) == len(values)
    assert numbers[bin_edge(values[MAX_BINS - 1])] == 501


def test_a_report_does_not_change_while_more_is_counted() -> None:
    """The report is serialized outside the lock."""
    counted = Histograms()
    counted.add(1, {"x": [1.0], "y": ["a"]})
    report = counted.to_json()
    before = json.dumps(report)
    counted.add(1, {"x": [2.0], "y": ["b"], "z": ["c"]})
    assert json.dumps(report) == before


def test_columns_beyond_the_bound_are_not_counted() -> None:
    counted = Histograms()
    for n in range(150):
        counted.add(1, {f"x{n}": [1.0]})
    report = counted.to_json()
    assert (report["rows"], len(report["columns"])) == (150, MAX_COLUMNS)


def test_bins_and_labels_of_all_columns_together_are_bounded() -> None:
    """The operator reads reports up to a bounded size."""
    counted = Histograms()
    for n in range(100):
        counted.add(2_000, {f"x{n}": [1.5**m for m in range(1_000)] + [f"{m}" for m in range(300)]})
    report = counted.to_json()
    columns = report["columns"].values()
    assert (
        sum(len(column["numbers"]) + len(column["labels"]) for column in columns)
        <= histograms.MAX_BINS_AND_LABELS + 200
    )
    assert all(sum(count for _, count in column["numbers"]) == 1_000 for column in columns)
    assert len(json.dumps(report)) < 2 * 2**20
