"""What a Pod's monitor tells: read within bounds or not at all, and made into both sides of a judgement."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Seen
from modelops.controllers.inferenceservice.analysis.judge import Distributions, Pairs
from modelops.controllers.inferenceservice.analysis.reports import (
    PodReport,
    Traffic,
    UnreadableReportError,
    distributions,
    look_reports,
    report,
)
from modelops.controllers.inferenceservice.analysis.windows import Attempt, Ledger
from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.pairing import Pairing


def counts(rows: int = 0, **columns: Any) -> dict[str, Any]:
    return {"rows": rows, "columns": columns}


def told(**changed: Any) -> dict[str, Any]:
    empty = {"inputs": counts(), "predictions": counts()}
    return {"live": empty, "mirrored": empty, "pairs": {"compared": 0, "agreed": 0}, **changed}


def seen(rows: int, **labels: int) -> Seen:
    return Seen(rows, {"x": ColumnCounts(labels=labels)})


def test_a_report_is_read():
    live = {
        "inputs": counts(3, x={"numbers": [[1.5, 2], [2, 1]], "labels": {}}),
        "predictions": counts(3, p={"numbers": [], "labels": {"yes": 3}}),
    }
    found = report(json.dumps(told(live=live, pairs={"compared": 3, "agreed": 2, "unpaired": 1})).encode())
    assert found == PodReport(
        live=Traffic(Seen(3, {"x": ColumnCounts({1.5: 2, 2.0: 1})}), Seen(3, {"p": ColumnCounts(labels={"yes": 3})})),
        pairs=Pairs(3, 2),
    )


def test_what_a_monitor_writes_is_read():
    """Both ends of the contract."""
    assert report(json.dumps(Aggregates(Pairing(lambda *_: {})).to_json()).encode()) == PodReport()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b"[" * 100_000, id="depth without end"),
        *(
            pytest.param(json.dumps(told(**changed)).encode(), id=name)
            for name, changed in {
                "a count below zero": {"pairs": {"compared": -1, "agreed": 0}},
                "a count that is none": {"pairs": {"compared": True, "agreed": 0}},
                "a count beyond all": {"pairs": {"compared": 10**30, "agreed": 0}},
                "more agreed than compared": {"pairs": {"compared": 1, "agreed": 2}},
                "columns that are a list": {"live": {"inputs": {"rows": 1, "columns": []}, "predictions": counts()}},
                "an edge that is no number": {
                    "live": {"inputs": counts(1, x={"numbers": [["a", 1]], "labels": {}}), "predictions": counts()}
                },
                "an edge without end": {
                    "live": {
                        "inputs": counts(1, x={"numbers": [[float("inf"), 1]], "labels": {}}),
                        "predictions": counts(),
                    }
                },
                "a label of any length": {
                    "live": {"inputs": counts(1, x={"numbers": [], "labels": {"a" * 999: 1}}), "predictions": counts()}
                },
                "columns without end": {
                    "live": {
                        "inputs": counts(1, **{f"x{n}": {"numbers": [], "labels": {}} for n in range(1_001)}),
                        "predictions": counts(),
                    }
                },
            }.items()
        ),
    ],
)
def test_what_no_monitor_writes_is_not_believed(content):
    with pytest.raises(UnreadableReportError):
        report(content)


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
def test_whatever_comes_is_read_or_not(content):
    try:
        report(json.dumps(content).encode())
    except UnreadableReportError:
        return


async def test_nobody_there_is_no_report():
    assert await look_reports(["127.0.0.1"], port=1) == {"127.0.0.1": None}
    assert await look_reports([]) == {}


STABLE = PodReport(live=Traffic(seen(10, a=10), seen(10, yes=10)))
CANDIDATE = PodReport(
    live=Traffic(seen(4, a=4), seen(4, yes=4)), mirrored=Traffic(seen(9, a=9), seen(9, no=9)), pairs=Pairs(9, 8)
)


@pytest.mark.parametrize(
    ("copies", "rows", "label"),
    [
        pytest.param(False, 4, "yes", id="with a share of the traffic, by that alone"),
        pytest.param(True, 9, "no", id="without any, by the copies"),
    ],
)
def test_which_requests_a_candidate_is_judged_by(copies, rows, label):
    """Copies are the stable version's requests: beside real ones they would hide a difference."""
    found = distributions(STABLE, CANDIDATE, copies=copies)
    assert found.inputs is not None
    assert found.predictions is not None
    assert (found.inputs.candidate.rows, found.predictions.candidate.rows) == (rows, rows)
    assert set(found.predictions.candidate.columns["x"].labels) == {label}
    assert found.inputs.stable == STABLE.live.inputs
    assert found.predictions.stable == STABLE.live.predictions
    assert found.pairs == Pairs(9, 8)


def test_nothing_is_judged_before_it_is_told():
    assert distributions(STABLE, None, copies=False) == Distributions()
    assert distributions(None, CANDIDATE, copies=False) == Distributions(pairs=Pairs(9, 8))


def test_reports_add_up_over_pods_and_windows():
    """Two Pods, of which one begins anew."""
    ledger: Ledger[PodReport] = Ledger()
    attempt = Attempt("uid", "1")
    ledger.take(attempt, "stable", "one", STABLE)
    ledger.take(attempt, "stable", "two", STABLE)
    ledger.take(attempt, "stable", "one", STABLE + STABLE)
    ledger.take(attempt, "stable", "two", PodReport(live=Traffic(seen(1, a=1), seen(1, yes=1))))
    window = ledger.window(attempt, "stable")
    assert window == PodReport(live=Traffic(seen(11, a=11), seen(11, yes=11)))
