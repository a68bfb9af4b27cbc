"""Plan of a Dataset that is suspended, not probed yet, or whose source has a problem; and of a requested refresh."""

from datetime import timedelta

import pytest

from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probe_result import SourceProblem
from support.builders.common import ago
from support.builders.datasets import dataset
from support.builders.plans import deleted, names, reason
from support.controllers.dataset_cases import (
    CHECKS,
    GOOD,
    PROBE_TIMEOUT,
    SHORTLY,
    SOON,
    Case,
    active,
    candidate,
    check,
    check_same_again,
    finished,
    interval_minus,
    observe,
    probe,
    probe_result,
    settle_minus,
    snapshot_job_name,
    soon_minus,
    status_of,
)

FAILED = candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=1), reason="Oops", message="it broke")
CASES = [
    Case(
        "a source that was never probed shows Probing",
        observe(),
        ready="False Probing",
        reconciling="Probing",
        requeue_after=PROBE_TIMEOUT,
    ),
    Case(
        "a problem that a person must solve is Stalled with the reason of S3, and the snapshot stays",
        observe(seen=probe_result(SourceProblem("Stalled", "NoSuchBucket", "create it"), seconds_ago=1), status=GOOD),
        ready="False NoSuchBucket",
        stalled=True,
        valid="True Checked",
        snapshot="a",
        requeue_after=interval_minus(age=1),
    ),
    Case(
        "a missing Secret is waited for, and looked up every half minute",
        observe(
            seen=probe_result(SourceProblem("Waiting", "SecretNotFound", "no Secret s3"), seconds_ago=0), status=GOOD
        ),
        ready="False SecretNotFound",
        reconciling="SecretNotFound",
        valid="True Checked",
        snapshot="a",
        requeue_after=SOON,
    ),
    Case(
        "a service that repeatedly does not respond is shown, and probed before the interval has passed",
        observe(
            seen=probe_result(
                SourceProblem("Transient", "EndpointUnreachable", "check it"), seconds_ago=10, failures=3
            ),
            status=GOOD,
        ),
        ready="False EndpointUnreachable",
        reconciling="EndpointUnreachable",
        valid="True Checked",
        snapshot="a",
        requeue_after=soon_minus(age=10),
    ),
    Case(
        "a suspended Dataset keeps its snapshot and deletes its Job",
        observe(
            seen=probe_result(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(active("b"),),
            suspend=True,
        ),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
        deletes=[snapshot_job_name("b")],
    ),
    Case(
        "a Dataset that is suspended before its first snapshot is not Ready",
        observe(suspend=True),
        ready="False Suspended",
    ),
    Case(
        "a suspended Dataset is not probed although a refresh is requested",
        observe(status=GOOD, suspend=True, refresh="now"),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    """Each row's name is the promise that the row protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_written_status_is_stable(case: Case) -> None:
    """A status that changes with every reconcile would wake the Dataset for ever."""
    check_same_again(case)


def test_a_single_transient_problem_is_not_shown() -> None:
    """A service that did not respond once changes no condition: an alert for every lost packet would be ignored."""
    good = observe(seen=probe_result(probe("a")), status=GOOD)
    conditions = [
        {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": ago(),
        }
        for condition in plan(good).conditions
    ]
    problem = SourceProblem("Transient", "ServerError", "it failed")
    once = probe_result(problem, seconds_ago=10, failures=1)
    done = plan(observe(seen=once, status={**GOOD, "conditions": conditions}))
    assert done.conditions == plan(good).conditions
    assert done.requeue_after == timedelta(seconds=soon_minus(age=10))


def test_a_restart_of_the_operator_changes_nothing() -> None:
    """Before the first probe after a restart the status stays as it is, and no Job is deleted."""
    conditions = [
        {"type": "Ready", "status": "True", "reason": "SnapshotCurrent", "message": "", "lastTransitionTime": ago()}
    ]
    status = {**GOOD, "conditions": conditions, "observedGeneration": 1}
    done = plan(observe(status=status, jobs=(active("b"),)))
    assert done.status == dataset(status=status).status
    assert reason(done) == "True SnapshotCurrent"
    assert deleted(done) == []


def test_a_refresh_is_acted_on_once() -> None:
    """The value is noted as soon as its probe has begun: the same annotation never requests two probes."""
    begun = plan(observe(status=GOOD, due="InProcess", refresh="monday"))
    assert status_of(begun).last_handled_refresh == "monday"
    pending = plan(observe(status=GOOD, seen=probe_result(probe("a")), refresh="monday"))
    assert status_of(pending).last_handled_refresh is None
    handled = {**GOOD, "lastHandledRefresh": "monday"}
    known = plan(observe(status=handled, seen=probe_result(probe("a"), seconds_ago=1), refresh="monday"))
    assert known.requeue_after == timedelta(seconds=interval_minus(age=1))


def test_a_refresh_does_not_skip_settling() -> None:
    """A refresh in the middle of an upload must not take a snapshot of half of the upload."""
    handled = {**GOOD, "lastHandledRefresh": "now"}
    done = plan(observe(status=handled, seen=probe_result(probe("b"), seconds_ago=0), refresh="now"))
    assert status_of(done).candidate is not None
    assert reason(done, "Reconciling") == "True ChangeSettling"
    assert done.requeue_after == timedelta(seconds=settle_minus(age=0))


def test_a_refresh_repeats_a_failed_check_at_once() -> None:
    """After a repair a person need not wait for the interval; the source is probed before the check."""
    begun = plan(observe(status={**GOOD, "candidate": FAILED}, due="InProcess", refresh="now"))
    assert names(begun.apply) == []
    kept = status_of(begun).candidate
    assert kept is not None
    assert (kept.state, kept.checked_with) == ("Failed", None)
    written = {**GOOD, "lastHandledRefresh": "now", "candidate": kept.wire()}
    retried = plan(observe(status=written, seen=probe_result(probe("b"), seconds_ago=0), refresh="now"))
    assert names(retried.apply) == [f"Job {snapshot_job_name('b')}"]


def test_a_failed_job_is_deleted_before_a_job_of_the_same_name_is_created() -> None:
    """Otherwise the report of the old Job would be taken for that of the new one."""
    undecided = {key: value for key, value in FAILED.items() if key != "checkedWith"}
    status = {**GOOD, "candidate": undecided}
    failed_job = finished("b", None, code=1)
    done = plan(observe(status=status, seen=probe_result(probe("b"), seconds_ago=0), jobs=(failed_job,)))
    assert (names(done.apply), deleted(done)) == ([], [snapshot_job_name("b")])
    assert reason(done, "Reconciling") == "True Retrying"
    assert done.requeue_after == timedelta(seconds=SHORTLY)
