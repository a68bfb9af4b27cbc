"""Plan after the operator has listed the source: nothing new, a wait, a Job, or why the data is not good."""

import pytest

from modelops.controllers.dataset.plan import plan
from support.builders.common import ago
from support.builders.plans import names
from support.controllers.dataset_cases import (
    CHECKS,
    GOOD,
    PROBE_TIMEOUT,
    PROBED,
    SCHEMA,
    SHORTLY,
    STAYS_CURRENT,
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
    status_of,
)


def failed(*, minutes_ago: float) -> dict[str, object]:
    return candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=minutes_ago), reason="Oops")


REJECTED = candidate("b", "Rejected", checkedWith=CHECKS, reason="SchemaViolated")
JOB_FOR_A, JOB_FOR_B = f"Job {snapshot_job_name('a')}", f"Job {snapshot_job_name('b')}"

SETTLING = [
    Case(
        "the first data must settle",
        observe(seen=probe_result(probe("a"), seconds_ago=10)),
        ready="False ChangeSettling",
        reconciling="ChangeSettling",
        candidate="Settling a",
        requeue_after=settle_minus(age=10),
    ),
    Case(
        "with settle 0s the first data is read at once",
        observe(seen=probe_result(probe("a")), settle="0s"),
        ready="False Checking",
        reconciling="Checking",
        candidate="Checking a",
        applies=[JOB_FOR_A],
    ),
    Case(
        "data has settled only after a probe that began at the end of settle, not by the clock alone",
        observe(
            seen=probe_result(probe("a"), seconds_ago=40),
            status={"candidate": candidate("a", "Settling", since=ago(seconds=45))},
        ),
        ready="False ChangeSettling",
        reconciling="ChangeSettling",
        candidate="Settling a",
        requeue_after=PROBE_TIMEOUT,
    ),
    Case(
        "data that changes while it settles starts to settle again",
        observe(seen=probe_result(probe("b"), seconds_ago=1), status={"candidate": candidate("a", "Settling")}),
        ready="False ChangeSettling",
        reconciling="ChangeSettling",
        candidate="Settling b",
        requeue_after=settle_minus(age=1),
    ),
    Case(
        "data that has settled is read by a Job",
        observe(seen=probe_result(probe("a")), status={"candidate": candidate("a", "Settling")}),
        ready="False Checking",
        reconciling="Checking",
        candidate="Checking a",
        applies=[JOB_FOR_A],
    ),
    Case(
        "while a change settles, the Dataset stays Ready with its current snapshot",
        observe(seen=probe_result(probe("b"), seconds_ago=1), status=GOOD),
        **STAYS_CURRENT,
        reconciling="ChangeSettling",
        candidate="Settling b",
        requeue_after=settle_minus(age=1),
    ),
]
UNCHANGED = [
    Case(
        "unchanged data is probed again after the interval",
        observe(seen=probe_result(probe("a"), seconds_ago=100), status=GOOD),
        **STAYS_CURRENT,
        requeue_after=interval_minus(age=100),
    ),
    Case(
        "data that is restored to the current snapshot is not checked again",
        observe(seen=probe_result(probe("a"), seconds_ago=100), status={**GOOD, "candidate": REJECTED}),
        **STAYS_CURRENT,
        requeue_after=interval_minus(age=100),
    ),
    Case(
        "rejected data stays rejected without another Job",
        observe(seen=probe_result(probe("b"), seconds_ago=1), status={**GOOD, "candidate": REJECTED}),
        ready="True CandidateRejected",
        valid="False SchemaViolated",
        candidate="Rejected b",
        snapshot="a",
        requeue_after=interval_minus(age=1),
    ),
    Case(
        "an empty prefix is rejected without a Job",
        observe(seen=probe_result(probe("0", objects=0), seconds_ago=1), status=GOOD),
        ready="True CandidateRejected",
        valid="False EmptyPrefix",
        candidate="Rejected 0",
        snapshot="a",
        requeue_after=interval_minus(age=1),
        events=["CandidateRejected"],
    ),
]
CHECKED_AGAIN = [
    Case(
        "rejected data is checked again at once if the spec's checks change",
        observe(
            seen=probe_result(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Rejected", checkedWith="other", since=ago(seconds=1))},
            schema=SCHEMA,
        ),
        **STAYS_CURRENT,
        reconciling="Checking",
        candidate="Checking b",
        applies=[f"Job {snapshot_job_name('b', schema=SCHEMA)}"],
    ),
    Case(
        "the current data is checked again at once if the spec's checks change",
        observe(seen=probe_result(probe("a")), status=GOOD, schema=SCHEMA),
        **STAYS_CURRENT,
        reconciling="Checking",
        candidate="Checking a",
        applies=[f"Job {snapshot_job_name('a', schema=SCHEMA)}"],
    ),
    Case(
        "a failed check is not repeated before the interval has passed, and its Job is deleted",
        observe(
            seen=probe_result(probe("b"), seconds_ago=1),
            status={"candidate": failed(minutes_ago=1)},
            jobs=(finished("b", None, code=1),),
        ),
        ready="False Oops",
        stalled=True,
        candidate="Failed b",
        deletes=[snapshot_job_name("b")],
        requeue_after=interval_minus(age=60),
    ),
    Case(
        "a failed check is repeated after the interval",
        observe(seen=probe_result(probe("b")), status={"candidate": failed(minutes_ago=6)}),
        ready="False Checking",
        reconciling="Checking",
        candidate="Checking b",
        applies=[JOB_FOR_B],
    ),
    Case(
        "a failed check is repeated only after the failed Job is deleted",
        observe(
            seen=probe_result(probe("b")),
            status={"candidate": failed(minutes_ago=6)},
            jobs=(finished("b", None, code=1),),
        ),
        ready="False Retrying",
        reconciling="Retrying",
        candidate="Failed b",
        deletes=[snapshot_job_name("b")],
        requeue_after=SHORTLY,
    ),
    Case(
        "a Job that a person deleted is created again",
        observe(seen=probe_result(probe("b")), status={"candidate": candidate("b", "Checking")}),
        ready="False Checking",
        reconciling="Checking",
        candidate="Checking b",
        applies=[JOB_FOR_B],
    ),
    Case(
        "a Job that was created before the operator could write the status is used",
        observe(seen=probe_result(probe("b")), status={}, jobs=(active("b"),), settle="0s"),
        ready="False Checking",
        reconciling="Checking",
        candidate="Checking b",
        requeue_after=SHORTLY,
    ),
    Case(
        "the Job of data that is not in the source any more is deleted",
        observe(seen=probe_result(probe("b")), status={"candidate": candidate("b", "Settling")}, jobs=(active("c"),)),
        ready="False Checking",
        reconciling="Checking",
        candidate="Checking b",
        applies=[JOB_FOR_B],
        deletes=[snapshot_job_name("c")],
    ),
]
CASES = SETTLING + UNCHANGED + CHECKED_AGAIN


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    """Each row's name is the promise that the row protects."""
    check(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_written_status_is_stable(case: Case) -> None:
    """A status that changes with every reconcile would wake the Dataset for ever."""
    check_same_again(case)


def test_a_new_address_of_the_same_objects_is_in_the_status() -> None:
    """A renamed Secret must reach the TrainingRuns that fetch a snapshot taken before the Secret was renamed."""
    source = {
        "s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://s3:8333", "secretRef": {"name": "new"}}
    }
    done = plan(observe(seen=probe_result(probe("a")), status=GOOD, source=source))
    current = status_of(done).snapshot
    assert current is not None
    assert current.source.s3 is not None
    assert current.source.s3.secret_ref is not None
    assert names(done.apply) == []


def test_the_same_data_uploaded_again_is_as_fresh_as_its_upload() -> None:
    """In a bucket without versions the digest stays equal, but the time of the newest object must be the new one."""
    done = plan(observe(seen=probe_result(probe("a", newest="2026-11-05T11:00:00Z")), status=GOOD))
    current = status_of(done).snapshot
    assert current is not None
    assert current.last_modified == "2026-11-05T11:00:00Z"


def test_a_source_that_the_operator_lists_has_no_time_of_a_probe_job() -> None:
    """`probedAt` of a source that has become small again would be older every day, and raise false alarms."""
    done = plan(observe(seen=probe_result(probe("a")), status={**GOOD, **PROBED}))
    assert status_of(done).probed_at is None
