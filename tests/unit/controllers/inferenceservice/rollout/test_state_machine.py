"""A candidate's way from step to step: when it moves on, and that it never does so too early."""

from dataclasses import dataclass
from typing import Any

import pytest

from modelops.controllers.inferenceservice.rollout.state_machine import Course, End, pods_wanted, stage_in_force
from support.rollout_states import (
    APPROVED,
    BLUE_GREEN,
    CANARY,
    JUDGED,
    Json,
    ago,
    analysis,
    asked,
    next_move,
    scene,
    shadow,
)

PROMOTE, FULL, PAUSED = asked(promote=True), asked(promote_full=True), asked(paused=True)
BOTH = asked(promote=True, paused=True)


@dataclass(frozen=True)
class Case:
    """`step`, `weight` and `takes_effect` are the candidate's after the move."""

    name: str
    move: Course
    step: int
    weight: int
    takes_effect: bool | None = None
    waits_for: str = ""
    ended: End | None = None


def case(name: str, given: Course, step: int, weight: int, **expected: Any) -> Case:
    """A row."""
    return Case(name, given, step, weight, **expected)


CASES = [
    case(
        "the first step waits for the Pods that it takes",
        next_move(CANARY, ready=1),
        *(0, 0),
        waits_for="1 of 2 Pods are ready",
    ),
    case("and begins with them", next_move(CANARY, ready=2), 1, 20, takes_effect=False),
    case(
        "no share is given while requests may still go to a former candidate",
        next_move(CANARY, alone=False),
        *(0, 0),
        waits_for="the Pods of a former candidate to go",
    ),
    case(
        "nor before its Service leads to it",
        next_move(CANARY, reached=False),
        *(0, 0),
        waits_for="its Service to lead to it",
    ),
    case(
        "a rollout that is paused does not begin",
        next_move(CANARY, requests=PAUSED),
        *(0, 0),
        waits_for="the annotation modelops.dev/pause to go",
    ),
    case(
        "a step takes effect only once the requests are seen to follow",
        next_move(CANARY, 1, follows=False),
        *(1, 20),
        takes_effect=False,
        waits_for="the requests to follow its weight of 20 percent",
    ),
    case("and then its hold begins", next_move(CANARY, 1), 1, 20, takes_effect=True, waits_for="hold in 61 s"),
    case(
        "a hold lasts at least as long as it says, whatever was cut off a time in the status",
        next_move(CANARY, 1, in_force=60),
        *(1, 20),
        waits_for="hold in 1 s",
    ),
    case("and then comes the next step", next_move(CANARY, 1, in_force=61), 2, 50, takes_effect=False),
    case(
        "whose share it gets only with Pods enough for it",
        next_move(CANARY, 1, in_force=61, ready=4),
        *(2, 20),
        takes_effect=False,
        waits_for="4 of 5 Pods are ready",
    ),
    case("which may come later", next_move(CANARY, 2, weight=20, ready=5), 2, 50, takes_effect=False),
    case(
        "a step without a hold waits for a person for ever",
        next_move(CANARY, 2, in_force=1_000_000, progress=1_000_000),
        *(2, 50),
        waits_for="a person to promote it",
    ),
    case("who may promote it", next_move(CANARY, 2, in_force=1, requests=PROMOTE), 3, 50, ended=End.PROMOTED),
    case(
        "but not to all requests without Pods for all of them",
        next_move(CANARY, 2, in_force=1, ready=9, requests=PROMOTE),
        *(3, 50),
        waits_for="9 of 10 Pods are ready",
    ),
    case("they come, and it serves", next_move(CANARY, 3, weight=50), 3, 50, ended=End.PROMOTED),
    case("a person may cut a hold short", next_move(CANARY, 1, in_force=1, requests=PROMOTE), 2, 50),
    case(
        "before the first step there is none to promote from",
        next_move(CANARY, ready=1, requests=PROMOTE),
        *(0, 0),
        waits_for="1 of 2 Pods are ready",
    ),
    case(
        "promoting in full skips all steps",
        next_move(CANARY, 1, in_force=1, requests=FULL),
        *(3, 20),
        ended=End.PROMOTED,
    ),
    case(
        "but gives no share without Pods for it",
        next_move(CANARY, 1, in_force=1, ready=2, requests=FULL),
        *(3, 20),
        waits_for="2 of 10 Pods are ready",
    ),
    case(
        "even before the first step",
        next_move(CANARY, ready=0, requests=FULL),
        *(3, 0),
        waits_for="0 of 10 Pods are ready",
    ),
    case(
        "a pause keeps a candidate in its step",
        next_move(CANARY, 1, in_force=900, requests=PAUSED),
        *(1, 20),
        waits_for="the annotation modelops.dev/pause to go",
    ),
    case(
        "but a person's word goes before it",
        next_move(CANARY, 1, in_force=1, requests=BOTH),
        2,
        50,
    ),
    case(
        "without a judgement there is no next step where one is asked for",
        next_move(JUDGED, 1, in_force=100),
        *(1, 20),
        waits_for="there has been none yet",
    ),
    case(
        "nor by one from the step before",
        next_move(JUDGED, 1, in_force=100, judged=analysis(passes=0)),
        *(1, 20),
        waits_for="the last is Passed",
    ),
    case(
        "nor after one that failed last",
        next_move(JUDGED, 1, in_force=100, judged=analysis(1, 3, "Failed")),
        *(1, 20),
        waits_for="the last is Failed: errorRate: 50% (5 of 10 requests), above 10%",
    ),
    case(
        "a judgement that does not pass or fail does not count",
        next_move(JUDGED, 1, in_force=100, judged=analysis(0, 0, "Inconclusive")),
        *(1, 20),
        waits_for="the last is Inconclusive",
    ),
    case("one that passed in this step does", next_move(JUDGED, 1, in_force=100, judged=analysis(0, 1)), 2, 50),
    case("it does not cut the hold short", next_move(JUDGED, 1, in_force=10, judged=analysis(0, 9)), 1, 20),
    case("a BlueGreen stands ready first", next_move(BLUE_GREEN), 1, 0, takes_effect=False),
    case("then it gets all requests", next_move(BLUE_GREEN, 1, in_force=31), 2, 100),
    case("with Pods for all of them", next_move(BLUE_GREEN, 1, in_force=31, ready=9), 2, 0),
    case("then it is watched", next_move(BLUE_GREEN, 2, in_force=59), 2, 100, waits_for="hold in 2 s"),
    case("and then it serves", next_move(BLUE_GREEN, 2, in_force=61), 3, 100, ended=End.PROMOTED),
    case("unless somebody must approve", next_move(APPROVED, 1, in_force=900), 1, 0, waits_for="a person"),
    case("who does", next_move(APPROVED, 1, in_force=900, requests=PROMOTE), 2, 100),
    case("a Shadow that waits", next_move(shadow("Wait"), 1, in_force=900), 1, 0, waits_for="a person"),
    case("a Shadow that promotes", next_move(shadow("Promote"), 1, in_force=61), 2, 0, ended=End.PROMOTED),
    case("a Shadow that discards", next_move(shadow("Discard"), 1, in_force=61), 1, 0, ended=End.DISCARDED),
    case("but not before its time", next_move(shadow("Discard"), 1, in_force=60), 1, 0),
    case("nor while it is paused", next_move(shadow("Discard"), 1, in_force=61, requests=PAUSED), 1, 0),
    case(
        "a person may promote it all the same",
        next_move(shadow("Discard"), 1, in_force=1, requests=PROMOTE),
        2,
        0,
        ended=End.PROMOTED,
    ),
]


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_the_next_move(row: Case) -> None:
    """Step, share, and what is waited for."""
    candidate = row.move.candidate
    assert (candidate.step, candidate.weight, row.move.end) == (row.step, row.weight, row.ended)
    assert row.waits_for in row.move.waits_for
    if row.takes_effect is not None:
        assert (candidate.step_since is not None) == row.takes_effect


def test_a_promotion_before_the_first_step_is_told_of() -> None:
    """It would go lost without a word."""
    assert next_move(CANARY, ready=1, requests=PROMOTE).ignored == ("promote",)
    assert next_move(CANARY, 1, requests=PROMOTE).ignored == ()


def test_a_step_begins_with_a_clean_slate() -> None:
    """What passed in the step before proves nothing in this one, and failures that a person overruled are forgiven."""
    judged = analysis(failures=1, passes=3)
    on_its_way = next_move(JUDGED, 1, in_force=1, judged=judged, requests=PROMOTE).candidate
    assert on_its_way.analysis is not None
    assert (on_its_way.analysis.failures, on_its_way.progress_since) == (0, ago(0))
    begun = next_move(JUDGED, 2, judged=judged).candidate
    assert begun.analysis is not None
    assert begun.analysis.passes == 0


THREE: Json = {"steps": [{"weight": 10, "hold": "1s"}, {"weight": 50}, {"weight": 90}]}


@pytest.mark.parametrize(
    ("rollout", "step", "weight", "in_force"),
    [
        (THREE, 0, 0, None),
        (THREE, 1, 10, 10),
        (THREE, 2, 10, 10),
        (THREE, 2, 50, 50),
        (THREE, 3, 10, 10),
        (THREE, 3, 50, 50),
        (THREE, 4, 10, 10),
        (THREE, 4, 0, None),
        (BLUE_GREEN, 1, 0, 0),
        (BLUE_GREEN, 2, 0, 0),
        (BLUE_GREEN, 2, 100, 100),
        (BLUE_GREEN, 3, 100, 100),
    ],
)
def test_the_share_that_is_passed_on_is_the_one_that_the_status_tells(
    rollout: Json, step: int, weight: int, in_force: int | None
) -> None:
    """A candidate that was promoted over several steps has Pods for none of them yet: it must not get their share."""
    given = scene(rollout, step, weight=weight)
    found = stage_in_force(given.stages, given.candidate)
    assert (found.weight if found is not None else None) == in_force


@pytest.mark.parametrize(
    ("given", "pods"),
    [
        (scene(CANARY, 0), 2),
        (scene(CANARY, 1), 2),
        (scene(CANARY, 2, weight=20), 5),
        (scene(CANARY, 3, weight=50), 10),
        (scene(BLUE_GREEN, 1), 1),
        (scene({**BLUE_GREEN, "mirror": {"percent": 50}}, 1), 5),
        (scene({**BLUE_GREEN, "mirror": {"percent": 50}}, 2, weight=0), 10),
        (scene({**CANARY, "mirror": {"percent": 100}}, 1), 10),
        (scene(shadow("Wait"), 0), 10),
        (scene(CANARY, 0, full=1), 1),
    ],
)
def test_the_pods_of_a_step(given: Any, pods: int) -> None:
    """Copies are requests too, and on the way to a step the one before still has its share."""
    assert pods_wanted(given) == pods
