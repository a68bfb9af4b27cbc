"""What a Dataset says before and without a look at its source, and when it is asked for one."""

from datetime import timedelta

import pytest

from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probe_result import Problem
from support.builders.common import ago
from support.builders.datasets import dataset
from support.builders.plans import deleted, names, reason
from support.dataset_cases import (
    CHECKS,
    GOOD,
    Case,
    active,
    candidate,
    check,
    check_same_again,
    finished,
    name_of,
    observe,
    probe,
    sighting,
    status_of,
)

FAILED = candidate("b", "Failed", checkedWith=CHECKS, endedAt=ago(minutes=1), reason="Oops", message="it broke")
CASES = [
    Case(
        "a source that was never looked at says that it is looked at",
        observe(),
        ready="False Probing",
        working="Probing",
        requeue_after=300,
    ),
    Case(
        "a source that a person must mend is Stalled with S3's reason, and the snapshot stays",
        observe(seen=sighting(Problem("Stalled", "NoSuchBucket", "create it")), status=GOOD),
        ready="False NoSuchBucket",
        stalled=True,
        valid="True Checked",
        snapshot="a",
        requeue_after=299,
    ),
    Case(
        "a Secret that is not there is waited for, and looked for every half minute",
        observe(seen=sighting(Problem("Waiting", "SecretNotFound", "no Secret s3"), 0), status=GOOD),
        ready="False SecretNotFound",
        working="SecretNotFound",
        valid="True Checked",
        snapshot="a",
        requeue_after=30,
    ),
    Case(
        "a service that goes on not answering is shown, and is tried sooner than the interval says",
        observe(seen=sighting(Problem("Transient", "EndpointUnreachable", "check it"), 10, failures=3), status=GOOD),
        ready="False EndpointUnreachable",
        working="EndpointUnreachable",
        valid="True Checked",
        snapshot="a",
        requeue_after=20,
    ),
    Case(
        "a suspended Dataset keeps its snapshot and stops its Job",
        observe(
            seen=sighting(probe("b")),
            status={**GOOD, "candidate": candidate("b", "Checking")},
            jobs=(active("b"),),
            suspend=True,
        ),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
        deletes=[name_of("b")],
    ),
    Case(
        "suspended before there was a snapshot, there is nothing to be Ready",
        observe(suspend=True),
        ready="False Suspended",
    ),
    Case(
        "while suspended nobody looks, whoever asks",
        observe(status=GOOD, suspend=True, refresh="now"),
        ready="True Suspended",
        valid="True Checked",
        snapshot="a",
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


def test_a_blip_is_nobodys_business() -> None:
    """A service that did not answer once changes no condition: an alert for every lost packet is an alert for none."""
    good = observe(seen=sighting(probe("a")), status=GOOD)
    conditions = [
        {
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "lastTransitionTime": ago(),
        }
        for one in plan(good).conditions
    ]
    blip = sighting(Problem("Transient", "ServerError", "it failed"), 10, failures=1)
    done = plan(observe(seen=blip, status={**GOOD, "conditions": conditions}))
    assert done.conditions == plan(good).conditions
    assert done.requeue_after == timedelta(seconds=20)


def test_a_restart_writes_nothing() -> None:
    """Before the first look after a restart nothing is known anew, so nothing changes, and no Job is thrown away."""
    conditions = [
        {"type": "Ready", "status": "True", "reason": "SnapshotCurrent", "message": "", "lastTransitionTime": ago()}
    ]
    status = {**GOOD, "conditions": conditions, "observedGeneration": 1}
    done = plan(observe(status=status, jobs=(active("b"),)))
    assert done.status == dataset(status=status).status
    assert reason(done) == "True SnapshotCurrent"
    assert deleted(done) == []


def test_a_request_is_acted_on_once() -> None:
    """The value is noted as soon as the look that it asks for has begun: the same annotation never asks twice."""
    begun = plan(observe(status=GOOD, due="Probe", refresh="monday"))
    assert status_of(begun).last_handled_refresh == "monday"
    pending = plan(observe(status=GOOD, seen=sighting(probe("a")), refresh="monday"))
    assert status_of(pending).last_handled_refresh is None
    known = plan(observe(status={**GOOD, "lastHandledRefresh": "monday"}, seen=sighting(probe("a")), refresh="monday"))
    assert known.requeue_after == timedelta(seconds=299)


def test_a_request_does_not_skip_settling() -> None:
    """Somebody who asks for a look in the middle of an upload gets no snapshot of half of it."""
    done = plan(observe(status={**GOOD, "lastHandledRefresh": "now"}, seen=sighting(probe("b"), 0), refresh="now"))
    assert status_of(done).candidate is not None
    assert reason(done, "Reconciling") == "True ChangeSettling"
    assert done.requeue_after == timedelta(seconds=30)


def test_a_request_tries_a_failed_check_again_at_once() -> None:
    """Once what was broken is mended, nobody has to wait for the interval; first it is looked what is there now."""
    begun = plan(observe(status={**GOOD, "candidate": FAILED}, due="Probe", refresh="now"))
    assert names(begun.apply) == []
    found = status_of(begun).candidate
    assert found is not None
    assert (found.state, found.checked_with) == ("Failed", None)
    written = {**GOOD, "lastHandledRefresh": "now", "candidate": found.wire()}
    retried = plan(observe(status=written, seen=sighting(probe("b"), 0), refresh="now"))
    assert names(retried.apply) == [f"Job {name_of('b')}"]


def test_a_failed_job_goes_before_the_next_one_of_its_name_comes() -> None:
    """What the old Job had said would be taken for what the new one says."""
    again = {key: value for key, value in FAILED.items() if key != "checkedWith"}
    status = {**GOOD, "candidate": again}
    done = plan(observe(status=status, seen=sighting(probe("b"), 0), jobs=(finished("b", None, 1),)))
    assert (names(done.apply), deleted(done)) == ([], [name_of("b")])
    assert reason(done, "Reconciling") == "True Retrying"
