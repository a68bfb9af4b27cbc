"""What the end of a Job leads to: a snapshot with what was found, or a reason why there is none, with its evidence."""

import pytest

from modelops.api.contract.reports import EXIT_FINAL, Failure, SnapshotReport
from modelops.controllers.dataset.plan import plan
from support.builders.common import ago, digest
from support.builders.datasets import snapshot
from support.builders.jobs import job, waiting
from support.builders.plans import reason, shown
from support.dataset_cases import (
    CHECKS,
    GOOD,
    SCHEMA,
    VIOLATIONS,
    WARN,
    Case,
    active,
    candidate,
    check,
    check_same_again,
    finished,
    name_of,
    observe,
    probe,
    report,
    sighting,
    status_of,
)

ROWS = {"rows": {"min": 100}}
ROWS_WARN = {**ROWS, "onViolation": "Warn"}
FAILED = [{"value": 30, "outcome": "Failed"}]
CASES = [
    Case(
        "a running Job is left alone, whatever the source does",
        observe(
            seen=sighting(probe("c")), status={**GOOD, "candidate": candidate("b", "Checking")}, jobs=(active("b"),)
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        working="Checking",
        candidate="Checking b",
        snapshot="a",
    ),
    Case(
        "a worker image that cannot be had is a person's business",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(active("b", waiting("ImagePullBackOff", "no such image")),),
        ),
        ready="False ImagePullFailed",
        stalled=True,
        candidate="Checking b",
    ),
    Case(
        "a good report becomes the snapshot, and its Job stays until that is written",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b")),),
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        requeue_after=299,
        events=["SnapshotTaken"],
    ),
    Case(
        "once the snapshot is written its Job goes",
        observe(
            seen=sighting(probe("b")),
            status={"snapshot": snapshot("b", checkedWith=CHECKS)},
            jobs=(finished("b", report("b")),),
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        deletes=[name_of("b")],
        requeue_after=299,
    ),
    Case(
        "data against the schema is rejected, and the last good snapshot stays",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=SCHEMA),),
            schema=SCHEMA,
        ),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=299,
        events=["CandidateRejected"],
    ),
    Case(
        "without a snapshot to fall back on, a rejection is a person's business",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=SCHEMA),),
            schema=SCHEMA,
        ),
        ready="False SchemaViolated",
        stalled=True,
        valid="False SchemaViolated",
        candidate="Rejected b",
        requeue_after=299,
        events=["CandidateRejected"],
    ),
    Case(
        "with onViolation Warn data against the schema is taken, and says so",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS), schema=WARN),),
            schema=WARN,
        ),
        ready="True SnapshotCurrent",
        valid="False SchemaViolated",
        snapshot="b",
        requeue_after=299,
        events=["SnapshotTaken", "SnapshotWarned"],
    ),
    Case(
        "what cannot be read at all is rejected even with Warn",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS, profile=None), schema=WARN),),
            schema=WARN,
        ),
        ready="True CandidateRejected",
        valid="False Unreadable",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=299,
        events=["CandidateRejected"],
    ),
    Case(
        "data that changed under the Job is not read again before it holds still",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(
                finished(
                    "b", report("c", failure=Failure(reason="SourceChanged", message="it changed")), code=EXIT_FINAL
                ),
            ),
            settle="0s",
        ),
        ready="False SourceChanged",
        working="SourceChanged",
        candidate="Settling c",
        deletes=[name_of("b")],
        requeue_after=2,
    ),
    Case(
        "a check that failed is Stalled with its reason, and tried again after the interval",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(
                finished("b", SnapshotReport(failure=Failure(reason="AccessDenied", message="allow it")), EXIT_FINAL),
            ),
        ),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed b",
        snapshot="a",
        requeue_after=299,
    ),
    Case(
        "a worker that was killed for memory says so",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", None, 137, "OOMKilled"),),
        ),
        ready="False OutOfMemory",
        stalled=True,
        candidate="Failed b",
        requeue_after=299,
    ),
    Case(
        "a report that was lost with its Pod means reading again",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(job(name_of("b"), ended="Complete"),),
        ),
        ready="False ReportLost",
        working="ReportLost",
        candidate="Checking b",
        deletes=[name_of("b")],
        requeue_after=2,
        events=["ReportLost"],
    ),
    Case(
        "data that fails a check is rejected, and the last good snapshot stays",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", checks=FAILED), checks=[ROWS]),),
            checks=[ROWS],
        ),
        ready="True CandidateRejected",
        valid="False CheckFailed",
        candidate="Rejected b",
        snapshot="a",
        events=["CandidateRejected"],
        requeue_after=299,
    ),
    Case(
        "data against the schema that fails a check as well is told first of the schema",
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS, checks=FAILED), checks=[ROWS], schema=SCHEMA),),
            checks=[ROWS],
            schema=SCHEMA,
        ),
        ready="False SchemaViolated",
        stalled=True,
        valid="False SchemaViolated",
        candidate="Rejected b",
        events=["CandidateRejected"],
        requeue_after=299,
    ),
    Case(
        "with a check that rejects, a schema that only warns saves nothing",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS, checks=FAILED), checks=[ROWS], schema=WARN),),
            checks=[ROWS],
            schema=WARN,
        ),
        ready="True CandidateRejected",
        valid="False CheckFailed",
        candidate="Rejected b",
        snapshot="a",
        events=["CandidateRejected"],
        requeue_after=299,
    ),
    Case(
        "a check that warns lets the data become current, and says so",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", checks=FAILED), checks=[ROWS_WARN]),),
            checks=[ROWS_WARN],
        ),
        ready="True SnapshotCurrent",
        valid="False CheckWarned",
        snapshot="b",
        events=["SnapshotTaken", "SnapshotWarned"],
        requeue_after=299,
    ),
    Case(
        "a check that passed or had nothing to compare with is no news",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", checks=[{"value": 300, "outcome": "Passed"}]), checks=[ROWS]),),
            checks=[ROWS],
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        events=["SnapshotTaken"],
        requeue_after=299,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_story(case: Case) -> None:
    """Each case's name is the promise it protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_again(case: Case) -> None:
    """Nothing loops."""
    check_same_again(case)


def test_history_keeps_ten() -> None:
    """The status must not grow for ever, and what is current comes first."""
    past = [
        {"digest": digest(letter), "manifest": "s3://store/m", "rows": 1, "createdAt": ago(hours=1)}
        for letter in "a123456789"
    ]
    done = plan(
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking"), "history": past},
            jobs=(finished("b", report("b")),),
        )
    )
    assert [one.digest[-1] for one in status_of(done).history] == list("ba12345678")


def test_rejection_carries_its_evidence() -> None:
    """A person sees how much is wrong and where, and what was measured, without reading a log."""
    done = plan(
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("b", violations=VIOLATIONS, checks=FAILED), schema=SCHEMA, checks=[ROWS]),),
            schema=SCHEMA,
            checks=[ROWS],
        )
    )
    rejected = status_of(done).candidate
    assert rejected is not None
    assert (rejected.violations, rejected.examples) == (12, VIOLATIONS.examples)
    assert [(one.value, one.outcome) for one in rejected.checks] == [(30, "Failed")]
    ready = shown(done, "Ready")
    assert ready is not None
    assert ready.message.startswith(f"12 violations: {VIOLATIONS.examples[0]}; ")
    assert "30" in ready.message


def test_a_snapshot_keeps_what_was_found() -> None:
    """What later looks and later checks compare with is in the status."""
    said = report("b", checks=FAILED, newest="2026-11-05T11:00:00Z", changeToken="t2")
    done = plan(
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", said, checks=[ROWS_WARN]),),
            checks=[ROWS_WARN],
        )
    )
    taken = status_of(done).snapshot
    assert taken is not None
    assert (taken.last_modified, taken.change_token) == ("2026-11-05T11:00:00Z", "t2")
    assert [one.outcome for one in taken.checks] == ["Failed"]
    assert taken.source.s3 is not None


def test_data_that_moved_is_the_data_that_is_there_now() -> None:
    """A person sees that it is waited for, and what for."""
    failure = Failure(reason="SourceChanged", message="it changed")
    done = plan(
        observe(
            seen=sighting(probe("b")),
            status={"candidate": candidate("b", "Checking")},
            jobs=(finished("b", report("c", failure=failure), EXIT_FINAL),),
        )
    )
    found = status_of(done).candidate
    assert found is not None
    assert (found.digest, found.reason) == (digest("c"), "SourceChanged")
    assert reason(done, "Reconciling") == "True SourceChanged"
