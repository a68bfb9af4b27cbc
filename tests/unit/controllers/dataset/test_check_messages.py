"""What a person reads of a check that failed: what was found, and what must be."""

import pytest

from modelops.api.checks import DataCheck, DataCheckResult
from modelops.controllers.dataset.check_messages import rejecting, warning


def said(check: dict, value: float | None) -> str:
    (sentence,) = rejecting([DataCheck.model_validate(check)], [DataCheckResult(value=value, outcome="Failed")])
    return sentence


BIAS = {"metric": "ClassImbalance", "max": 0.5}


@pytest.mark.parametrize(
    ("check", "value", "sentence"),
    [
        ({"rows": {"min": 1000}}, 12, "rows: 12, must be at least 1000"),
        ({"rows": {"min": 1, "max": 1000}}, 2_000_001, "rows: 2000001, must be at most 1000"),
        (
            {"rowsChange": {"min": -0.1, "max": 0.5}},
            -0.4,
            "rows: -40% against the current snapshot, must be at least -10%",
        ),
        (
            {"rowsChange": {"max": 0.5}},
            1.234,
            "rows: +123.4% against the current snapshot, must be at most +50%",
        ),
        ({"rowsChange": {"min": 0}}, -0.001, "rows: -0.1% against the current snapshot, must be at least 0%"),
        ({"freshWithin": "24h"}, 95400.0, "newest object: 26h30m old, must be at most 24h"),
        ({"freshWithin": "24h"}, 86400.2, "newest object: 24h1s old, must be at most 24h"),
        ({"freshWithin": "24h"}, None, "newest object: nobody knows when it was written, must be within 24h"),
        (
            {"column": "lvr", "completeness": {"min": 0.99}},
            0.932,
            'column "lvr": 93.2% of the values are there, must be at least 99%',
        ),
        (
            {"column": "lvr", "completeness": {"min": 0.99}},
            0.989999,
            'column "lvr": 98.9999% of the values are there, must be at least 99%',
        ),
        ({"column": "lvr", "completeness": {"min": 1}}, None, 'column "lvr": the column is missing, or has no values'),
        (
            {"column": "id", "distinctShare": {"max": 0.5}},
            1,
            'column "id": 100% of the values are different, must be at most 50%',
        ),
        (
            {"column": "black", "allowedValues": ["no", "yes"]},
            12,
            'column "black": 12 values are none of "no", "yes"',
        ),
        (
            {"column": "n", "allowedValues": list("abcdefg")},
            1,
            'column "n": 1 value is none of "a", "b", "c", "d", "e", …',
        ),
        (
            {"column": "lvr", "drift": {"max": 0.2}},
            0.31456,
            'column "lvr": PSI 0.31 against the current snapshot, must be at most 0.2',
        ),
        (
            {"column": "lvr", "drift": {"metric": "JensenShannon", "max": 0.2}},
            0.20004,
            'column "lvr": Jensen-Shannon distance 0.20004 against the current snapshot, must be at most 0.2',
        ),
        (
            {"column": "lvr", "drift": {"max": 0.2}},
            None,
            'column "lvr": no drift can be measured: the column is missing, or was of another type in the current'
            " snapshot",
        ),
        (
            {"column": "black", "bias": {**BIAS, "group": "yes"}},
            0.715,
            'column "black": ClassImbalance 0.71 of group "yes", must be at most 0.5',
        ),
        (
            {"column": "black", "bias": {"metric": "ClassImbalance", "min": 0}},
            -0.0004,
            'column "black": ClassImbalance -0.0004 of the worst group, must be at least 0',
        ),
        (
            {"column": "black", "bias": BIAS},
            0.1,
            'column "black": ClassImbalance cannot be measured of every group: there are too many, or one has no label',
        ),
        (
            {"column": "black", "bias": {**BIAS, "group": "x"}},
            None,
            'column "black": ClassImbalance cannot be measured of group "x": there are no such rows, no others, or no'
            " labels",
        ),
    ],
)
def test_sentences(check, value, sentence):
    assert said(check, value) == sentence


def test_what_rejects_and_what_warns():
    """A check that only warns never rejects; what passed or was skipped is not told."""
    checks = [
        DataCheck.model_validate(one)
        for one in (
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
    assert rejecting(checks, results) == ["rows: 5, must be at least 10"]
    assert warning(checks, results) == ["rows: 5, must be at least 20"]


def test_data_that_could_not_be_read():
    """Without results nothing is told of checks: the violations say what is wrong."""
    assert rejecting([DataCheck.model_validate({"rows": {"min": 1}})], []) == []
