"""Plan after the end of a probe Job: nothing new, new data, or a failure."""

import pytest

from modelops.api.contract.reports import EXIT_FINAL, Failure, SnapshotReport
from modelops.controllers.dataset.plan import plan
from support.builders.common import ago
from support.builders.datasets import CLAIM, snapshot
from support.builders.jobs import job
from support.builders.plans import reason
from support.controllers.dataset_cases import (
    ACCESS_DENIED,
    BECOMES_CURRENT,
    CHANGED_TO_C,
    CHECKS,
    PROBE_DUE,
    PROBE_JOB,
    SHORTLY,
    STAYS_CURRENT,
    UNCHANGED,
    Case,
    candidate,
    check,
    check_same_again,
    ended_probe,
    observe,
    probe_job_name,
    report,
    status_of,
)

FIRST = probe_job_name(source=CLAIM)
EMPTY = report("0", objects=0, failure=Failure(reason="EmptyPrefix", message="there is nothing"))
REJECTED = candidate("b", "Rejected", checkedWith=CHECKS, reason="SchemaViolated", message="no", endedAt=ago())
AFTER_REJECTION = {**PROBE_DUE, "candidate": REJECTED}

FOUND = [
    Case(
        "the data of the first probe becomes the current snapshot",
        observe(source=CLAIM, jobs=(ended_probe(report("b"), name=FIRST),)),
        **BECOMES_CURRENT,
        requeue_after=SHORTLY,
    ),
    Case(
        "new data becomes the current snapshot",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(report("b")),)),
        **BECOMES_CURRENT,
        requeue_after=SHORTLY,
    ),
    Case(
        "unchanged data changes no condition and records no Event",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(UNCHANGED),)),
        **STAYS_CURRENT,
        requeue_after=SHORTLY,
    ),
    Case(
        "an empty directory is rejected as an empty prefix is",
        observe(source=CLAIM, jobs=(ended_probe(EMPTY, EXIT_FINAL, FIRST),)),
        ready="False EmptyPrefix",
        stalled=True,
        valid="False EmptyPrefix",
        candidate="Rejected 0",
        events=["CandidateRejected"],
        requeue_after=SHORTLY,
    ),
    Case(
        "new data that cannot be read is rejected, and the last good snapshot stays",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(report("b", profile=None)),)),
        ready="True CandidateRejected",
        valid="False Unreadable",
        candidate="Rejected b",
        snapshot="a",
        events=["CandidateRejected"],
        requeue_after=SHORTLY,
    ),
    Case(
        "rejected data stays rejected while the source holds that data",
        observe(source=CLAIM, status=AFTER_REJECTION, jobs=(ended_probe(report("b", unchanged=True)),)),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=SHORTLY,
    ),
    Case(
        "data that is restored to the current snapshot is current",
        observe(source=CLAIM, status=AFTER_REJECTION, jobs=(ended_probe(UNCHANGED),)),
        **STAYS_CURRENT,
        requeue_after=SHORTLY,
    ),
    Case(
        "files with the change token of the current snapshot are current without being read",
        observe(source=CLAIM, status=AFTER_REJECTION, jobs=(ended_probe(SnapshotReport(unchanged=True)),)),
        **STAYS_CURRENT,
        requeue_after=SHORTLY,
    ),
]
FAILED = [
    Case(
        "a probe Job that fails is Stalled until one succeeds",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(ACCESS_DENIED, EXIT_FINAL),)),
        ready="False AccessDenied",
        stalled=True,
        valid="True Checked",
        candidate="Failed ?",
        snapshot="a",
        requeue_after=SHORTLY,
    ),
    Case(
        "data that changed under the Job is settling again, and the Job is deleted",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(CHANGED_TO_C, EXIT_FINAL),)),
        **STAYS_CURRENT,
        reconciling="SourceChanged",
        candidate="Settling c",
        deletes=[PROBE_JOB],
        requeue_after=SHORTLY,
    ),
    Case(
        "the source is probed again if the report was deleted with its Pod",
        observe(source=CLAIM, status=PROBE_DUE, jobs=(job(PROBE_JOB, ended="Complete"),)),
        **STAYS_CURRENT,
        reconciling="ReportLost",
        deletes=[PROBE_JOB],
        events=["ReportLost"],
        requeue_after=SHORTLY,
    ),
]
CASES = FOUND + FAILED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    """Each row's name is the promise that the row protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_written_status_is_stable(case: Case) -> None:
    """A status that changes with every reconcile would wake the Dataset for ever."""
    check_same_again(case)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        pytest.param(report("b"), 0, id="a snapshot was taken"),
        pytest.param(report("b", profile=None), 0, id="the data could not be read"),
        pytest.param(ACCESS_DENIED, EXIT_FINAL, id="the Job failed"),
        pytest.param(EMPTY, EXIT_FINAL, id="the source is empty"),
        pytest.param(CHANGED_TO_C, EXIT_FINAL, id="the data changed"),
        pytest.param(None, 137, id="the Job was killed"),
    ],
)
def test_every_end_of_a_job_is_a_probe(said: SnapshotReport | None, code: int) -> None:
    """However a Job ends, the next one is created after the interval, and not at once in an endless loop."""
    done = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(said, code),)))
    status = status_of(done)
    assert (status.probed_at, status.probed_generation) == (ago(), 1)


def test_a_rejection_without_a_digest_is_recorded_once() -> None:
    """Every probe finds the key that cannot be pinned: that is a single rejection, and a single Event."""
    unusable = SnapshotReport(failure=Failure(reason="UnusableKey", message='"a\\nb" has a line end'))
    first = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(unusable, EXIT_FINAL),)))
    rejected = status_of(first).candidate
    assert rejected is not None
    later = {**PROBE_DUE, "candidate": {**rejected.wire(), "endedAt": ago(hours=1), "since": ago(hours=1)}}
    again = plan(observe(source=CLAIM, status=later, jobs=(ended_probe(unusable, EXIT_FINAL),)))
    assert ([event.reason for event in first.events], again.events) == (["CandidateRejected"], ())
    kept = status_of(again).candidate
    assert kept is not None
    assert kept.ended_at == ago(hours=1)


def test_files_with_new_times_are_read_once() -> None:
    """Files that were written again with equal content have another change token, which the next probe must know."""
    touched = report("a", unchanged=True, changeToken="t2", newest=ago())
    done = plan(observe(source=CLAIM, status=PROBE_DUE, jobs=(ended_probe(touched),)))
    current = status_of(done).snapshot
    assert current is not None
    assert (current.change_token, current.last_modified) == ("t2", ago())


def test_versioning_that_was_enabled_later_is_shown() -> None:
    """The digest does not change, and the person who enabled versioning must see the effect."""
    known = {**PROBE_DUE, "snapshot": snapshot("a", checkedWith=CHECKS, versioned=False)}
    said = report("a", unchanged=True, versioned=True)
    name = probe_job_name(known, probe={"maxObjects": 0})
    done = plan(observe(status=known, probe={"maxObjects": 0}, jobs=(ended_probe(said, name=name),)))
    assert reason(done, "Reproducible") == "True Pinned"


def test_a_new_claim_with_the_same_data_is_in_the_status() -> None:
    """A run that fetches the snapshot must mount the claim that the spec names now."""
    moved = {"pvc": {"claimName": "copy"}}
    name = probe_job_name(PROBE_DUE, source=moved)
    done = plan(observe(source=moved, status=PROBE_DUE, generation=2, jobs=(ended_probe(UNCHANGED, name=name),)))
    current = status_of(done).snapshot
    assert current is not None
    assert current.source.pvc is not None
    assert current.source.pvc.claim_name == "copy"
