"""The sentence that a person reads for a failed check: what was measured, and what must be."""

from dataclasses import dataclass
from typing import Any

import pytest

from modelops.api.checks import DataCheck, DataCheckResult
from modelops.controllers.dataset.check_messages import rejections, warnings

BIAS = {"metric": "ClassImbalance", "max": 0.5}


@dataclass(frozen=True)
class Case:
    """A failed check with the value that was measured, and its sentence."""

    name: str
    check: dict[str, Any]
    value: float | None
    sentence: str


OF_ROWS = [
    Case("too few rows", {"rows": {"min": 1000}}, 12, "rows: 12, must be at least 1000"),
    Case(
        "numbers of rows are not rounded",
        {"rows": {"min": 1, "max": 1000}},
        2_000_001,
        "rows: 2000001, must be at most 1000",
    ),
    Case(
        "a decrease has a minus",
        {"rowsChange": {"min": -0.1, "max": 0.5}},
        -0.4,
        "rows: -40% against the current snapshot, must be at least -10%",
    ),
    Case(
        "an increase has a plus",
        {"rowsChange": {"max": 0.5}},
        1.234,
        "rows: +123.4% against the current snapshot, must be at most +50%",
    ),
    Case(
        "a bound of zero has no sign",
        {"rowsChange": {"min": 0}},
        -0.001,
        "rows: -0.1% against the current snapshot, must be at least 0%",
    ),
]
OF_AGE = [
    Case(
        "an age is in hours and minutes",
        {"freshWithin": "24h"},
        95400.0,
        "newest object: 26h30m old, must be at most 24h",
    ),
    Case(
        "a part of a second is rounded up",
        {"freshWithin": "24h"},
        86400.2,
        "newest object: 24h1s old, must be at most 24h",
    ),
    Case("an unknown age", {"freshWithin": "24h"}, None, "newest object: unknown age, must be at most 24h"),
]
OF_A_COLUMN = [
    Case(
        "a share is in percent",
        {"column": "lvr", "completeness": {"min": 0.99}},
        0.932,
        'column "lvr": 93.2% of the values are present, must be at least 99%',
    ),
    Case(
        "a share has as many decimals as make it differ from its bound",
        {"column": "lvr", "completeness": {"min": 0.99}},
        0.989999,
        'column "lvr": 98.9999% of the values are present, must be at least 99%',
    ),
    Case(
        "a column without values",
        {"column": "lvr", "completeness": {"min": 1}},
        None,
        'column "lvr": the column is missing, or has no values',
    ),
    Case(
        "too many distinct values",
        {"column": "id", "distinctShare": {"max": 0.5}},
        1,
        'column "id": 100% of the values are distinct, must be at most 50%',
    ),
    Case(
        "values that are not allowed",
        {"column": "black", "allowedValues": ["no", "yes"]},
        12,
        'column "black": 12 values are not among "no", "yes"',
    ),
    Case(
        "five of the allowed values are named",
        {"column": "n", "allowedValues": list("abcdefg")},
        1,
        'column "n": 1 value is not among "a", "b", "c", "d", "e", …',
    ),
]
OF_DRIFT = [
    Case(
        "a distance has two decimals",
        {"column": "lvr", "drift": {"max": 0.2}},
        0.31456,
        'column "lvr": PSI 0.31 against the current snapshot, must be at most 0.2',
    ),
    Case(
        "a distance has as many decimals as make it differ from its bound",
        {"column": "lvr", "drift": {"metric": "JensenShannon", "max": 0.2}},
        0.20004,
        'column "lvr": Jensen-Shannon distance 0.20004 against the current snapshot, must be at most 0.2',
    ),
    Case(
        "drift that cannot be measured",
        {"column": "lvr", "drift": {"max": 0.2}},
        None,
        'column "lvr": drift cannot be measured: the column is missing, or had another type in the current snapshot',
    ),
]
OF_BIAS = [
    Case(
        "bias of a named group",
        {"column": "black", "bias": {**BIAS, "group": "yes"}},
        0.715,
        'column "black": ClassImbalance 0.71 for group "yes", must be at most 0.5',
    ),
    Case(
        "bias of the worst group",
        {"column": "black", "bias": {"metric": "ClassImbalance", "min": 0}},
        -0.0004,
        'column "black": ClassImbalance -0.0004 for the worst group, must be at least 0',
    ),
    Case(
        "bias that cannot be measured for every group",
        {"column": "black", "bias": BIAS},
        0.1,
        'column "black": ClassImbalance cannot be measured for every group: too many groups, or a group without labels',
    ),
    Case(
        "bias that cannot be measured for a named group",
        {"column": "black", "bias": {**BIAS, "group": "x"}},
        None,
        'column "black": ClassImbalance cannot be measured for group "x": '
        "no rows in the group, no rows outside, or no labels",
    ),
]


@pytest.mark.parametrize("case", OF_ROWS + OF_AGE + OF_A_COLUMN + OF_DRIFT + OF_BIAS, ids=lambda case: case.name)
def test_a_failed_check_is_one_sentence(case: Case) -> None:
    """A person must see what to change from the sentence alone."""
    result = DataCheckResult(value=case.value, outcome="Failed")
    assert rejections([DataCheck.model_validate(case.check)], [result]) == [case.sentence]


def test_rejections_are_kept_apart_from_warnings() -> None:
    """A check with onViolation Warn never rejects; a check that passed or was skipped has no sentence."""
    checks = [
        DataCheck.model_validate(check)
        for check in (
            {"rows": {"min": 10}},
            {"rows": {"min": 20}, "onViolation": "Warn"},
            {"rows": {"min": 30}, "onViolation": "Reject"},
            {"rowsChange": {"min": 0}},
        )
    ]
    results = [
        DataCheckResult(value=5, outcome="Failed"),
        DataCheckResult(value=5, outcome="Failed"),
        DataCheckResult(value=5, outcome="Passed"),
        DataCheckResult(outcome="Skipped"),
    ]
    assert rejections(checks, results) == ["rows: 5, must be at least 10"]
    assert warnings(checks, results) == ["rows: 5, must be at least 20"]


def test_data_that_cannot_be_read_has_no_sentences() -> None:
    """Without results the violations say what is wrong."""
    assert rejections([DataCheck.model_validate({"rows": {"min": 1}})], []) == []
