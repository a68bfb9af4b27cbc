"""Every check of a snapshot but drift: what passes, what fails, and that what cannot be measured never passes."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops.api.checks import DataCheck
from modelops.worker.quality.quality_checks import CheckInputs, evaluate
from support.builders.common import NOW
from support.profiles import Json, baseline_of, column, profile_of


@dataclass(frozen=True)
class Row:
    name: str
    _: KW_ONLY
    check: Json
    rows: list[dict[str, Any]] = field(default_factory=list)
    schema: Json = field(default_factory=dict)
    baseline_rows: list[dict[str, Any]] | None = None
    """Rows of the current snapshot; None if there is no current snapshot."""
    last_modified: datetime | None = NOW - timedelta(hours=2)
    outcome: str
    value: float | None


def table(*rows: Row) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


def assert_result(row: Row, directory: Path) -> None:
    """Evaluate a row's check on its rows, and compare outcome and value."""
    check = DataCheck.model_validate(row.check)
    profile = profile_of(directory, row.rows, schema=row.schema, checks=[check])
    baseline = None
    if row.baseline_rows is not None:
        baseline = baseline_of(profile_of(directory, row.baseline_rows, schema=row.schema))
    (result,) = evaluate([check], CheckInputs(profile, baseline, row.last_modified, NOW))
    assert result.outcome == row.outcome
    assert result.value == (None if row.value is None else pytest.approx(row.value))


@table(
    Row(
        "as many rows as min pass",
        check={"rows": {"min": 3}},
        rows=column(1, 2, 3),
        outcome="Passed",
        value=3,
    ),
    Row("fewer rows than min fail", check={"rows": {"min": 4}}, rows=column(1, 2, 3), outcome="Failed", value=3),
    Row("more rows than max fail", check={"rows": {"max": 2}}, rows=column(1, 2, 3), outcome="Failed", value=3),
    Row("a snapshot without rows has zero rows", check={"rows": {"min": 1}}, outcome="Failed", value=0),
    Row(
        "rows that equal min and max pass",
        check={"rows": {"min": 3, "max": 3}},
        rows=column(1, 2, 3),
        outcome="Passed",
        value=3,
    ),
)
def test_rows(tmp_path: Path, row: Row) -> None:
    assert_result(row, tmp_path)


@table(
    Row(
        "fewer rows than min allows fail",
        check={"rowsChange": {"min": -0.1}},
        rows=column(1),
        baseline_rows=column(1, 2),
        outcome="Failed",
        value=-0.5,
    ),
    Row(
        "growth up to max passes",
        check={"rowsChange": {"max": 0.5}},
        rows=column(1, 2, 3),
        baseline_rows=column(1, 2),
        outcome="Passed",
        value=0.5,
    ),
    Row(
        "a snapshot that lost all rows has changed by -1",
        check={"rowsChange": {"min": -0.9}},
        rows=[],
        baseline_rows=column(1, 2),
        outcome="Failed",
        value=-1,
    ),
    Row(
        "without a current snapshot the check is skipped",
        check={"rowsChange": {"min": 0}},
        rows=column(1),
        outcome="Skipped",
        value=None,
    ),
    Row(
        "with a current snapshot of no rows the check is skipped",
        check={"rowsChange": {"min": 0}},
        rows=column(1),
        baseline_rows=[],
        outcome="Skipped",
        value=None,
    ),
)
def test_rows_change(tmp_path: Path, row: Row) -> None:
    """The value is the relative change against the current snapshot."""
    assert_result(row, tmp_path)


@table(
    Row(
        "data as old as the limit passes",
        check={"freshWithin": "2h"},
        last_modified=NOW - timedelta(hours=2),
        outcome="Passed",
        value=7200,
    ),
    Row(
        "data older than the limit fails",
        check={"freshWithin": "1h59m"},
        last_modified=NOW - timedelta(hours=2),
        outcome="Failed",
        value=7200,
    ),
    Row(
        "data of an unknown age fails",
        check={"freshWithin": "2h"},
        last_modified=None,
        outcome="Failed",
        value=None,
    ),
    Row(
        "data from a clock that is ahead has the age zero",
        check={"freshWithin": "1s"},
        last_modified=NOW + timedelta(seconds=3),
        outcome="Passed",
        value=0,
    ),
)
def test_fresh_within(tmp_path: Path, row: Row) -> None:
    """The value is the age of the newest object in seconds."""
    assert_result(row, tmp_path)


@table(
    Row(
        "a column without missing values is complete",
        check={"column": "v", "completeness": {"min": 1}},
        rows=column(1, "x", 0),
        outcome="Passed",
        value=1,
    ),
    Row(
        "a column with a smaller share of values than min fails",
        check={"column": "v", "completeness": {"min": 0.8}},
        rows=column(1, None, 2, 3),
        outcome="Failed",
        value=0.75,
    ),
    Row(
        "a column that the data lacks fails",
        check={"column": "w", "completeness": {"min": 0}},
        rows=column(1),
        outcome="Failed",
        value=None,
    ),
    Row(
        "a snapshot without rows fails",
        check={"column": "v", "completeness": {"min": 0}},
        outcome="Failed",
        value=None,
    ),
)
def test_completeness(tmp_path: Path, row: Row) -> None:
    """The value is the share of rows whose value is not missing."""
    assert_result(row, tmp_path)


@table(
    Row(
        "values that all differ have the share 1, missing values aside",
        check={"column": "v", "distinctShare": {"min": 1}},
        rows=column("a", "b", None),
        outcome="Passed",
        value=1,
    ),
    Row(
        "a smaller share than min fails, and equal numbers are one value",
        check={"column": "v", "distinctShare": {"min": 0.9}},
        rows=column(1, 1.0, 2, 2),
        outcome="Failed",
        value=0.5,
    ),
    Row(
        "a greater share than max fails",
        check={"column": "v", "distinctShare": {"max": 0.5}},
        rows=column("a", "b"),
        outcome="Failed",
        value=1,
    ),
    Row(
        "a column without values fails",
        check={"column": "v", "distinctShare": {"max": 1}},
        rows=column(None),
        outcome="Failed",
        value=None,
    ),
)
def test_distinct_share(tmp_path: Path, row: Row) -> None:
    """The value is the number of distinct values by the number of values."""
    assert_result(row, tmp_path)


@table(
    Row(
        "a column of allowed and missing values passes",
        check={"column": "v", "allowedValues": ["a", "b"]},
        rows=column("a", None, "b"),
        outcome="Passed",
        value=0,
    ),
    Row(
        "other values fail and are counted",
        check={"column": "v", "allowedValues": ["a"]},
        rows=column("a", "b", "c"),
        outcome="Failed",
        value=2,
    ),
    Row(
        "numbers are compared as numbers",
        check={"column": "v", "allowedValues": ["1.0", "2e0", "1"]},
        rows=column(1, 2.0, 1, 3),
        schema={"columns": [{"name": "v", "type": "number"}]},
        outcome="Failed",
        value=1,
    ),
    Row(
        "a column that the data lacks fails",
        check={"column": "w", "allowedValues": ["a"]},
        rows=column("a"),
        outcome="Failed",
        value=None,
    ),
    Row(
        "a column of very many values fails",
        check={"column": "v", "allowedValues": ["7"]},
        rows=column(*range(30_000)),
        outcome="Failed",
        value=30_000,
    ),
)
def test_allowed_values(tmp_path: Path, row: Row) -> None:
    """The value is the number of values that are not allowed."""
    assert_result(row, tmp_path)


def by_group(**counts: tuple[int, int]) -> list[dict[str, Any]]:
    """Build rows by group: how many have the positive label, and how many the other label."""
    return list(_labelled_rows(counts))


def _labelled_rows(counts: dict[str, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    for group, (positive, negative) in counts.items():
        yield from ({"sex": group, "label": "good"} for _ in range(positive))
        yield from ({"sex": group, "label": "bad"} for _ in range(negative))


LABELLED = {"label": {"column": "label", "positive": ["good"]}, "protected": ["sex"]}
IMBALANCE = {"metric": "ClassImbalance", "min": -0.5, "max": 0.5}
PROPORTIONS = {"metric": "DifferenceInProportionsOfLabels", "min": -0.1, "max": 0.1}


@table(
    Row(
        "a group that is too rare fails",
        check={"column": "sex", "bias": {**IMBALANCE, "group": "f"}},
        rows=by_group(f=(1, 1), m=(4, 4)),
        schema=LABELLED,
        outcome="Failed",
        value=0.6,
    ),
    Row(
        "without a named group the worst group decides, on either side of the bounds",
        check={"column": "sex", "bias": {"metric": "ClassImbalance", "min": -0.5}},
        rows=by_group(f=(1, 1), m=(4, 4)),
        schema=LABELLED,
        outcome="Failed",
        value=-0.6,
    ),
    Row(
        "groups with equal shares of positive labels pass",
        check={"column": "sex", "bias": PROPORTIONS},
        rows=by_group(f=(3, 3), m=(5, 5)),
        schema=LABELLED,
        outcome="Passed",
        value=0,
    ),
    Row(
        "a group with a smaller share of positive labels fails",
        check={"column": "sex", "bias": {**PROPORTIONS, "group": "f"}},
        rows=by_group(f=(2, 2), m=(3, 1)),
        schema=LABELLED,
        outcome="Failed",
        value=0.25,
    ),
    Row(
        "a single group cannot be compared and fails",
        check={"column": "sex", "bias": IMBALANCE},
        rows=by_group(f=(2, 2)),
        schema=LABELLED,
        outcome="Failed",
        value=None,
    ),
    Row(
        "a named group without rows fails",
        check={"column": "sex", "bias": {**IMBALANCE, "group": "x"}},
        rows=by_group(f=(2, 2), m=(2, 2)),
        schema=LABELLED,
        outcome="Failed",
        value=None,
    ),
    Row(
        "a group without labels fails if the bounds are for every group",
        check={"column": "sex", "bias": PROPORTIONS},
        rows=[*by_group(f=(2, 2), m=(2, 2)), {"sex": "x", "label": None}],
        schema=LABELLED,
        outcome="Failed",
        value=0,
    ),
    Row(
        "more groups than are counted fail if the bounds are for every group",
        check={"column": "sex", "bias": {"metric": "ClassImbalance", "max": 1}},
        rows=[{"sex": f"g{number // 2}"} for number in range(800)],
        schema=LABELLED,
        outcome="Failed",
        value=0.995,
    ),
    Row(
        "a column that the data lacks fails",
        check={"column": "sex", "bias": IMBALANCE},
        rows=column(1),
        schema=LABELLED,
        outcome="Failed",
        value=None,
    ),
    Row(
        "a column that is not protected fails",
        check={"column": "v", "bias": IMBALANCE},
        rows=column(1, 2),
        outcome="Failed",
        value=None,
    ),
)
def test_bias(tmp_path: Path, row: Row) -> None:
    assert_result(row, tmp_path)


def test_results_are_in_the_order_of_the_checks(tmp_path: Path) -> None:
    """The operator finds a check's result by its index."""
    checks = [
        DataCheck.model_validate(check) for check in ({"rows": {"min": 9}}, {"freshWithin": "3h"}, {"rows": {"max": 9}})
    ]
    profile = profile_of(tmp_path, column(1), checks=checks)
    results = evaluate(checks, CheckInputs(profile, None, NOW, NOW))
    assert [result.outcome for result in results] == ["Failed", "Passed", "Passed"]
