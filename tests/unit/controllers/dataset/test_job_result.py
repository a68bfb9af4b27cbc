"""Plan after the end of a snapshot Job: a snapshot with what was found, or why there is none, with its evidence."""

import pytest

from modelops.api.contract.reports import EXIT_FINAL
from modelops.controllers.dataset.plan import plan
from support.builders.common import ago, digest
from support.builders.datasets import snapshot
from support.builders.jobs import job, waiting
from support.builders.plans import condition_of, reason
from support.controllers.dataset_cases import (
    ACCESS_DENIED,
    BECOMES_CURRENT,
    CHANGED_TO_C,
    CHECKS,
    GOOD,
    SCHEMA,
    SHORTLY,
    STAYS_CURRENT,
    VIOLATIONS,
    WARN,
    Case,
    active,
    candidate,
    check,
    check_same_again,
    checking_b,
    finished,
    interval_minus,
    observe,
    probe,
    probe_result,
    report,
    snapshot_job_name,
    status_of,
)

ROWS = {"rows": {"min": 100}}
ROWS_WARN = {**ROWS, "onViolation": "Warn"}
FAILED = [{"value": 30, "outcome": "Failed"}]
PASSED = [{"value": 300, "outcome": "Passed"}]
NEXT_PROBE = interval_minus(age=1)

RUNNING = [
    Case(
        "a running Job goes on although the source has changed",
        observe(
            seen=probe_result(probe("c")), status={**GOOD, "candidate": candidate("b", "Checking")}, jobs=(active("b"),)
        ),
        **STAYS_CURRENT,
        reconciling="Checking",
        candidate="Checking b",
    ),
    Case(
        "a worker image that cannot be pulled is Stalled",
        checking_b(active("b", waiting("ImagePullBackOff", "no such image")), current=False),
        ready="False ImagePullFailed",
        stalled=True,
        candidate="Checking b",
    ),
]
TAKEN = [
    Case(
        "good data becomes the current snapshot, and its Job stays until the status is written",
        checking_b(said=report("b")),
        **BECOMES_CURRENT,
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "the Job is deleted once its snapshot is in the status",
        observe(
            seen=probe_result(probe("b"), seconds_ago=1),
            status={"snapshot": snapshot("b", checkedWith=CHECKS)},
            jobs=(finished("b", report("b")),),
        ),
        ready="True SnapshotCurrent",
        valid="True Checked",
        snapshot="b",
        deletes=[snapshot_job_name("b")],
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "with onViolation Warn data that violates the schema becomes current with Valid=False",
        checking_b(said=report("b", violations=VIOLATIONS), schema=WARN),
        ready="True SnapshotCurrent",
        valid="False SchemaViolated",
        snapshot="b",
        requeue_after=NEXT_PROBE,
        events=["SnapshotTaken", "SnapshotWarned"],
    ),
    Case(
        "data that fails a check with onViolation Warn becomes current with Valid=False",
        checking_b(said=report("b", checks=FAILED), checks=[ROWS_WARN]),
        ready="True SnapshotCurrent",
        valid="False CheckWarned",
        snapshot="b",
        events=["SnapshotTaken", "SnapshotWarned"],
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "a check that passed is not mentioned",
        checking_b(said=report("b", checks=PASSED), checks=[ROWS]),
        **BECOMES_CURRENT,
        requeue_after=NEXT_PROBE,
    ),
]
REJECTED = [
    Case(
        "data that violates the schema is rejected, and the last good snapshot stays",
        checking_b(said=report("b", violations=VIOLATIONS), schema=SCHEMA),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=NEXT_PROBE,
        events=["CandidateRejected"],
    ),
    Case(
        "a rejection without a current snapshot is Stalled",
        checking_b(said=report("b", violations=VIOLATIONS), schema=SCHEMA, current=False),
        ready="False SchemaViolated",
        stalled=True,
        valid="False SchemaViolated",
        candidate="Rejected b",
        requeue_after=NEXT_PROBE,
        events=["CandidateRejected"],
    ),
    Case(
        "data that cannot be read is rejected even with onViolation Warn",
        checking_b(said=report("b", violations=VIOLATIONS, profile=None), schema=WARN),
        ready="True CandidateRejected",
        valid="False Unreadable",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=NEXT_PROBE,
        events=["CandidateRejected"],
    ),
    Case(
        "data that fails a check is rejected, and the last good snapshot stays",
        checking_b(said=report("b", checks=FAILED), checks=[ROWS]),
        ready="True CandidateRejected",
        valid="False CheckFailed",
        candidate="Rejected b",
        snapshot="a",
        events=["CandidateRejected"],
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "data that violates the schema and fails a check shows the schema as its reason",
        checking_b(said=report("b", violations=VIOLATIONS, checks=FAILED), checks=[ROWS], schema=SCHEMA, current=False),
        ready="False SchemaViolated",
        stalled=True,
        valid="False SchemaViolated",
        candidate="Rejected b",
        events=["CandidateRejected"],
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "a check that rejects counts although the schema only warns",
        checking_b(said=report("b", violations=VIOLATIONS, checks=FAILED), checks=[ROWS], schema=WARN),
        ready="True CandidateRejected",
        valid="False CheckFailed",
        candidate="Rejected b",
        snapshot="a",
        events=["CandidateRejected"],
        requeue_after=NEXT_PROBE,
    ),
]
WITHOUT_RESULT = [
    Case(
        "data that changed under the Job must settle before it is read again",
        checking_b(said=CHANGED_TO_C, code=EXIT_FINAL, settle="0s", current=False),
        ready="False SourceChanged",
        reconciling="SourceChanged",
        candidate="Settling c",
        deletes=[snapshot_job_name("b")],
        requeue_after=SHORTLY,
    ),
    Case(
        "a Job that failed is Stalled with its reason until the interval has passed",
        checking_b(said=ACCESS_DENIED, code=EXIT_FINAL),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed b",
        snapshot="a",
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "a Job that was killed for memory is Stalled with OutOfMemory",
        checking_b(code=137, reason="OOMKilled", current=False),
        ready="False OutOfMemory",
        stalled=True,
        candidate="Failed b",
        requeue_after=NEXT_PROBE,
    ),
    Case(
        "data is read again if the report was deleted with its Pod",
        checking_b(job(snapshot_job_name("b"), ended="Complete"), current=False),
        ready="False ReportLost",
        reconciling="ReportLost",
        candidate="Checking b",
        deletes=[snapshot_job_name("b")],
        requeue_after=SHORTLY,
        events=["ReportLost"],
    ),
]
CASES = RUNNING + TAKEN + REJECTED + WITHOUT_RESULT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    """Each row's name is the promise that the row protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_written_status_is_stable(case: Case) -> None:
    """A status that changes with every reconcile would wake the Dataset for ever."""
    check_same_again(case)


def test_the_history_has_ten_snapshots() -> None:
    """The status must not grow without bound, and the current snapshot comes first."""
    past = [
        {"digest": digest(letter), "manifest": "s3://store/m", "rows": 1, "createdAt": ago(hours=1)}
        for letter in "a123456789"
    ]
    done = plan(
        observe(
            seen=probe_result(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking"), "history": past},
            jobs=(finished("b", report("b")),),
        )
    )
    assert [snapshot.digest[-1] for snapshot in status_of(done).history] == list("ba12345678")


def test_a_rejection_carries_its_evidence() -> None:
    """A person sees how much is wrong and where, and what was measured, without reading a log."""
    done = plan(
        checking_b(said=report("b", violations=VIOLATIONS, checks=FAILED), schema=SCHEMA, checks=[ROWS], current=False)
    )
    rejected = status_of(done).candidate
    assert rejected is not None
    assert (rejected.violations, rejected.examples) == (12, VIOLATIONS.examples)
    assert [(result.value, result.outcome) for result in rejected.checks] == [(30, "Failed")]
    ready = condition_of(done, "Ready")
    assert ready is not None
    assert ready.message.startswith(f"12 violations: {VIOLATIONS.examples[0]}; ")
    assert "30" in ready.message


def test_a_snapshot_keeps_what_later_probes_compare_with() -> None:
    """Time of the newest object, change token, results of checks and source are read from the status later."""
    said = report("b", checks=FAILED, newest="2026-11-05T11:00:00Z", changeToken="t2")
    taken = status_of(plan(checking_b(said=said, checks=[ROWS_WARN], current=False))).snapshot
    assert taken is not None
    assert (taken.last_modified, taken.change_token) == ("2026-11-05T11:00:00Z", "t2")
    assert [result.outcome for result in taken.checks] == ["Failed"]
    assert taken.source.s3 is not None
    assert (taken.digest, taken.short_digest) == (digest("b"), "b" * 12)


def test_data_that_changed_shows_what_the_source_holds_now() -> None:
    """A person sees which data is settling, and why it must settle again."""
    done = plan(checking_b(said=CHANGED_TO_C, code=EXIT_FINAL, current=False))
    settling = status_of(done).candidate
    assert settling is not None
    assert (settling.digest, settling.reason) == (digest("c"), "SourceChanged")
    assert reason(done, "Reconciling") == "True SourceChanged"
