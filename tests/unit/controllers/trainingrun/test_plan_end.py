"""Plan of a TrainingRun whose Job runs, ends, or has ended: its ModelVersion, its failure, and the end of its Jobs."""

from datetime import timedelta

import pytest

from modelops.controllers.trainingrun.plan import plan
from support.builders.common import ago
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import condition_of, deleted, reason
from support.controllers.run_observations import (
    DEFAULT_TTL,
    POLLED_EVERY,
    ROOMY,
    SHORTLY,
    VERSION,
    RunCase,
    check,
    complete,
    failed,
    job_name,
    observe,
    pinned,
    running,
    status_of,
)

LONG_AGO = ago(hours=2)
"""Longer ago than DEFAULT_TTL."""
UNREGISTERED = {"model": "mortgage", "format": "sklearn", "registration": "Never"}
CASES = [
    RunCase(
        "a running Job is shown and not applied again, since the API server refuses a newer operator's template",
        observe(status=pinned(), jobs=(running(job_name()),)),
        ready="False Training",
        cache="Miss: explained before",
        requeue_after=POLLED_EVERY,
    ),
    RunCase(
        "a Job whose creation was not written to the status is followed like every Job",
        observe(jobs=(running(job_name()),)),
        ready="False Training",
        cache="Miss: no result for these inputs in this namespace",
        requeue_after=POLLED_EVERY,
    ),
    RunCase(
        "the model of a complete Job becomes a ModelVersion, and the Job is kept for ttlAfterFinished",
        observe(status=pinned(), jobs=(complete(job_name()),)),
        ready="True Trained",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True Trained",
        cache="Miss: explained before",
        requeue_after=DEFAULT_TTL,
    ),
    RunCase(
        "with registration Never the model is kept in the status alone",
        observe(
            status=pinned(output=UNREGISTERED), jobs=(complete(job_name(output=UNREGISTERED)),), output=UNREGISTERED
        ),
        ready="True Trained",
        succeeded="True Trained",
        cache="Miss: explained before",
        requeue_after=DEFAULT_TTL,
    ),
    RunCase(
        "a ModelVersion that exists is not written again",
        observe(status=pinned(outcome="Succeeded"), versions=(VERSION,)),
        ready="True EndedBefore",
        succeeded="True EndedBefore",
        cache="Miss: explained before",
    ),
    RunCase(
        "a ModelVersion that a person deleted is created again without training",
        observe(status=pinned(outcome="Succeeded")),
        ready="True EndedBefore",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True EndedBefore",
        cache="Miss: explained before",
    ),
    RunCase(
        "a failed Job without retries ends the run",
        observe(status=pinned(), jobs=(failed(job_name()),)),
        ready="False TrainerFailed",
        stalled=True,
        succeeded="False TrainerFailed",
        cache="Miss: explained before",
        requeue_after=DEFAULT_TTL,
    ),
    RunCase(
        "a failed run does not train again though its Job is gone",
        observe(status=pinned(outcome="Failed")),
        ready="False EndedBefore",
        stalled=True,
        succeeded="False EndedBefore",
        cache="Miss: explained before",
    ),
    RunCase(
        "a failed run trains again with more memory",
        observe(status=pinned(outcome="Failed"), generation=2, trainer=ROOMY),
        ready="False JobCreated",
        applies=[f"Job {job_name(trainer=ROOMY)}"],
        cache="Miss: no result for these inputs in this namespace",
    ),
    RunCase(
        "a report that was lost with its Pod leads to another training",
        observe(status=pinned(), jobs=(job(job_name(), ended="Complete"),)),
        ready="False ReportLost",
        deletes=[job_name()],
        cache="Miss: explained before",
        requeue_after=SHORTLY,
    ),
    RunCase(
        "after ttlAfterFinished the Job of a successful run is deleted, and nothing is trained again",
        observe(status=pinned(outcome="Succeeded", ended=LONG_AGO), jobs=(complete(job_name()),), versions=(VERSION,)),
        ready="True EndedBefore",
        deletes=[job_name()],
        succeeded="True EndedBefore",
        cache="Miss: explained before",
    ),
    RunCase(
        "after ttlAfterFinished the Job of a failed run is deleted, and the failure stays",
        observe(status=pinned(outcome="Failed", ended=LONG_AGO), jobs=(failed(job_name()),)),
        ready="False EndedBefore",
        stalled=True,
        deletes=[job_name()],
        succeeded="False EndedBefore",
        cache="Miss: explained before",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan_by_the_end_of_the_job(case: RunCase) -> None:
    """Each row's name is the promise that it protects."""
    check(case)


def test_a_timeout_shows_the_last_condition() -> None:
    """The Job controller deletes the Pods at the deadline: the last condition is the only hint at the reason."""
    last = {
        "type": "Ready",
        "status": "False",
        "reason": "ImagePullFailed",
        "message": "no such image",
        "lastTransitionTime": ago(hours=1),
    }
    over = job(job_name(timeout="1h"), ended="Failed", because="DeadlineExceeded")
    decided = plan(observe(status={**pinned(timeout="1h"), "conditions": [last]}, jobs=(over,), timeout="1h"))
    ready = condition_of(decided, "Ready")
    assert ready is not None
    assert ready.reason == "DeadlineExceeded"
    assert ready.message == "the attempt exceeded its timeout (1h); last condition: ImagePullFailed: no such image"


def test_a_trainer_that_never_started_ends_the_run_in_two_steps() -> None:
    """The reason is in the status before the Job is deleted: after a crash between the two, it could train again."""
    not_started = pod(init=terminated(0), trainer=terminated(128, "", "StartError", ago(minutes=2)), sidecar=RUNNING)
    first = plan(observe(status=pinned(), jobs=(job(job_name(), not_started),)))
    assert reason(first) == "False TrainerNotStarted"
    assert (deleted(first), first.requeue_after) == ([], timedelta(seconds=2))
    second = plan(observe(status=status_of(first).wire(), jobs=(job(job_name(), not_started),)))
    assert reason(second) == "False TrainerNotStarted"
    assert deleted(second) == [job_name()]
