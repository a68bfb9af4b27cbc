"""Reports of monitors: parsed within bounds or rejected, and turned into the samples of both versions."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Sample
from modelops.controllers.inferenceservice.analysis.evidence import Distributions, Pairs
from modelops.controllers.inferenceservice.analysis.reports import (
    MonitorReport,
    Samples,
    UnreadableReportError,
    distributions,
    fetch_reports,
    parse_report,
)
from modelops.controllers.inferenceservice.analysis.windows import RolloutAttempt, Windows
from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.pairing import Pairing


def counts(rows: int = 0, **columns: Any) -> dict[str, Any]:
    return {"rows": rows, "columns": columns}


def report(**changed: Any) -> dict[str, Any]:
    empty = {"inputs": counts(), "predictions": counts()}
    return {"live": empty, "mirrored": empty, "pairs": {"compared": 0, "agreed": 0}, **changed}


def sample(rows: int, **labels: int) -> Sample:
    """Return a sample with these labels in the column `x`."""
    return Sample(rows, {"x": ColumnCounts(labels=labels)})


def test_a_report_is_parsed() -> None:
    live = {
        "inputs": counts(3, x={"numbers": [[1.5, 2], [2, 1]], "labels": {}}),
        "predictions": counts(3, p={"numbers": [], "labels": {"yes": 3}}),
    }
    parsed = parse_report(json.dumps(report(live=live, pairs={"compared": 3, "agreed": 2, "unpaired": 1})).encode())
    assert parsed == MonitorReport(
        live=Samples(
            Sample(3, {"x": ColumnCounts({1.5: 2, 2.0: 1})}), Sample(3, {"p": ColumnCounts(labels={"yes": 3})})
        ),
        pairs=Pairs(compared=3, agreed=2),
    )


def test_the_report_of_a_real_monitor_is_parsed() -> None:
    """The monitor and the operator agree on the format."""
    assert parse_report(json.dumps(Aggregates(Pairing(lambda *_: {})).to_json()).encode()) == MonitorReport()


INVALID_PARTS: dict[str, dict[str, Any]] = {
    "a count below zero": {"pairs": {"compared": -1, "agreed": 0}},
    "a count that is a boolean": {"pairs": {"compared": True, "agreed": 0}},
    "a count beyond 64 bits": {"pairs": {"compared": 10**30, "agreed": 0}},
    "more agreed than compared": {"pairs": {"compared": 1, "agreed": 2}},
    "columns as a list": {"live": {"inputs": {"rows": 1, "columns": []}, "predictions": counts()}},
    "an edge that is not a number": {
        "live": {"inputs": counts(1, x={"numbers": [["a", 1]], "labels": {}}), "predictions": counts()}
    },
    "an infinite edge": {
        "live": {
            "inputs": counts(1, x={"numbers": [[float("inf"), 1]], "labels": {}}),
            "predictions": counts(),
        }
    },
    "a label of 999 characters": {
        "live": {"inputs": counts(1, x={"numbers": [], "labels": {"a" * 999: 1}}), "predictions": counts()}
    },
    "more entries than a monitor counts": {
        "live": {
            "inputs": counts(1, x={"numbers": [[edge, 1] for edge in range(140_000)], "labels": {}}),
            "predictions": counts(),
        }
    },
    "1,001 columns": {
        "live": {
            "inputs": counts(1, **{f"x{n}": {"numbers": [], "labels": {}} for n in range(1_001)}),
            "predictions": counts(),
        }
    },
}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="an empty body"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b"[" * 100_000, id="endless nesting"),
        *(pytest.param(json.dumps(report(**parts)).encode(), id=name) for name, parts in INVALID_PARTS.items()),
    ],
)
def test_a_report_that_no_monitor_writes_is_rejected(content: bytes) -> None:
    with pytest.raises(UnreadableReportError):
        parse_report(content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["live", "mirrored", "pairs", "inputs", "predictions", "rows", "columns", "numbers"]),
                inner,
            )
        ),
        max_leaves=30,
    )
)
def test_any_json_is_parsed_or_rejected(content: Any) -> None:
    try:
        parse_report(json.dumps(content).encode())
    except UnreadableReportError:
        return


async def test_a_pod_that_does_not_respond_has_no_report() -> None:
    for addresses in (["127.0.0.1"], []):
        reports = await fetch_reports(addresses, nullcontext, nullcontext, lambda entries: True, port=1)
        assert reports == dict.fromkeys(addresses)


STABLE = MonitorReport(live=Samples(sample(10, a=10), sample(10, yes=10)))
CANDIDATE = MonitorReport(
    live=Samples(sample(4, a=4), sample(4, yes=4)),
    mirrored=Samples(sample(9, a=9), sample(9, no=9)),
    pairs=Pairs(compared=9, agreed=8),
)


@pytest.mark.parametrize(
    ("mirrored", "rows", "label"),
    [
        pytest.param(False, 4, "yes", id="a candidate with traffic is measured by its own requests"),
        pytest.param(True, 9, "no", id="a candidate without traffic is measured by mirrored requests"),
    ],
)
def test_a_candidate_is_measured_by_one_kind_of_requests(mirrored: bool, rows: int, label: str) -> None:
    """Mirrored requests are the stable version's: beside the candidate's own they would hide a difference."""
    sides = distributions(STABLE, CANDIDATE, mirrored=mirrored)
    assert sides.inputs is not None
    assert sides.predictions is not None
    assert (sides.inputs.candidate.rows, sides.predictions.candidate.rows) == (rows, rows)
    assert set(sides.predictions.candidate.columns["x"].labels) == {label}
    assert sides.inputs.stable == STABLE.live.inputs
    assert sides.predictions.stable == STABLE.live.predictions
    assert sides.pairs == Pairs(compared=9, agreed=8)


def test_without_reports_there_are_no_distributions() -> None:
    assert distributions(STABLE, None, mirrored=False) == Distributions()
    assert distributions(None, CANDIDATE, mirrored=False) == Distributions(pairs=Pairs(compared=9, agreed=8))


def test_reports_are_summed_over_pods_and_restarts() -> None:
    """Two Pods, the second of which restarts."""
    windows: Windows[MonitorReport] = Windows()
    attempt = RolloutAttempt("uid", "1")
    windows.add(attempt, "stable", "one", STABLE)
    windows.add(attempt, "stable", "two", STABLE)
    windows.add(attempt, "stable", "one", STABLE + STABLE)
    windows.add(attempt, "stable", "two", MonitorReport(live=Samples(sample(1, a=1), sample(1, yes=1))))
    window = windows.window(attempt, "stable")
    assert window == MonitorReport(live=Samples(sample(11, a=11), sample(11, yes=11)))
