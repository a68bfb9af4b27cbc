"""How a candidate's way ends without promotion, and when its deadline counts."""

from dataclasses import dataclass

import pytest

from modelops.controllers.inferenceservice.rollout.pod_problems import Problem
from modelops.controllers.inferenceservice.rollout.state_machine import Course, End
from support.rollout_states import CANARY, JUDGED, PATIENT, ago, analysis, asked, next_move, shadow

CRASHES = Problem("CrashLoopBackOff", "Pod p: container model ended with exit code 1")
PAUSED = asked(paused=True)


@dataclass(frozen=True)
class Case:
    """The end, and the reason for it or for what holds the candidate up."""

    name: str
    move: Course
    ended: End | None
    reason: str | None
    message: str = ""


CASES = [
    Case("a person aborts", next_move(CANARY, 1, requests=asked(abort="no")), End.FAILED, "Aborted", "no"),
    Case(
        "an abort goes before any promotion",
        next_move(CANARY, 1, requests=asked(abort="no", promote=True, promote_full=True)),
        End.FAILED,
        "Aborted",
    ),
    Case(
        "as many failures in a row as are allowed",
        next_move(JUDGED, 1, in_force=1, judged=analysis(2, 1, "Failed")),
        End.FAILED,
        "AnalysisFailed",
        "errorRate: 50% (5 of 10 requests), above 10%",
    ),
    Case("one failure fewer", next_move(JUDGED, 1, in_force=1, judged=analysis(1, 1, "Failed")), None, None),
    Case(
        "a failure that nothing is asked about any more",
        next_move(CANARY, 1, in_force=1, judged=analysis(9, 0, "Failed")),
        None,
        None,
    ),
    Case(
        "Pods that will not get over it",
        next_move(CANARY, ready=0, hopeless=CRASHES, problem=CRASHES),
        End.FAILED,
        "CrashLoopBackOff",
        "exit code 1",
    ),
    Case("even in a pause", next_move(CANARY, hopeless=CRASHES, requests=PAUSED), End.FAILED, "CrashLoopBackOff"),
    Case("Pods that may get over it", next_move(CANARY, ready=0, problem=CRASHES), None, None),
    Case("a deadline to the second", next_move(CANARY, ready=0, progress=600), None, None),
    Case(
        "a second later",
        next_move(CANARY, ready=0, progress=601, problem=CRASHES),
        End.FAILED,
        "DeadlineExceeded",
        "no progress for 10m: 0 of 2 Pods are ready; Pod p: container model ended",
    ),
    Case(
        "requests that never follow",
        next_move(CANARY, 1, follows=False, progress=601),
        End.FAILED,
        "DeadlineExceeded",
        "the requests to follow its weight of 20 percent",
    ),
    Case("a hold is no lack of progress", next_move(CANARY, 1, in_force=50, progress=100_000), None, None),
    Case("what comes after it is", next_move(JUDGED, 1, in_force=660, progress=700), None, None),
    Case(
        "a judgement that never passes",
        next_move(JUDGED, 1, in_force=661, progress=700, judged=analysis(0, 0, "Inconclusive")),
        End.FAILED,
        "DeadlineExceeded",
        "a judgement that passes; the last is Inconclusive",
    ),
    Case("nor is a person's time", next_move(CANARY, 2, in_force=100_000, progress=100_000), None, None),
    Case("nor a pause", next_move(CANARY, ready=0, progress=100_000, requests=PAUSED), None, None),
    Case("the clock begins anew after a pause", next_move(CANARY, ready=0, progress=None), None, None),
    Case(
        "a Shadow without Pods",
        next_move(shadow("Discard"), ready=0, progress=601),
        End.FAILED,
        "DeadlineExceeded",
    ),
    Case(
        "onFailure: Pause keeps what failed",
        next_move(PATIENT, 1, in_force=100, judged=analysis(2, 1, "Failed")),
        None,
        "AnalysisFailed",
    ),
    Case("for as long as it takes", next_move(PATIENT, 1, follows=False, progress=100_000), None, "DeadlineExceeded"),
    Case("until a person aborts", next_move(PATIENT, 1, requests=asked(abort="no")), End.FAILED, "Aborted"),
]


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_the_end(row: Case) -> None:
    """Whether it ends, by what, and with which words."""
    verdict = row.move.verdict
    assert (row.move.end, verdict.reason if verdict is not None else None) == (row.ended, row.reason)
    assert row.message in (verdict.message if verdict is not None else "")


def test_what_failed_stays_where_it_is() -> None:
    """Neither a share nor a step changes while a person thinks, be the hold long over."""
    move = next_move(PATIENT, 1, in_force=900, judged=analysis(2, 5, "Failed"))
    assert (move.candidate.step, move.candidate.weight) == (1, 20)
    assert move.waits_for == "a person to promote or abort it"
    waiting = next_move(PATIENT, 2, weight=20, progress=601)
    assert (waiting.candidate.step, waiting.candidate.weight) == (2, 20)
    all_pods = next_move(PATIENT, 3, weight=50, progress=601)
    assert all_pods.end is None


@pytest.mark.parametrize("word", ["promote", "promote_full"])
@pytest.mark.parametrize("step", [0, 3], ids=["before the first step", "behind the last"])
def test_a_person_has_it_go_on_where_there_is_no_step_to_leave(step: int, word: str) -> None:
    """Its Pods came after the deadline: it had asked for a promotion, and told who promoted that there was no step."""
    move = next_move(PATIENT, step, weight=50 if step else 0, ready=0, progress=601, requests=asked(**{word: True}))
    assert (move.end, move.verdict, move.ignored) == (None, None, ())
    assert move.candidate.progress_since == ago(0)
    assert move.requeue_after is not None
    if step or word == "promote":
        assert move.candidate.step == step


def test_what_a_person_has_let_go_on_is_looked_at_again() -> None:
    """The old verdict had stood until something else happened, and nothing did."""
    move = next_move(PATIENT, 1, in_force=100, judged=analysis(2, 1, "Failed"), requests=asked(promote=True))
    assert (move.verdict, move.candidate.step) == (None, 2)
    assert move.requeue_after is not None


def test_a_share_that_was_given_before_a_pause_is_seen_to_take_effect() -> None:
    """Without that it had never been judged, and a failure would not have ended it."""
    waiting = next_move(JUDGED, 1, follows=False, requests=PAUSED)
    assert waiting.requeue_after is not None
    assert next_move(JUDGED, 1, follows=True, requests=PAUSED).candidate.step_since == ago(0)


def test_a_person_overrules_a_failure() -> None:
    """What failed before is forgiven with it, or the next look would stop at it again."""
    move = next_move(PATIENT, 1, in_force=1, judged=analysis(2, 0, "Failed"), requests=asked(promote=True))
    assert (move.candidate.step, move.end) == (2, None)
    assert move.candidate.analysis is not None
    assert move.candidate.analysis.failures == 0
    assert move.candidate.progress_since == ago(0)


def test_the_clock_stands_while_paused_and_begins_anew() -> None:
    """A pause of a day must not be what a rollout fails by when it goes on."""
    paused = next_move(CANARY, ready=0, progress=500, requests=PAUSED).candidate
    assert paused.progress_since is None
    assert next_move(CANARY, ready=0, progress=None).candidate.progress_since == ago(0)


@pytest.mark.parametrize(
    ("move", "seconds"),
    [
        (next_move(CANARY, ready=0, progress=400), 201),
        (next_move(CANARY, 1, in_force=20), 41),
        (next_move(CANARY, 1, follows=False), 0.3),
        (next_move(CANARY, alone=False), 1),
        (next_move(JUDGED, 1, in_force=100, progress=700), 561),
        (next_move(CANARY, 2, in_force=20), None),
        (next_move(CANARY, 1, in_force=900, requests=PAUSED), None),
    ],
    ids=[
        "at the deadline while Pods are waited for",
        "at the end of a hold",
        "often while requests begin to follow",
        "soon while a former candidate goes",
        "at the deadline while a judgement is waited for",
        "never by itself while a person is waited for",
        "never by itself in a pause",
    ],
)
def test_when_to_look_again(move: Course, seconds: float | None) -> None:
    """Nothing else may wake the operator: without this a rollout would stand still."""
    assert (move.requeue_after.total_seconds() if move.requeue_after is not None else None) == seconds
