"""Counts by column: bins that are the same everywhere, and bounds that hold whatever comes."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.monitor.capture import histograms
from modelops.monitor.capture.histograms import LONGEST_LABEL, MOST_BINS, MOST_LABELS, OTHER, Counts, bin_of, told_word

finite = st.floats(-1e300, 1e300)


def counted(*values, rows=None):
    counts = Counts()
    counts.add(len(values) if rows is None else rows, {"x": list(values)})
    told = counts.told()["columns"]["x"]
    return dict(told["numbers"]), told["labels"]


@given(finite)
def test_a_bin_begins_just_below_its_numbers(number):
    edge = bin_of(number)
    assert edge <= number
    assert number - edge <= abs(number) / 256 + 5e-324
    assert bin_of(edge) == edge


@given(finite, finite)
def test_bins_are_in_the_order_of_their_numbers(one, other):
    low, high = sorted((one, other))
    assert bin_of(low) <= bin_of(high)


def test_the_farthest_numbers_have_a_bin_too():
    assert bin_of(-1.79e308) <= bin_of(-1e300) < 0 < bin_of(1.79e308)


@given(st.integers(-512, 512))
def test_small_whole_numbers_have_a_bin_each(number):
    """Categories are often numbers."""
    assert bin_of(number) == number


def test_labels_are_counted_up_to_a_bound():
    """What a client makes up must not fill the memory, nor a report."""
    numbers, labels = counted(*(f"label {n}" for n in range(MOST_LABELS + 7)))
    assert numbers == {}
    assert len(labels) == MOST_LABELS + 1
    assert labels[OTHER] == 7


@pytest.mark.parametrize("label", ["x" * (LONGEST_LABEL + 1), "\0absent", OTHER])
def test_a_label_that_is_none(label):
    """Text is not told, and nobody can pretend to be one of the operator's own labels."""
    assert counted(label) == ({}, {OTHER: 1})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_label(number):
    assert counted(number) == ({}, {told_word("x", str(number)): 1})


def test_words_are_told_as_hashes():
    """Whoever reaches the report must not read what clients wrote: names, for instance. What is the same stays so, and
    the same word of two columns is no link between them.
    """
    counts = Counts()
    counts.add(3, {"name": ["Ada Lovelace", "Ada Lovelace", "\ud800"], "town": ["Ada Lovelace"]})
    columns = counts.told()["columns"]
    assert "Ada" not in json.dumps(columns)
    assert columns["name"]["labels"] == {told_word("name", "Ada Lovelace"): 2, told_word("name", "\ud800"): 1}
    assert not columns["name"]["labels"].keys() & columns["town"]["labels"].keys()
    assert told_word("name", "Ada Lovelace") == "506de02b96701809"


def test_numbers_are_counted_up_to_a_bound():
    """All of them are, in a bin near by."""
    values = [math.exp(n / 100) for n in range(MOST_BINS + 500)]
    numbers, _ = counted(*values)
    assert len(numbers) == MOST_BINS
    assert sum(numbers.values()) == len(values)
    assert numbers[bin_of(values[MOST_BINS - 1])] == 501


def test_what_was_told_does_not_change():
    """It is written while more is counted."""
    counts = Counts()
    counts.add(1, {"x": [1.0], "y": ["a"]})
    told = counts.told()
    before = json.dumps(told)
    counts.add(1, {"x": [2.0], "y": ["b"], "z": ["c"]})
    assert json.dumps(told) == before


def test_columns_are_counted_up_to_a_bound():
    counts = Counts()
    for n in range(150):
        counts.add(1, {f"x{n}": [1.0]})
    told = counts.told()
    assert (told["rows"], len(told["columns"])) == (150, histograms.MOST_COLUMNS)


def test_all_columns_together_have_a_bound():
    """A report has a size that the operator reads."""
    counts = Counts()
    for n in range(100):
        counts.add(2_000, {f"x{n}": [1.5**m for m in range(1_000)] + [f"{m}" for m in range(300)]})
    told = counts.told()
    kept = sum(len(one["numbers"]) + len(one["labels"]) for one in told["columns"].values())
    assert kept <= histograms.MOST_COUNTS + 200
    assert all(sum(count for _, count in one["numbers"]) == 1_000 for one in told["columns"].values())
    assert len(json.dumps(told)) < 2 * 2**20
