"""How a rollout ends without promotion, and when its deadline counts."""

from dataclasses import dataclass

import pytest

from modelops.controllers.inferenceservice.rollout.annotations import Requests
from modelops.controllers.inferenceservice.rollout.pod_problems import Problem
from modelops.controllers.inferenceservice.rollout.transitions import Outcome, Transition
from support.controllers.rollout_states import (
    ANALYSED,
    CANARY,
    ON_FAILURE_PAUSE,
    analysis,
    next_transition,
    seconds_ago,
    shadow,
)

CRASH = Problem("CrashLoopBackOff", "Pod p: container model ended with exit code 1")
ABORT, PROMOTE, PROMOTE_FULL = Requests(abort="no"), Requests(promote=True), Requests(promote_full=True)
PAUSED = Requests(paused=True)


@dataclass(frozen=True)
class Row:
    """`reason` and `message` are those of the end, or of what holds the candidate."""

    name: str
    given: Transition
    outcome: Outcome | None = None
    reason: str | None = None
    message: str = ""


REQUESTS = [
    Row(
        "a person aborts a rollout",
        next_transition(CANARY, step=1, requests=ABORT),
        outcome=Outcome.FAILED,
        reason="Aborted",
        message="no",
    ),
    Row(
        "an abort precedes any promotion",
        next_transition(CANARY, step=1, requests=Requests(abort="no", promote=True, promote_full=True)),
        outcome=Outcome.FAILED,
        reason="Aborted",
    ),
]
FAILURES = [
    Row(
        "a rollout fails after as many failed analyses in a row as are allowed",
        next_transition(ANALYSED, step=1, in_effect_for=1, analysed=analysis(outcome="Failed", failures=2, passes=1)),
        outcome=Outcome.FAILED,
        reason="AnalysisFailed",
        message="errorRate: 50% (5 of 10 requests), above 10%",
    ),
    Row(
        "a rollout goes on with one failed analysis less than fails it",
        next_transition(ANALYSED, step=1, in_effect_for=1, analysed=analysis(outcome="Failed", failures=1, passes=1)),
    ),
    Row(
        "failed analyses do not count once the spec has no analysis",
        next_transition(CANARY, step=1, in_effect_for=1, analysed=analysis(outcome="Failed", failures=9)),
    ),
    Row(
        "Pods that cannot recover fail a rollout",
        next_transition(CANARY, ready=0, unrecoverable=CRASH, problem=CRASH),
        outcome=Outcome.FAILED,
        reason="CrashLoopBackOff",
        message="exit code 1",
    ),
    Row(
        "Pods that cannot recover fail a paused rollout",
        next_transition(CANARY, unrecoverable=CRASH, requests=PAUSED),
        outcome=Outcome.FAILED,
        reason="CrashLoopBackOff",
    ),
    Row("Pods that may recover do not fail a rollout", next_transition(CANARY, ready=0, problem=CRASH)),
]
DEADLINES = [
    Row("a rollout goes on until the second of its deadline", next_transition(CANARY, ready=0, progress=600)),
    Row(
        "a rollout fails a second after its deadline, with what it waited for",
        next_transition(CANARY, ready=0, progress=601, problem=CRASH),
        outcome=Outcome.FAILED,
        reason="DeadlineExceeded",
        message="no progress for 10m: waiting for Pods, 0 of 2 ready; Pod p: container model ended",
    ),
    Row(
        "a rollout fails by its deadline if the traffic never shifts",
        next_transition(CANARY, step=1, traffic_shifted=False, progress=601),
        outcome=Outcome.FAILED,
        reason="DeadlineExceeded",
        message="waiting for traffic to shift to 20%",
    ),
    Row(
        "a hold does not count as time without progress",
        next_transition(CANARY, step=1, in_effect_for=50, progress=100_000),
    ),
    Row(
        "the deadline counts from the end of a hold",
        next_transition(ANALYSED, step=1, in_effect_for=660, progress=700),
    ),
    Row(
        "a rollout fails by its deadline if no analysis ever passes",
        next_transition(ANALYSED, step=1, in_effect_for=661, progress=700, analysed=analysis(outcome="Inconclusive")),
        outcome=Outcome.FAILED,
        reason="DeadlineExceeded",
        message="waiting for a passing analysis, last: Inconclusive",
    ),
    Row(
        "waiting for a person does not count as time without progress",
        next_transition(CANARY, step=2, in_effect_for=100_000, progress=100_000),
    ),
    Row(
        "a pause does not count as time without progress",
        next_transition(CANARY, ready=0, progress=100_000, requests=PAUSED),
    ),
    Row("the deadline counts from the end of a pause", next_transition(CANARY, ready=0, progress=None)),
    Row(
        "a Shadow whose Pods are never ready fails by its deadline",
        next_transition(shadow("Discard"), ready=0, progress=601),
        outcome=Outcome.FAILED,
        reason="DeadlineExceeded",
    ),
]
ON_FAILURE = [
    Row(
        "onFailure: Pause keeps a candidate whose analysis failed",
        next_transition(
            ON_FAILURE_PAUSE,
            step=1,
            in_effect_for=100,
            analysed=analysis(outcome="Failed", failures=2, passes=1),
        ),
        reason="AnalysisFailed",
    ),
    Row(
        "onFailure: Pause keeps a candidate long after its deadline",
        next_transition(ON_FAILURE_PAUSE, step=1, traffic_shifted=False, progress=100_000),
        reason="DeadlineExceeded",
    ),
    Row(
        "a person aborts a rollout with onFailure: Pause",
        next_transition(ON_FAILURE_PAUSE, step=1, requests=ABORT),
        outcome=Outcome.FAILED,
        reason="Aborted",
    ),
]


@pytest.mark.parametrize("row", [*REQUESTS, *FAILURES, *DEADLINES, *ON_FAILURE], ids=lambda row: row.name)
def test_end(row: Row) -> None:
    """Whether the rollout ends, and why."""
    cause = row.given.cause
    assert (row.given.outcome, cause.reason if cause is not None else None) == (row.outcome, row.reason)
    assert row.message in (cause.message if cause is not None else "")


def test_a_failed_candidate_keeps_its_step_while_a_person_decides() -> None:
    """Neither the weight nor the step changes, even long after the hold."""
    failed = analysis(outcome="Failed", failures=2, passes=5)
    held = next_transition(ON_FAILURE_PAUSE, step=1, in_effect_for=900, analysed=failed)
    assert (held.candidate.step, held.candidate.weight) == (1, 20)
    assert held.waiting_for == "a person to promote or abort"
    entering = next_transition(ON_FAILURE_PAUSE, step=2, weight=20, progress=601)
    assert (entering.candidate.step, entering.candidate.weight) == (2, 20)
    with_all_pods = next_transition(ON_FAILURE_PAUSE, step=3, weight=50, progress=601)
    assert with_all_pods.outcome is None


@pytest.mark.parametrize("requests", [PROMOTE, PROMOTE_FULL], ids=["promote", "promote-full"])
@pytest.mark.parametrize("step", [0, 3], ids=["before the first step", "after the last step"])
def test_a_person_overrules_a_failure_where_there_is_no_step_to_leave(step: int, requests: Requests) -> None:
    """The Pods are late: a request to promote starts the deadline again, and is not reported as without an effect."""
    moved = next_transition(
        ON_FAILURE_PAUSE, step=step, weight=50 if step else 0, ready=0, progress=601, requests=requests
    )
    assert (moved.outcome, moved.cause, moved.ignored) == (None, None, ())
    assert moved.candidate.progress_since == seconds_ago(0)
    assert moved.requeue_after is not None
    if step or requests is PROMOTE:
        assert moved.candidate.step == step


def test_an_overruled_candidate_advances_with_the_request() -> None:
    """The Pods were ready after the deadline: a request to promote gives the first step at once."""
    moved = next_transition(ON_FAILURE_PAUSE, step=0, progress=601, requests=PROMOTE)
    assert (moved.candidate.step, moved.candidate.weight, moved.candidate.step_since) == (1, 20, None)


def test_an_overruled_rollout_is_reconciled_again() -> None:
    """Nothing else might wake the operator: the old failure would stay in the conditions."""
    failed = analysis(outcome="Failed", failures=2, passes=1)
    moved = next_transition(ON_FAILURE_PAUSE, step=1, in_effect_for=100, analysed=failed, requests=PROMOTE)
    assert (moved.cause, moved.candidate.step) == (None, 2)
    assert moved.requeue_after is not None


def test_a_weight_that_was_given_before_a_pause_takes_effect_during_it() -> None:
    """Otherwise no analysis would run, and no failure would end the rollout."""
    waiting = next_transition(ANALYSED, step=1, traffic_shifted=False, requests=PAUSED)
    assert waiting.requeue_after is not None
    in_effect = next_transition(ANALYSED, step=1, traffic_shifted=True, requests=PAUSED)
    assert in_effect.candidate.step_since == seconds_ago(0)


def test_an_overruled_failure_is_forgiven() -> None:
    """Otherwise the next reconcile would stop at the same failure again."""
    failed = analysis(outcome="Failed", failures=2)
    moved = next_transition(ON_FAILURE_PAUSE, step=1, in_effect_for=1, analysed=failed, requests=PROMOTE)
    assert (moved.candidate.step, moved.outcome) == (2, None)
    assert moved.candidate.analysis is not None
    assert moved.candidate.analysis.failures == 0
    assert moved.candidate.progress_since == seconds_ago(0)


def test_the_deadline_starts_again_after_a_pause() -> None:
    """A pause of a day must not fail the rollout when it resumes."""
    paused = next_transition(CANARY, ready=0, progress=500, requests=PAUSED).candidate
    assert paused.progress_since is None
    assert next_transition(CANARY, ready=0, progress=None).candidate.progress_since == seconds_ago(0)


@pytest.mark.parametrize(
    ("moved", "seconds"),
    [
        pytest.param(
            next_transition(CANARY, ready=0, progress=400), 201, id="at the deadline while Pods are waited for"
        ),
        pytest.param(next_transition(CANARY, step=1, in_effect_for=20), 41, id="at the end of a hold"),
        pytest.param(
            next_transition(CANARY, step=1, in_effect_for=20, ready=0),
            41,
            id="at the end of a hold even if Pods are missing",
        ),
        pytest.param(next_transition(CANARY, step=1, traffic_shifted=False), 0.3, id="often while the traffic shifts"),
        pytest.param(next_transition(CANARY, former_gone=False), 1, id="soon while a former candidate terminates"),
        pytest.param(
            next_transition(ANALYSED, step=1, in_effect_for=100, progress=700),
            561,
            id="at the deadline while an analysis is waited for",
        ),
        pytest.param(next_transition(CANARY, step=2, in_effect_for=20), None, id="never while a person is waited for"),
        pytest.param(next_transition(CANARY, step=1, in_effect_for=900, requests=PAUSED), None, id="never in a pause"),
    ],
)
def test_the_next_reconcile(moved: Transition, seconds: float | None) -> None:
    """Nothing else may wake the operator: without this a rollout would stand still."""
    assert (moved.requeue_after.total_seconds() if moved.requeue_after is not None else None) == seconds
