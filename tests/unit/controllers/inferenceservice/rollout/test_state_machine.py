"""How a candidate gets from step to step: when it advances, and that it never does so too early."""

from dataclasses import dataclass

import pytest

from modelops.controllers.inferenceservice.rollout.annotations import Requests
from modelops.controllers.inferenceservice.rollout.state import RolloutState, weighted_step
from modelops.controllers.inferenceservice.rollout.state_machine import Outcome, Transition
from support.builders.inferenceservices import Json
from support.rollout_states import (
    ANALYSED,
    APPROVED_BLUE_GREEN,
    BLUE_GREEN,
    CANARY,
    analysis,
    next_transition,
    rollout_state,
    seconds_ago,
    shadow,
)

PROMOTE, PROMOTE_FULL, PAUSED = Requests(promote=True), Requests(promote_full=True), Requests(paused=True)
PROMOTE_WHILE_PAUSED = Requests(promote=True, paused=True)


@dataclass(frozen=True)
class Row:
    """`step`, `weight` and `in_effect` are the candidate's after the transition. None: not asserted."""

    name: str
    given: Transition
    step: int
    weight: int
    in_effect: bool | None = None
    waiting_for: str = ""
    outcome: Outcome | None = None


FIRST_STEP = [
    Row(
        "the first step waits for the Pods that it needs",
        next_transition(CANARY, ready=1),
        step=0,
        weight=0,
        waiting_for="Pods, 1 of 2 ready",
    ),
    Row(
        "the first step begins once its Pods are ready",
        next_transition(CANARY, ready=2),
        step=1,
        weight=20,
        in_effect=False,
    ),
    Row(
        "a candidate gets no traffic before the Pods of the former candidate are gone",
        next_transition(CANARY, former_gone=False),
        step=0,
        weight=0,
        waiting_for="the Pods of a former candidate to terminate",
    ),
    Row(
        "a candidate gets no traffic before its Service selects it",
        next_transition(CANARY, service_switched=False),
        step=0,
        weight=0,
        waiting_for="the candidate's Service to select the candidate",
    ),
    Row(
        "a paused rollout does not begin",
        next_transition(CANARY, requests=PAUSED),
        step=0,
        weight=0,
        waiting_for="the annotation modelops.dev/pause to be removed",
    ),
    Row(
        "a request to promote before the first step has no effect",
        next_transition(CANARY, ready=1, requests=PROMOTE),
        step=0,
        weight=0,
        waiting_for="Pods, 1 of 2 ready",
    ),
]
NEXT_STEP = [
    Row(
        "a step takes effect only once the traffic has shifted",
        next_transition(CANARY, step=1, traffic_shifted=False),
        step=1,
        weight=20,
        in_effect=False,
        waiting_for="traffic to shift to 20%",
    ),
    Row(
        "the hold of a step begins when the traffic has shifted",
        next_transition(CANARY, step=1),
        step=1,
        weight=20,
        in_effect=True,
        waiting_for="the end of the hold, 61s left",
    ),
    Row(
        "a hold lasts at least as long as the spec says, although the status cuts off fractions of a second",
        next_transition(CANARY, step=1, in_effect_for=60),
        step=1,
        weight=20,
        waiting_for="the end of the hold, 1s left",
    ),
    Row(
        "the next step follows the hold",
        next_transition(CANARY, step=1, in_effect_for=61),
        step=2,
        weight=50,
        in_effect=False,
    ),
    Row(
        "the candidate keeps its weight until it has the Pods for the next one",
        next_transition(CANARY, step=1, in_effect_for=61, ready=4),
        step=2,
        weight=20,
        in_effect=False,
        waiting_for="Pods, 4 of 5 ready",
    ),
    Row(
        "a step that waited for Pods gives its weight once they are ready",
        next_transition(CANARY, step=2, weight=20, ready=5),
        step=2,
        weight=50,
        in_effect=False,
    ),
    Row(
        "a step ends after its hold although a Pod is missing",
        next_transition(CANARY, step=1, in_effect_for=61, ready=1),
        step=2,
        weight=20,
        waiting_for="Pods, 1 of 5 ready",
    ),
    Row(
        "a missing Pod is reported during a hold",
        next_transition(CANARY, step=1, in_effect_for=1, ready=1),
        step=1,
        weight=20,
        waiting_for="the end of the hold, 60s left; 1 of 2 Pods ready",
    ),
    Row(
        "a step without a hold waits for a person for ever",
        next_transition(CANARY, step=2, in_effect_for=1_000_000, progress=1_000_000),
        step=2,
        weight=50,
        waiting_for="a person to promote",
    ),
    Row(
        "a pause keeps a candidate in its step",
        next_transition(CANARY, step=1, in_effect_for=900, requests=PAUSED),
        step=1,
        weight=20,
        waiting_for="the annotation modelops.dev/pause to be removed",
    ),
]
REQUESTS = [
    Row(
        "a person promotes a candidate out of a step without a hold",
        next_transition(CANARY, step=2, in_effect_for=1, requests=PROMOTE),
        step=3,
        weight=50,
        outcome=Outcome.PROMOTED,
    ),
    Row(
        "a promoted candidate waits for the Pods that all requests need",
        next_transition(CANARY, step=2, in_effect_for=1, ready=9, requests=PROMOTE),
        step=3,
        weight=50,
        waiting_for="Pods, 9 of 10 ready",
    ),
    Row(
        "a promoted candidate serves once it has the Pods for all requests",
        next_transition(CANARY, step=3, weight=50),
        step=3,
        weight=50,
        outcome=Outcome.PROMOTED,
    ),
    Row(
        "a person cuts a hold short",
        next_transition(CANARY, step=1, in_effect_for=1, requests=PROMOTE),
        step=2,
        weight=50,
    ),
    Row(
        "a full promotion skips all steps",
        next_transition(CANARY, step=1, in_effect_for=1, requests=PROMOTE_FULL),
        step=3,
        weight=20,
        outcome=Outcome.PROMOTED,
    ),
    Row(
        "a full promotion gives no weight without the Pods for it",
        next_transition(CANARY, step=1, in_effect_for=1, ready=2, requests=PROMOTE_FULL),
        step=3,
        weight=20,
        waiting_for="Pods, 2 of 10 ready",
    ),
    Row(
        "a full promotion works before the first step",
        next_transition(CANARY, ready=0, requests=PROMOTE_FULL),
        step=3,
        weight=0,
        waiting_for="Pods, 0 of 10 ready",
    ),
    Row(
        "a request to promote precedes a pause",
        next_transition(CANARY, step=1, in_effect_for=1, requests=PROMOTE_WHILE_PAUSED),
        step=2,
        weight=50,
    ),
]
ANALYSES = [
    Row(
        "the first analysis is waited for",
        next_transition(ANALYSED, step=1, in_effect_for=100),
        step=1,
        weight=20,
        waiting_for="a passing analysis, none yet",
    ),
    Row(
        "an analysis that passed in the step before does not count",
        next_transition(ANALYSED, step=1, in_effect_for=100, analysed=analysis(passes=0)),
        step=1,
        weight=20,
        waiting_for="a passing analysis, last: Passed",
    ),
    Row(
        "an analysis that passed does not count after one that failed",
        next_transition(ANALYSED, step=1, in_effect_for=100, analysed=analysis(outcome="Failed", failures=1, passes=3)),
        step=1,
        weight=20,
        waiting_for="a passing analysis, last: Failed, errorRate: 50% (5 of 10 requests), above 10%",
    ),
    Row(
        "an inconclusive analysis does not count",
        next_transition(ANALYSED, step=1, in_effect_for=100, analysed=analysis(outcome="Inconclusive")),
        step=1,
        weight=20,
        waiting_for="a passing analysis, last: Inconclusive",
    ),
    Row(
        "an analysis that passed in this step lets the candidate advance",
        next_transition(ANALYSED, step=1, in_effect_for=100, analysed=analysis(passes=1)),
        step=2,
        weight=50,
    ),
    Row(
        "analyses that passed do not cut a hold short",
        next_transition(ANALYSED, step=1, in_effect_for=10, analysed=analysis(passes=9)),
        step=1,
        weight=20,
    ),
]
OTHER_STRATEGIES = [
    Row(
        "the candidate of a BlueGreen is ready before it gets traffic",
        next_transition(BLUE_GREEN),
        step=1,
        weight=0,
        in_effect=False,
    ),
    Row(
        "the candidate of a BlueGreen gets all traffic after the hold",
        next_transition(BLUE_GREEN, step=1, in_effect_for=31),
        step=2,
        weight=100,
    ),
    Row(
        "the candidate of a BlueGreen gets no traffic without the Pods for all of it",
        next_transition(BLUE_GREEN, step=1, in_effect_for=31, ready=9),
        step=2,
        weight=0,
    ),
    Row(
        "the candidate of a BlueGreen is watched while it has all traffic",
        next_transition(BLUE_GREEN, step=2, in_effect_for=59),
        step=2,
        weight=100,
        waiting_for="the end of the hold, 2s left",
    ),
    Row(
        "the candidate of a BlueGreen is promoted after the watch",
        next_transition(BLUE_GREEN, step=2, in_effect_for=61),
        step=3,
        weight=100,
        outcome=Outcome.PROMOTED,
    ),
    Row(
        "a BlueGreen with approval waits for a person",
        next_transition(APPROVED_BLUE_GREEN, step=1, in_effect_for=900),
        step=1,
        weight=0,
        waiting_for="a person to promote",
    ),
    Row(
        "a person approves a BlueGreen",
        next_transition(APPROVED_BLUE_GREEN, step=1, in_effect_for=900, requests=PROMOTE),
        step=2,
        weight=100,
    ),
    Row(
        "a Shadow with then=Wait waits for a person",
        next_transition(shadow("Wait"), step=1, in_effect_for=900),
        step=1,
        weight=0,
        waiting_for="a person to promote",
    ),
    Row(
        "a Shadow with then=Promote promotes after its duration",
        next_transition(shadow("Promote"), step=1, in_effect_for=61),
        step=2,
        weight=0,
        outcome=Outcome.PROMOTED,
    ),
    Row(
        "a Shadow with then=Discard discards after its duration",
        next_transition(shadow("Discard"), step=1, in_effect_for=61),
        step=1,
        weight=0,
        outcome=Outcome.DISCARDED,
    ),
    Row(
        "a Shadow does not discard before the end of its duration",
        next_transition(shadow("Discard"), step=1, in_effect_for=60),
        step=1,
        weight=0,
    ),
    Row(
        "a Shadow does not discard while it is paused",
        next_transition(shadow("Discard"), step=1, in_effect_for=61, requests=PAUSED),
        step=1,
        weight=0,
    ),
    Row(
        "a person promotes a Shadow that would discard",
        next_transition(shadow("Discard"), step=1, in_effect_for=1, requests=PROMOTE),
        step=2,
        weight=0,
        outcome=Outcome.PROMOTED,
    ),
]


@pytest.mark.parametrize(
    "row", [*FIRST_STEP, *NEXT_STEP, *REQUESTS, *ANALYSES, *OTHER_STRATEGIES], ids=lambda row: row.name
)
def test_transition(row: Row) -> None:
    """Step, weight, outcome, and what the rollout waits for."""
    candidate = row.given.candidate
    assert (candidate.step, candidate.weight, row.given.outcome) == (row.step, row.weight, row.outcome)
    assert row.waiting_for in row.given.waiting_for
    if row.in_effect is not None:
        assert (candidate.step_since is not None) == row.in_effect


def test_a_request_without_an_effect_is_reported() -> None:
    """Whoever promotes before the first step would otherwise wait without a word."""
    assert next_transition(CANARY, ready=1, requests=PROMOTE).ignored == ("promote",)
    assert next_transition(CANARY, step=1, requests=PROMOTE).ignored == ()


def test_a_step_forgets_the_analyses_of_the_step_before() -> None:
    """Earlier passes prove nothing in this step, and failures that a person overruled do not count."""
    analysed = analysis(failures=1, passes=3)
    entering = next_transition(ANALYSED, step=1, in_effect_for=1, analysed=analysed, requests=PROMOTE).candidate
    assert entering.analysis is not None
    assert (entering.analysis.failures, entering.progress_since) == (0, seconds_ago(0))
    in_effect = next_transition(ANALYSED, step=2, analysed=analysed).candidate
    assert in_effect.analysis is not None
    assert in_effect.analysis.passes == 0


THREE_STEPS: Json = {"steps": [{"weight": 10, "hold": "1s"}, {"weight": 50}, {"weight": 90}]}


@pytest.mark.parametrize(
    ("state", "weight"),
    [
        (rollout_state(THREE_STEPS, step=0, weight=0), None),
        (rollout_state(THREE_STEPS, step=1, weight=10), 10),
        (rollout_state(THREE_STEPS, step=2, weight=10), 10),
        (rollout_state(THREE_STEPS, step=2, weight=50), 50),
        (rollout_state(THREE_STEPS, step=3, weight=10), 10),
        (rollout_state(THREE_STEPS, step=3, weight=50), 50),
        (rollout_state(THREE_STEPS, step=4, weight=10), 10),
        (rollout_state(THREE_STEPS, step=4, weight=0), None),
        (rollout_state(BLUE_GREEN, step=1, weight=0), 0),
        (rollout_state(BLUE_GREEN, step=2, weight=0), 0),
        (rollout_state(BLUE_GREEN, step=2, weight=100), 100),
        (rollout_state(BLUE_GREEN, step=3, weight=100), 100),
    ],
    ids=lambda value: (
        f"step {value.candidate.step}, weight {value.candidate.weight}" if isinstance(value, RolloutState) else ""
    ),
)
def test_the_candidate_gets_the_traffic_of_the_weight_in_its_status(state: RolloutState, weight: int | None) -> None:
    """A candidate that was promoted over several steps has no Pods for them yet, and must not get their traffic."""
    found = weighted_step(state.steps, state.candidate)
    assert (found.weight if found is not None else None) == weight


@pytest.mark.parametrize(
    ("state", "pods"),
    [
        pytest.param(rollout_state(CANARY, step=0), 2, id="before a step with 20%"),
        pytest.param(rollout_state(CANARY, step=1), 2, id="in a step with 20%"),
        pytest.param(rollout_state(CANARY, step=2, weight=20), 5, id="entering a step with 50%"),
        pytest.param(rollout_state(CANARY, step=3, weight=50), 10, id="after the last step"),
        pytest.param(rollout_state(BLUE_GREEN, step=1), 1, id="in a step without traffic"),
        pytest.param(
            rollout_state({**BLUE_GREEN, "mirror": {"percent": 50}}, step=1), 5, id="in a step that mirrors 50%"
        ),
        pytest.param(
            rollout_state({**BLUE_GREEN, "mirror": {"percent": 50}}, step=2, weight=0),
            10,
            id="entering a step with 100% from one that mirrors 50%",
        ),
        pytest.param(
            rollout_state({**CANARY, "mirror": {"percent": 100}}, step=1), 10, id="in a step that mirrors all the rest"
        ),
        pytest.param(rollout_state(shadow("Wait"), step=0), 10, id="before a Shadow"),
        pytest.param(rollout_state(CANARY, step=0, full_size=1), 1, id="one Pod serves all requests"),
    ],
)
def test_the_pods_that_a_step_needs(state: RolloutState, pods: int) -> None:
    """Mirrored requests take Pods too, and a step that is entered leaves the Pods for the present weight."""
    assert state.pods_needed == pods
