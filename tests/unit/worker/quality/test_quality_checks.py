"""Every check of a snapshot: what passes, what fails, and that what cannot be measured never passes."""

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.checks import DataCheck
from modelops.api.types import Schema
from modelops.worker.quality.baselines import Baseline
from modelops.worker.quality.profiling import Profile
from modelops.worker.quality.quality_checks import Evidence, evaluate
from modelops.worker.tabular.readers import Faults, read

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def profile_of(path: Path, rows: list[dict[str, Any]], schema: dict, checks: list[DataCheck]) -> Profile:
    profile = Profile(Schema.model_validate(schema), checks)
    (path / "object").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for batch in read(path / "object", "object", "jsonl", Faults()):
        profile.add(batch)
    return profile


@dataclass(frozen=True)
class Case:
    name: str
    check: dict
    value: float | None
    outcome: str
    rows: list[dict] = field(default_factory=list)
    before: list[dict] | None = None
    schema: dict = field(default_factory=dict)
    schema_before: dict | None = None
    newest: datetime | None = NOW - timedelta(hours=2)


def column(*values: Any) -> list[dict]:
    return [{"v": value} for value in values]


def table(**groups: tuple[int, int]) -> list[dict]:
    """Rows by group: how many are labelled good, and how many bad."""
    return [
        {"sex": sex, "label": label}
        for sex, counts in groups.items()
        for label, count in zip(("good", "bad"), counts, strict=True)
        for _ in range(count)
    ]


LABELLED = {"label": {"column": "label", "positive": ["good"]}, "protected": ["sex"]}
IMBALANCE = {"metric": "ClassImbalance", "min": -0.5, "max": 0.5}
PROPORTIONS = {"metric": "DifferenceInProportionsOfLabels", "min": -0.1, "max": 0.1}
CASES = [
    Case("enough rows", {"rows": {"min": 3}}, 3, "Passed", column(1, 2, 3)),
    Case("too few rows", {"rows": {"min": 4}}, 3, "Failed", column(1, 2, 3)),
    Case("too many rows", {"rows": {"max": 2}}, 3, "Failed", column(1, 2, 3)),
    Case("no rows are no rows", {"rows": {"min": 1}}, 0, "Failed"),
    Case("rows within both bounds", {"rows": {"min": 3, "max": 3}}, 3, "Passed", column(1, 2, 3)),
    Case("fewer rows than before", {"rowsChange": {"min": -0.1}}, -0.5, "Failed", column(1), column(1, 2)),
    Case("half as many again", {"rowsChange": {"max": 0.5}}, 0.5, "Passed", column(1, 2, 3), column(1, 2)),
    Case("no rows left", {"rowsChange": {"min": -0.9}}, -1, "Failed", [], column(1, 2)),
    Case("no snapshot to have changed from", {"rowsChange": {"min": 0}}, None, "Skipped", column(1)),
    Case("no rows to have changed from", {"rowsChange": {"min": 0}}, None, "Skipped", column(1), []),
    Case("fresh data", {"freshWithin": "2h"}, 7200, "Passed"),
    Case("stale data", {"freshWithin": "1h59m"}, 7200, "Failed"),
    Case("data of an unknown age", {"freshWithin": "2h"}, None, "Failed", newest=None),
    Case("data from the future", {"freshWithin": "1s"}, 0, "Passed", newest=NOW + timedelta(seconds=3)),
    Case("all values there", {"column": "v", "completeness": {"min": 1}}, 1, "Passed", column(1, "x", 0)),
    Case("a value missing", {"column": "v", "completeness": {"min": 0.8}}, 0.75, "Failed", column(1, None, 2, 3)),
    Case("a missing column is not complete", {"column": "w", "completeness": {"min": 0}}, None, "Failed", column(1)),
    Case("nothing is not complete", {"column": "v", "completeness": {"min": 0}}, None, "Failed"),
    Case("all different", {"column": "v", "distinctShare": {"min": 1}}, 1, "Passed", column("a", "b", None)),
    Case("too much alike", {"column": "v", "distinctShare": {"min": 0.9}}, 0.5, "Failed", column(1, 1.0, 2, 2)),
    Case("too different", {"column": "v", "distinctShare": {"max": 0.5}}, 1, "Failed", column("a", "b")),
    Case("nothing is not different", {"column": "v", "distinctShare": {"max": 1}}, None, "Failed", column(None)),
    Case("only allowed values", {"column": "v", "allowedValues": ["a", "b"]}, 0, "Passed", column("a", None, "b")),
    Case("other values", {"column": "v", "allowedValues": ["a"]}, 2, "Failed", column("a", "b", "c")),
    Case(
        "numbers are compared as numbers",
        {"column": "v", "allowedValues": ["1.0", "2e0", "1"]},
        1,
        "Failed",
        column(1, 2.0, 1, 3),
        schema={"columns": [{"name": "v", "type": "number"}]},
    ),
    Case("a missing column has no values", {"column": "w", "allowedValues": ["a"]}, None, "Failed", column("a")),
    Case(
        "far more values than allowed", {"column": "v", "allowedValues": ["7"]}, 30_000, "Failed", column(*range(30000))
    ),
    Case("no drift", {"column": "v", "drift": {"max": 0.01}}, 0, "Passed", column(1, 2, 3, 4), column(1, 2, 3, 4)),
    Case(
        "a shift is drift",
        # Everything is in the last of ten bins, half of which is 0.55; half of each other one is 0.05.
        {"column": "v", "drift": {"metric": "JensenShannon", "max": 0.8}},
        math.sqrt((0.9 + 0.1 * math.log2(0.1 / 0.55) + math.log2(1 / 0.55)) / 2),
        "Failed",
        column(*range(100, 200)),
        column(*range(100)),
    ),
    Case(
        "values that go missing are drift",
        {"column": "v", "drift": {"metric": "JensenShannon", "max": 0.5}},
        1,
        "Failed",
        column(None, None),
        column(1, 2),
    ),
    Case(
        "numbers that become text are drift",
        {"column": "v", "drift": {"metric": "JensenShannon", "max": 0.5}},
        1,
        "Failed",
        column("x", "y"),
        column(1, 2),
    ),
    Case(
        "a new value is drift",
        {"column": "v", "drift": {"metric": "JensenShannon", "max": 0.5}},
        1,
        "Failed",
        column("b", "c"),
        column("a", "a"),
    ),
    Case("no snapshot to drift from", {"column": "v", "drift": {"max": 0.1}}, None, "Skipped", column(1)),
    Case("a new column has no past", {"column": "v", "drift": {"max": 0.1}}, None, "Skipped", column(1), [{"w": 1}]),
    Case("an empty snapshot has no distribution", {"column": "v", "drift": {"max": 9}}, None, "Skipped", column(1), []),
    Case("a column that is gone", {"column": "v", "drift": {"max": 9}}, None, "Failed", [{"w": 1}], column(1)),
    Case("a column that is gone before any snapshot", {"column": "v", "drift": {"max": 9}}, None, "Failed", [{"w": 1}]),
    Case(
        "a number that is now declared a text",
        {"column": "v", "drift": {"max": 9}},
        None,
        "Failed",
        column("1"),
        column(1),
        schema={"columns": [{"name": "v", "type": "string"}]},
        schema_before={"columns": [{"name": "v", "type": "number"}]},
    ),
    Case(
        "a text that is now declared a number",
        {"column": "v", "drift": {"max": 9}},
        None,
        "Failed",
        column(1),
        column("1"),
        schema={"columns": [{"name": "v", "type": "number"}]},
        schema_before={"columns": [{"name": "v", "type": "string"}]},
    ),
    Case(
        "a group that is rare",
        {"column": "sex", "bias": {**IMBALANCE, "group": "f"}},
        0.6,
        "Failed",
        table(f=(1, 1), m=(4, 4)),
        schema=LABELLED,
    ),
    Case(
        "the worst group decides, on either side",
        {"column": "sex", "bias": {"metric": "ClassImbalance", "min": -0.5}},
        -0.6,
        "Failed",
        table(f=(1, 1), m=(4, 4)),
        schema=LABELLED,
    ),
    Case(
        "equal proportions",
        {"column": "sex", "bias": PROPORTIONS},
        0,
        "Passed",
        table(f=(3, 3), m=(5, 5)),
        schema=LABELLED,
    ),
    Case(
        "unequal proportions",
        {"column": "sex", "bias": {**PROPORTIONS, "group": "f"}},
        0.25,
        "Failed",
        table(f=(2, 2), m=(3, 1)),
        schema=LABELLED,
    ),
    Case(
        "one group alone",
        {"column": "sex", "bias": IMBALANCE},
        None,
        "Failed",
        table(f=(2, 2)),
        schema=LABELLED,
    ),
    Case(
        "a group that nobody is in",
        {"column": "sex", "bias": {**IMBALANCE, "group": "x"}},
        None,
        "Failed",
        table(f=(2, 2), m=(2, 2)),
        schema=LABELLED,
    ),
    Case(
        "a group without labels fails where all must keep the bound",
        {"column": "sex", "bias": PROPORTIONS},
        0,
        "Failed",
        [*table(f=(2, 2), m=(2, 2)), {"sex": "x", "label": None}],
        schema=LABELLED,
    ),
    Case(
        "more groups than there is room for",
        {"column": "sex", "bias": {"metric": "ClassImbalance", "max": 1}},
        0.995,
        "Failed",
        [{"sex": f"g{number // 2}"} for number in range(800)],
        schema=LABELLED,
    ),
    Case("a column that is missing", {"column": "sex", "bias": IMBALANCE}, None, "Failed", column(1), schema=LABELLED),
    Case("a column that is not protected", {"column": "v", "bias": IMBALANCE}, None, "Failed", column(1, 2)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_check(tmp_path, case):
    check = DataCheck.model_validate(case.check)
    profile = profile_of(tmp_path, case.rows, case.schema, [check])
    baseline = None
    if case.before is not None:
        before = profile_of(tmp_path, case.before, case.schema_before or case.schema, [])
        baseline = Baseline.model_validate_json(json.dumps(before.document("sha256:0", "jsonl")))
    (result,) = evaluate([check], Evidence(profile, baseline, case.newest, NOW))
    assert (result.value, result.outcome) == (
        pytest.approx(case.value) if case.value is not None else None,
        case.outcome,
    )


def test_results_are_in_the_order_of_the_checks(tmp_path):
    checks = [
        DataCheck.model_validate(one) for one in ({"rows": {"min": 9}}, {"freshWithin": "3h"}, {"rows": {"max": 9}})
    ]
    results = evaluate(checks, Evidence(profile_of(tmp_path, column(1), {}, checks), None, NOW, NOW))
    assert [one.outcome for one in results] == ["Failed", "Passed", "Passed"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.integers(-9, 9) | st.sampled_from(["a", "b"]), min_size=1, max_size=50))
def test_a_snapshot_has_not_drifted_from_itself(tmp_path_factory, values):
    """Whatever is in a column, counted over its own bins it is the same."""
    path = tmp_path_factory.mktemp("c")
    checks = [
        DataCheck.model_validate({"column": "v", "drift": {"metric": metric, "max": 1e-9}})
        for metric in ("PSI", "JensenShannon")
    ]
    profile = profile_of(path, column(*values), {}, checks)
    baseline = Baseline.model_validate_json(json.dumps(profile.document("sha256:0", "jsonl")))
    results = evaluate(checks, Evidence(profile, baseline, None, NOW))
    assert [(one.value, one.outcome) for one in results] == [(0, "Passed"), (0, "Passed")]


@pytest.mark.parametrize("metric", ["PSI", "JensenShannon"])
def test_what_is_no_number_has_not_drifted_from_itself(tmp_path, metric):
    """Text among declared numbers is in the bin of what is no number on both sides, and so is what is missing."""
    check = DataCheck.model_validate({"column": "v", "drift": {"metric": metric, "max": 1e-9}})
    rows = column(*range(70), *["N/A"] * 30, None)
    profile = profile_of(tmp_path, rows, {"columns": [{"name": "v", "type": "number"}]}, [check])
    baseline = Baseline.model_validate_json(json.dumps(profile.document("sha256:0", "jsonl")))
    (result,) = evaluate([check], Evidence(profile, baseline, None, NOW))
    assert (result.value, result.outcome) == (0, "Passed")


def test_drift_beyond_what_sketches_hold_exactly(tmp_path):
    """Of many rows, drift against itself is nearly nothing, and a tenth that moves is seen for what it is."""
    check = DataCheck.model_validate({"column": "v", "drift": {"max": 0.01}})
    before = profile_of(tmp_path, column(*range(40_000)), {}, [])
    baseline = Baseline.model_validate_json(json.dumps(before.document("sha256:0", "jsonl")))
    (same,) = evaluate([check], Evidence(before, baseline, None, NOW))
    assert same.value < 1e-4
    moved = profile_of(tmp_path, column(*range(4_000, 44_000)), {}, [check])
    (result,) = evaluate([check], Evidence(moved, baseline, None, NOW))
    assert result.outcome == "Failed"
    # The last of ten bins holds two tenths, and the first next to nothing.
    assert result.value > 0.1 * math.log(2) + 0.1 * math.log(100)
