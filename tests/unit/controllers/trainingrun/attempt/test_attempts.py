"""Attempts: which failures are retried, which count, how long the backoff is, and requests to retry and to stop."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import EXIT_FINAL, ProgressPoint, ProgressReport
from modelops.api.trainingrun import Retries
from modelops.api.trainingrun_status import Attempt
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun.attempt.progress_polling import POLL_EVERY
from modelops.controllers.trainingrun.attempt.retrying import RetryDecision, decide_retry, next_start
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.resources import Body
from support.builders.common import NOW, ago
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import condition_of, deleted, names, reason
from support.controllers.run_observations import MODEL, failed, job_name, observe, pinned, running, status_of

DONE = terminated(0)


def ended(*pods: Body, because: str = "PodFailurePolicy", message: str = "") -> JobState:
    """Return a failed Job with these Pods."""
    return job("train-1", *pods, ended="Failed", because=because, message=message)


@pytest.mark.parametrize(
    ("name", "ending", "expected"),
    [
        (
            "a failure of the trainer is retried and counts",
            ended(pod("Failed", trainer=terminated(1))),
            RetryDecision.COUNTED,
        ),
        (
            "an OOM kill is retried and counts",
            ended(pod("Failed", trainer=terminated(137, reason="OOMKilled"))),
            RetryDecision.COUNTED,
        ),
        (
            "an exit code in nonRetryableExitCodes is not retried",
            ended(pod("Failed", trainer=terminated(42))),
            RetryDecision.FINAL,
        ),
        (
            "data that cannot be fetched for good is not retried",
            ended(pod("Failed", init=terminated(EXIT_FINAL))),
            RetryDecision.FINAL,
        ),
        (
            "a model that is invalid is not retried",
            ended(pod("Failed", sidecar=terminated(EXIT_FINAL))),
            RetryDecision.FINAL,
        ),
        (
            "an outage of the store is retried and counts",
            ended(pod("Failed", sidecar=terminated(1))),
            RetryDecision.COUNTED,
        ),
        ("an exceeded timeout is not retried", ended(because="DeadlineExceeded"), RetryDecision.FINAL),
        (
            "a preemption is retried and does not count",
            ended(pod("Failed", disruption="PreemptionByScheduler", trainer=terminated(143))),
            RetryDecision.NOT_COUNTED,
        ),
        (
            "an eviction under node pressure is retried and does not count",
            ended(pod("Failed", reason="Evicted", message="The node was low on resource: memory.")),
            RetryDecision.NOT_COUNTED,
        ),
        (
            "an eviction over the Pod's own limit of disk is retried and counts",
            ended(pod("Failed", reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit")),
            RetryDecision.COUNTED,
        ),
        (
            "a disruption whose Pod was deleted is retried and does not count",
            ended(message="Pod a/b has condition DisruptionTarget"),
            RetryDecision.NOT_COUNTED,
        ),
        (
            "a Pod that a person deleted is retried and does not count",
            ended(because="BackoffLimitExceeded"),
            RetryDecision.NOT_COUNTED,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_retry_decision(name: str, ending: JobState, expected: RetryDecision) -> None:
    """Each row's name is the promise that it protects."""
    assert decide_retry(ending, ending.deciding_pod, Retries(limit=3, non_retryable_exit_codes=[42])) is expected, name


def attempt(number: int, *, counted: bool = True, ended_at: str = ago(minutes=1)) -> Body:
    """Build a failed attempt as in the status."""
    return {"number": number, "reason": "TrainerFailed", "message": "so", "endedAt": ended_at, "counted": counted}


RETRIES = {"limit": 1, "backoff": "10s"}
BACKOFF = timedelta(seconds=10)


def test_a_failure_is_written_before_the_next_attempt_starts() -> None:
    """A crash between the two must neither lose the reason nor start an additional attempt."""
    ended_ago = timedelta(seconds=1)
    just_now = job(
        job_name(retries=RETRIES),
        pod("Failed", trainer=terminated(3), sidecar=DONE),
        ended="Failed",
        ended_ago=ended_ago,
    )
    done = plan(observe(status=pinned(retries=RETRIES), jobs=(just_now,), retries=RETRIES))
    assert (names(done.apply), deleted(done)) == ([], [])
    assert reason(done) == "False Retrying"
    assert condition_of(done, "Stalled") is None
    (written,) = status_of(done).failed_attempts
    assert (written.number, written.reason, written.node, written.counted) == (1, "TrainerFailed", "node-1", True)
    assert status_of(done).failures == 1
    assert done.requeue_after == BACKOFF - ended_ago
    again = plan(observe(status=status_of(done).wire(), jobs=(just_now,), retries=RETRIES))
    assert (names(again.apply), status_of(again)) == ([], status_of(done))


def test_after_the_backoff_the_failed_job_is_deleted_and_the_next_one_created() -> None:
    """Each attempt is a Job with its own name, so that it cannot be created twice."""
    status = pinned(retries=RETRIES) | {"failures": 1, "failedAttempts": [attempt(1)]}
    done = plan(observe(status=status, jobs=(failed(job_name(retries=RETRIES)),), retries=RETRIES))
    # A Job that has ended still counts against a quota.
    assert (names(done.apply), deleted(done)) == ([], [job_name(retries=RETRIES)])
    done = plan(observe(status=status_of(done).wire(), retries=RETRIES))
    assert names(done.apply) == [f"Job {job_name(attempt=2, retries=RETRIES)}"]
    assert status_of(done).attempts == 2
    assert status_of(done).job == job_name(attempt=2, retries=RETRIES)


def test_a_run_fails_after_the_last_retry() -> None:
    """`retries.limit: 1` is two attempts; the outcome and every attempt's own reason are kept."""
    name = job_name(attempt=2, retries=RETRIES)
    status = pinned(retries=RETRIES) | {"job": name, "attempts": 2, "failures": 1, "failedAttempts": [attempt(1)]}
    done = plan(observe(status=status, jobs=(failed(name),), retries=RETRIES))
    assert reason(done) == "False TrainerFailed"
    assert condition_of(done, "Stalled") is not None
    assert [failure.number for failure in status_of(done).failed_attempts] == [1, 2]
    again = plan(observe(status=status_of(done).wire(), jobs=(failed(name),), retries=RETRIES))
    assert (names(again.apply), status_of(again)) == ([], status_of(done))
    without_job = plan(observe(status=status_of(done).wire(), retries=RETRIES))
    assert (names(without_job.apply), status_of(without_job)) == ([], status_of(done))


def test_a_job_is_kept_until_its_end_is_written() -> None:
    """With `ttlAfterFinished: 0s`, an operator that is killed between two writes must not train again."""
    ending = failed(job_name())
    first = plan(observe(status=pinned(), jobs=(ending,), ttlAfterFinished="0s"))
    assert reason(first) == "False TrainerFailed"
    assert deleted(first) == []
    assert first.requeue_after is not None
    written = plan(observe(status=status_of(first).wire(), jobs=(ending,), ttlAfterFinished="0s"))
    assert deleted(written) == [job_name()]


def test_a_disruption_is_retried_without_retries() -> None:
    """A training that is evicted ten times has not failed, though `retries.limit` is 0."""
    evicted = job(
        job_name(), pod("Failed", disruption="EvictionByEvictionAPI"), ended="Failed", ended_ago=timedelta(seconds=1)
    )
    done = plan(observe(status=pinned(), jobs=(evicted,)))
    assert reason(done) == "False Retrying"
    assert status_of(done).failures == 0
    assert [failure.counted for failure in status_of(done).failed_attempts] == [False]


def test_the_status_keeps_the_last_twenty_attempts_and_counts_on() -> None:
    """The status stays small, however often a training is evicted."""
    many = [attempt(number, counted=False) for number in range(11, 31)]
    name = job_name(attempt=31)
    status = pinned() | {"job": name, "attempts": 31, "failedAttempts": many}
    evicted = job(name, pod("Failed", reason="Evicted"), ended="Failed", ended_ago=timedelta(seconds=1))
    kept = status_of(plan(observe(status=status, jobs=(evicted,)))).failed_attempts
    assert [failure.number for failure in kept] == list(range(12, 32))


@given(st.integers(1, 400), st.sampled_from(["1s", "10s", "10m"]))
def test_the_backoff_grows_up_to_five_minutes(count: int, backoff: str) -> None:
    """A backoff that is longer by the spec stays as it is."""
    attempts = [Attempt.model_validate(attempt(number, ended_at=ago())) for number in range(1, count + 1)]
    pause = next_start(attempts, Retries(backoff=backoff)) - parse_timestamp(attempts[-1].ended_at)
    first = next_start(attempts[:1], Retries(backoff=backoff)) - parse_timestamp(attempts[0].ended_at)
    assert first <= pause <= max(first, timedelta(minutes=5))


def test_a_requested_retry_starts_with_all_retries() -> None:
    """`modelops.dev/retry` makes a failed run train again, once for each value."""
    asked = {"modelops.dev/retry": "1"}
    done = plan(observe(status=pinned(outcome="Failed"), annotations=asked))
    assert names(done.apply) == [f"Job {job_name(attempt=2)}"]
    assert (status_of(done).last_handled_retry, status_of(done).failures, status_of(done).attempts) == ("1", 0, 2)
    over = plan(observe(status=status_of(done).wire(), jobs=(failed(job_name(attempt=2)),), annotations=asked))
    assert reason(over) == "False TrainerFailed"
    again = plan(observe(status=status_of(over).wire(), annotations=asked))
    assert (names(again.apply), reason(again)) == ([], "False TrainerFailed")


def test_a_retry_requested_before_a_failure_has_no_effect() -> None:
    """The value is handled while the run trains: an annotation forgotten in Git must not hide a later failure."""
    done = plan(observe(status=pinned(), jobs=(running(job_name()),), annotations={"modelops.dev/retry": "1"}))
    assert reason(done) == "False Training"
    assert status_of(done).last_handled_retry == "1"


def test_a_requested_stop_ends_the_run_and_deletes_its_job() -> None:
    """`modelops.dev/stop` keeps the reason, and is not a failure."""
    stop = {"modelops.dev/stop": "too expensive"}
    done = plan(observe(status=pinned(), jobs=(running(job_name()),), annotations=stop))
    assert (reason(done), reason(done, "Succeeded")) == ("False Stopped", "False Stopped")
    assert condition_of(done, "Stalled") is None
    assert deleted(done) == [job_name()]
    outcome = status_of(done).outcome
    assert outcome is not None
    assert (outcome.state, outcome.message) == ("Stopped", "stopped: too expensive")
    stays = plan(observe(status=status_of(done).wire(), annotations=stop))
    assert (names(stays.apply), reason(stays)) == ([], "False Stopped")


def test_a_handled_stop_does_not_stop_the_run_for_the_next_spec() -> None:
    """A person who changes the spec after a stop need not remove the annotation."""
    stop = {"modelops.dev/stop": "too expensive"}
    stopped = status_of(plan(observe(status=pinned(), jobs=(running(job_name()),), annotations=stop))).wire()
    done = plan(observe(status=stopped, annotations=stop, generation=2, parameters={"max_depth": "9"}))
    assert reason(done) == "False JobCreated"


def test_a_trial_that_was_never_polled_has_the_trace_of_its_report() -> None:
    """A sweep's early stopping compares with every trial that succeeded, also with one that no poll has reached."""
    points = [ProgressPoint(step=step, metrics={"score": step / 4}) for step in (1, 2)]
    report = MODEL.model_copy(update={"progress": ProgressReport(last=points[-1], points=points)})
    ended = job(job_name(), pod("Succeeded", init=DONE, trainer=DONE, sidecar=terminated(0, report)), ended="Complete")
    trial = {"modelops.dev/objective": "score"}
    progress = status_of(plan(observe(status=pinned(), jobs=(ended,), annotations=trial))).progress
    assert progress is not None
    assert [(point.step, point.value) for point in progress.trace] == [(1, 0.25), (2, 0.5)]


def test_progress_stays_in_the_status_without_a_newer_report() -> None:
    """An operator that was restarted must not clear the progress until its first poll."""
    status = pinned() | {"progress": {"step": 3, "metrics": {"loss": 0.5}}}
    trains = job(job_name(), pod(init=DONE, trainer=RUNNING))
    progress = status_of(plan(observe(status=status, jobs=(trains,)))).progress
    assert progress is not None
    assert progress.step == 3


def test_the_last_report_of_the_sidecar_is_the_progress() -> None:
    """Steps, metrics and percentage are in the status of a run that trains, and are polled again."""
    report = ProgressReport(last=ProgressPoint(step=5, metrics={"loss": 0.25}), total_steps=10)
    trains = job(job_name(), pod(init=DONE, trainer=RUNNING, sidecar=RUNNING))
    done = plan(observe(status=pinned(), jobs=(trains,), seen={"progress": report}))
    progress = status_of(done).progress
    assert progress is not None
    assert (progress.step, progress.percent, progress.metrics) == (5, 50, {"loss": 0.25})
    assert done.requeue_after == POLL_EVERY


def test_an_attempt_ends_at_the_time_of_its_job() -> None:
    """A new leader waits no longer for the backoff than the one before."""
    over = failed(job_name(retries=RETRIES))
    (written,) = status_of(plan(observe(status=pinned(retries=RETRIES), jobs=(over,), retries=RETRIES))).failed_attempts
    assert parse_timestamp(written.ended_at) == NOW - timedelta(minutes=1), "the Job ended a minute ago"
