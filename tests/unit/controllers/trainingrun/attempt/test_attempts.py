"""Attempts: which failures are tried again, which count, how long is waited, and what a person can ask for."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import EXIT_FINAL, ProgressPoint, ProgressReport
from modelops.api.trainingrun import Retries
from modelops.api.trainingrun_status import Attempt, TrainingRunStatus
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun.attempt.progress_polling import POLL_EVERY
from modelops.controllers.trainingrun.attempt.retrying import RetryDecision, decide_retry, next_start
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body
from support.builders.common import NOW, ago
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import condition_of, deleted, names, reason
from support.run_observations import failed, job_of, observe, pinned, running

DONE = terminated(0)
OUT_OF_MEMORY = terminated(137, reason="OOMKilled")


def ended(*pods: Body, because: str = "PodFailurePolicy", message: str = "", **more: Any) -> JobState:
    return job("train-1", *pods, ended="Failed", because=because, message=message, **more)


@pytest.mark.parametrize(
    ("name", "ending", "expected"),
    [
        ("a trainer's own failure counts", ended(pod("Failed", trainer=terminated(1))), RetryDecision.COUNTED),
        (
            "so does running out of memory",
            ended(pod("Failed", trainer=terminated(137, reason="OOMKilled"))),
            RetryDecision.COUNTED,
        ),
        ("a listed exit code is final", ended(pod("Failed", trainer=terminated(42))), RetryDecision.FINAL),
        ("what the worker cannot do is final", ended(pod("Failed", init=terminated(EXIT_FINAL))), RetryDecision.FINAL),
        (
            "a model that cannot be taken is final",
            ended(pod("Failed", sidecar=terminated(EXIT_FINAL))),
            RetryDecision.FINAL,
        ),
        ("an outage of the store may pass", ended(pod("Failed", sidecar=terminated(1))), RetryDecision.COUNTED),
        ("the deadline is final", ended(because="DeadlineExceeded"), RetryDecision.FINAL),
        (
            "a preemption does not count",
            ended(pod("Failed", disruption="PreemptionByScheduler", trainer=terminated(143))),
            RetryDecision.NOT_COUNTED,
        ),
        (
            "an eviction by the node does not count",
            ended(pod("Failed", reason="Evicted", message="The node was low on resource: memory.")),
            RetryDecision.NOT_COUNTED,
        ),
        (
            "one for the Pod's own limit of disk does",
            ended(pod("Failed", reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit")),
            RetryDecision.COUNTED,
        ),
        (
            "nor does one whose Pod is gone",
            ended(message="Pod a/b has condition DisruptionTarget"),
            RetryDecision.NOT_COUNTED,
        ),
        ("nor a Pod that somebody deleted", ended(because="BackoffLimitExceeded"), RetryDecision.NOT_COUNTED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whose_fault_it_was(name: str, ending: JobState, expected: RetryDecision) -> None:
    """Each case's name is the promise it protects."""
    assert decide_retry(ending, ending.deciding_pod, Retries(limit=3, non_retryable_exit_codes=[42])) is expected, name


def status_of(done: Plan) -> TrainingRunStatus:
    assert isinstance(done.status, TrainingRunStatus)
    return done.status


def attempt(number: int, *, counted: bool = True, ended_at: str = ago(minutes=1)) -> Body:
    return {"number": number, "reason": "TrainerFailed", "message": "so", "endedAt": ended_at, "counted": counted}


RETRIES = {"limit": 1, "backoff": "10s"}


def test_a_failure_is_written_down_before_the_next_attempt_starts() -> None:
    """A crash between the two must neither lose the reason nor start an attempt too many."""
    just_now = job(
        job_of(retries=RETRIES),
        pod("Failed", trainer=terminated(3), sidecar=DONE),
        ended="Failed",
        ended_ago=timedelta(seconds=1),
    )
    done = plan(observe(status=pinned(retries=RETRIES), jobs=(just_now,), retries=RETRIES))
    assert (names(done.apply), deleted(done)) == ([], [])
    assert reason(done) == "False Retrying"
    assert condition_of(done, "Stalled") is None
    (written,) = status_of(done).failed_attempts
    assert (written.number, written.reason, written.node, written.counted) == (1, "TrainerFailed", "node-1", True)
    assert status_of(done).failures == 1
    assert done.requeue_after == timedelta(seconds=9)
    again = plan(observe(status=status_of(done).wire(), jobs=(just_now,), retries=RETRIES))
    assert (names(again.apply), status_of(again)) == ([], status_of(done))


def test_the_last_job_goes_after_the_pause_and_the_next_attempt_starts() -> None:
    """Every attempt is a Job of its own, with a name of its own, so that creating it twice is impossible."""
    status = pinned(retries=RETRIES) | {"failures": 1, "failedAttempts": [attempt(1)]}
    done = plan(observe(status=status, jobs=(failed(job_of(retries=RETRIES)),), retries=RETRIES))
    # A Job that has ended still counts against a quota.
    assert (names(done.apply), deleted(done)) == ([], [job_of(retries=RETRIES)])
    done = plan(observe(status=status_of(done).wire(), retries=RETRIES))
    assert names(done.apply) == [f"Job {job_of(attempt=2, retries=RETRIES)}"]
    assert status_of(done).attempts == 2
    assert status_of(done).job == job_of(attempt=2, retries=RETRIES)


def test_the_limit_ends_it() -> None:
    """`retries.limit: 1` is two attempts; the outcome and every attempt's own reason are kept."""
    name = job_of(attempt=2, retries=RETRIES)
    status = pinned(retries=RETRIES) | {"job": name, "attempts": 2, "failures": 1, "failedAttempts": [attempt(1)]}
    done = plan(observe(status=status, jobs=(failed(name),), retries=RETRIES))
    assert reason(done) == "False TrainerFailed"
    assert condition_of(done, "Stalled") is not None
    assert [one.number for one in status_of(done).failed_attempts] == [1, 2]
    again = plan(observe(status=status_of(done).wire(), jobs=(failed(name),), retries=RETRIES))
    assert (names(again.apply), status_of(again)) == ([], status_of(done))
    without_job = plan(observe(status=status_of(done).wire(), retries=RETRIES))
    assert (names(without_job.apply), status_of(without_job)) == ([], status_of(done))


def test_a_job_is_kept_until_its_end_is_written() -> None:
    """With a `ttlAfterFinished` of nothing, an operator that dies between two writes must not train again."""
    ending = failed(job_of())
    first = plan(observe(status=pinned(), jobs=(ending,), ttlAfterFinished="0s"))
    assert reason(first) == "False TrainerFailed"
    assert deleted(first) == []
    assert first.requeue_after is not None
    written = plan(observe(status=status_of(first).wire(), jobs=(ending,), ttlAfterFinished="0s"))
    assert deleted(written) == [job_of()]


def test_disruptions_are_free_of_charge() -> None:
    """A training that is evicted ten times is no failed one, without any retries allowed."""
    evicted = job(
        job_of(), pod("Failed", disruption="EvictionByEvictionAPI"), ended="Failed", ended_ago=timedelta(seconds=1)
    )
    done = plan(observe(status=pinned(), jobs=(evicted,)))
    assert reason(done) == "False Retrying"
    assert status_of(done).failures == 0
    assert [one.counted for one in status_of(done).failed_attempts] == [False]


def test_only_the_last_attempts_are_kept() -> None:
    """The status stays small however often a training is evicted; the numbers go on."""
    many = [attempt(number, counted=False) for number in range(11, 31)]
    name = job_of(attempt=31)
    status = pinned() | {"job": name, "attempts": 31, "failedAttempts": many}
    evicted = job(name, pod("Failed", reason="Evicted"), ended="Failed", ended_ago=timedelta(seconds=1))
    kept = status_of(plan(observe(status=status, jobs=(evicted,)))).failed_attempts
    assert [one.number for one in kept] == list(range(12, 32))


@given(st.integers(1, 400), st.sampled_from(["1s", "10s", "10m"]))
def test_the_pause_grows_and_is_bounded(count: int, backoff: str) -> None:
    """Pauses double up to five minutes, or stay at what is asked for where that is longer."""
    attempts = [Attempt.model_validate(attempt(number, ended_at=ago())) for number in range(1, count + 1)]
    pause = next_start(attempts, Retries(backoff=backoff)) - parse_timestamp(attempts[-1].ended_at)
    first = next_start(attempts[:1], Retries(backoff=backoff)) - parse_timestamp(attempts[0].ended_at)
    assert first <= pause <= max(first, timedelta(minutes=5))


def test_a_retry_that_is_asked_for_starts_anew() -> None:
    """`modelops.dev/retry` makes a failed run try again, once for each value, with all of its retries."""
    asked = {"modelops.dev/retry": "1"}
    done = plan(observe(status=pinned(outcome="Failed"), annotations=asked))
    assert names(done.apply) == [f"Job {job_of(attempt=2)}"]
    assert (status_of(done).last_handled_retry, status_of(done).failures, status_of(done).attempts) == ("1", 0, 2)
    over = plan(observe(status=status_of(done).wire(), jobs=(failed(job_of(attempt=2)),), annotations=asked))
    assert reason(over) == "False TrainerFailed"
    again = plan(observe(status=status_of(over).wire(), annotations=asked))
    assert (names(again.apply), reason(again)) == ([], "False TrainerFailed")


def test_a_retry_asked_for_too_early_is_no_promise() -> None:
    """A value set while all is well is spent: an annotation forgotten in Git must not hide a later failure."""
    done = plan(observe(status=pinned(), jobs=(running(job_of()),), annotations={"modelops.dev/retry": "1"}))
    assert reason(done) == "False Training"
    assert status_of(done).last_handled_retry == "1"


def test_a_run_that_is_asked_to_stop_is_stopped() -> None:
    """`modelops.dev/stop` ends a run, keeps the reason, and is no failure; its Job goes."""
    stop = {"modelops.dev/stop": "too expensive"}
    done = plan(observe(status=pinned(), jobs=(running(job_of()),), annotations=stop))
    assert (reason(done), reason(done, "Succeeded")) == ("False Stopped", "False Stopped")
    assert condition_of(done, "Stalled") is None
    assert deleted(done) == [job_of()]
    outcome = status_of(done).outcome
    assert outcome is not None
    assert (outcome.state, outcome.message) == ("Stopped", "stopped: too expensive")
    stays = plan(observe(status=status_of(done).wire(), annotations=stop))
    assert (names(stays.apply), reason(stays)) == ([], "False Stopped")


def test_a_stop_does_not_reach_what_comes_after() -> None:
    """The value that was acted on does not stop the run for the next spec."""
    stop = {"modelops.dev/stop": "too expensive"}
    stopped = status_of(plan(observe(status=pinned(), jobs=(running(job_of()),), annotations=stop))).wire()
    done = plan(observe(status=stopped, annotations=stop, generation=2, parameters={"max_depth": "9"}))
    assert reason(done) == "False JobCreated"


def test_progress_is_kept_while_the_trainer_is_silent() -> None:
    """What was told last stays in the status while nothing newer is known."""
    status = pinned() | {"progress": {"step": 3, "metrics": {"loss": 0.5}}}
    told = status_of(plan(observe(status=status, jobs=(job(job_of(), pod(init=DONE, trainer=RUNNING)),)))).progress
    assert told is not None
    assert told.step == 3


def test_progress_is_what_the_sidecar_told_last() -> None:
    """Steps, metrics and the share that is done reach the status of a run that trains, and are looked at again."""
    told = ProgressReport(last=ProgressPoint(step=5, metrics={"loss": 0.25}), total_steps=10)
    trains = job(job_of(), pod(init=DONE, trainer=RUNNING, sidecar=RUNNING))
    done = plan(observe(status=pinned(), jobs=(trains,), seen={"progress": told}))
    progress = status_of(done).progress
    assert progress is not None
    assert (progress.step, progress.percent, progress.metrics) == (5, 50, {"loss": 0.25})
    assert done.requeue_after == POLL_EVERY


def test_times_are_the_job_controllers() -> None:
    """When an attempt ended is the cluster's word, so that a new leader waits no longer than the old one."""
    over = failed(job_of(retries=RETRIES))
    (written,) = status_of(plan(observe(status=pinned(retries=RETRIES), jobs=(over,), retries=RETRIES))).failed_attempts
    assert parse_timestamp(written.ended_at) == NOW - timedelta(minutes=1)
