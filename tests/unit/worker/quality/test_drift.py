"""Drift against the current snapshot: every way to drift is noticed, and a snapshot has not drifted from itself."""

import math
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.checks import DataCheck, DataCheckResult
from modelops.worker.quality.baselines import Baseline
from modelops.worker.quality.profiling import Profile
from modelops.worker.quality.quality_checks import CheckInputs, evaluate
from support.builders.common import NOW
from support.profiles import Json, baseline_of, column, profile_of

METRICS = ["PSI", "JensenShannon"]
NUMBER = {"columns": [{"name": "v", "type": "number"}]}
STRING = {"columns": [{"name": "v", "type": "string"}]}


def drift_check(*, max: float, metric: str = "PSI") -> DataCheck:
    return DataCheck.model_validate({"column": "v", "drift": {"metric": metric, "max": max}})


def result_of(check: DataCheck, profile: Profile, baseline: Baseline | None) -> DataCheckResult:
    (result,) = evaluate([check], CheckInputs(profile, baseline, None, NOW))
    return result


@dataclass(frozen=True)
class Row:
    name: str
    _: KW_ONLY
    metric: str = "PSI"
    max: float
    rows: list[dict[str, Any]]
    schema: Json = field(default_factory=dict)
    baseline_rows: list[dict[str, Any]] | None
    """Rows of the current snapshot; None if there is no current snapshot."""
    baseline_schema: Json = field(default_factory=dict)
    outcome: str
    value: float | None


MEASURED = [
    Row(
        "the same values have not drifted",
        max=0.01,
        rows=column(1, 2, 3, 4),
        baseline_rows=column(1, 2, 3, 4),
        outcome="Passed",
        value=0,
    ),
    Row(
        "numbers that have all moved have drifted",
        metric="JensenShannon",
        max=0.8,
        rows=column(*range(100, 200)),
        baseline_rows=column(*range(100)),
        outcome="Failed",
        # All values are in the last of ten bins, whose mean share is 0.55. The mean share of every other bin is 0.05.
        value=math.sqrt((0.9 + 0.1 * math.log2(0.1 / 0.55) + math.log2(1 / 0.55)) / 2),
    ),
    Row(
        "a column whose values are now missing has drifted",
        metric="JensenShannon",
        max=0.5,
        rows=column(None, None),
        baseline_rows=column(1, 2),
        outcome="Failed",
        value=1,
    ),
    Row(
        "a column whose numbers are now text has drifted",
        metric="JensenShannon",
        max=0.5,
        rows=column("x", "y"),
        baseline_rows=column(1, 2),
        outcome="Failed",
        value=1,
    ),
    Row(
        "a column of new values has drifted",
        metric="JensenShannon",
        max=0.5,
        rows=column("b", "c"),
        baseline_rows=column("a", "a"),
        outcome="Failed",
        value=1,
    ),
]

NOTHING_TO_COMPARE_WITH = [
    Row(
        "without a current snapshot the check is skipped",
        max=0.1,
        rows=column(1),
        baseline_rows=None,
        outcome="Skipped",
        value=None,
    ),
    Row(
        "for a column that the current snapshot lacks the check is skipped",
        max=0.1,
        rows=column(1),
        baseline_rows=[{"w": 1}],
        outcome="Skipped",
        value=None,
    ),
    Row(
        "with a current snapshot of no rows the check is skipped",
        max=9,
        rows=column(1),
        baseline_rows=[],
        outcome="Skipped",
        value=None,
    ),
]

NOT_MEASURABLE = [
    Row(
        "a column that the new data lacks fails",
        max=9,
        rows=[{"w": 1}],
        baseline_rows=column(1),
        outcome="Failed",
        value=None,
    ),
    Row(
        "a column that the new data lacks fails also without a current snapshot",
        max=9,
        rows=[{"w": 1}],
        baseline_rows=None,
        outcome="Failed",
        value=None,
    ),
    Row(
        "a number that is now declared a string fails",
        max=9,
        rows=column("1"),
        schema=STRING,
        baseline_rows=column(1),
        baseline_schema=NUMBER,
        outcome="Failed",
        value=None,
    ),
    Row(
        "a string that is now declared a number fails",
        max=9,
        rows=column(1),
        schema=NUMBER,
        baseline_rows=column("1"),
        baseline_schema=STRING,
        outcome="Failed",
        value=None,
    ),
]


@pytest.mark.parametrize("row", [*MEASURED, *NOTHING_TO_COMPARE_WITH, *NOT_MEASURABLE], ids=lambda row: row.name)
def test_drift(tmp_path: Path, row: Row) -> None:
    check = drift_check(metric=row.metric, max=row.max)
    profile = profile_of(tmp_path, row.rows, schema=row.schema, checks=[check])
    baseline = None
    if row.baseline_rows is not None:
        baseline = baseline_of(profile_of(tmp_path, row.baseline_rows, schema=row.baseline_schema))
    result = result_of(check, profile, baseline)
    assert result.outcome == row.outcome
    assert result.value == (None if row.value is None else pytest.approx(row.value))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.integers(-9, 9) | st.sampled_from(["a", "b"]), min_size=1, max_size=50))
def test_a_snapshot_has_not_drifted_from_itself(
    tmp_path_factory: pytest.TempPathFactory, values: list[int | str | None]
) -> None:
    """Whatever values a column has, counts over its own bins are equal."""
    path = tmp_path_factory.mktemp("c")
    checks = [drift_check(metric=metric, max=1e-9) for metric in METRICS]
    profile = profile_of(path, column(*values), checks=checks)
    results = evaluate(checks, CheckInputs(profile, baseline_of(profile), None, NOW))
    assert [(result.value, result.outcome) for result in results] == [(0, "Passed"), (0, "Passed")]


@pytest.mark.parametrize("metric", METRICS)
def test_text_in_a_numeric_column_has_not_drifted_from_itself(tmp_path: Path, metric: str) -> None:
    """Text among declared numbers is counted in the bin of missing values on both sides."""
    check = drift_check(metric=metric, max=1e-9)
    profile = profile_of(tmp_path, column(*range(70), *["N/A"] * 30, None), schema=NUMBER, checks=[check])
    result = result_of(check, profile, baseline_of(profile))
    assert (result.value, result.outcome) == (0, "Passed")


def test_drift_of_more_rows_than_sketches_hold_exactly(tmp_path: Path) -> None:
    """Of many rows, drift against the same data is almost zero, and a tenth of the rows that moves is noticed."""
    check = drift_check(max=0.01)
    before = profile_of(tmp_path, column(*range(40_000)))
    baseline = baseline_of(before)
    same = result_of(check, before, baseline)
    assert same.value is not None
    assert same.value < 1e-4
    moved = result_of(check, profile_of(tmp_path, column(*range(4_000, 44_000)), checks=[check]), baseline)
    assert moved.outcome == "Failed"
    assert moved.value is not None
    # The last of ten bins holds two tenths, and the first bin almost nothing.
    assert moved.value > 0.1 * math.log(2) + 0.1 * math.log(100)
