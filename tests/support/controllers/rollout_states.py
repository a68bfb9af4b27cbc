"""Build states of a rollout, with what matters to a test and defaults for the rest."""

from datetime import timedelta
from typing import Any

from modelops.api.inferenceservice_status import AnalysisResult, CandidateVersion
from modelops.api.rollout import Rollout
from modelops.controllers.inferenceservice.rollout.annotations import Requests
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.controllers.inferenceservice.rollout.transitions import Transition, transition
from modelops.controllers.inferenceservice.traffic.steps import steps
from modelops.machinery.conditions import format_timestamp
from support.builders.common import NOW, digest
from support.builders.inferenceservices import Json

CANARY: Json = {"steps": [{"weight": 20, "hold": "60s"}, {"weight": 50}], "deadline": "10m"}
ANALYSED: Json = {**CANARY, "analysis": {"errorRate": {"max": 0.01}, "failureThreshold": 2}}
ON_FAILURE_PAUSE: Json = {**ANALYSED, "onFailure": "Pause"}
BLUE_GREEN: Json = {"strategy": "BlueGreen", "blueGreen": {"hold": "30s", "watch": "60s"}, "deadline": "10m"}
APPROVED_BLUE_GREEN: Json = {"strategy": "BlueGreen", "blueGreen": {"approval": "Person", "watch": "60s"}}


def shadow(then: str) -> Json:
    """Return a Shadow of a minute, and what follows it."""
    return {"strategy": "Shadow", "shadow": {"duration": "60s", "then": then}, "deadline": "10m"}


def seconds_ago(seconds: float | None) -> str | None:
    """Return the timestamp of a time before NOW; None for None."""
    return None if seconds is None else format_timestamp(NOW - timedelta(seconds=seconds))


def analysis(*, outcome: str = "Passed", failures: int = 0, passes: int = 0) -> AnalysisResult:
    """Return an analysis of a second ago, whose only check has this outcome."""
    check = {"name": "errorRate", "outcome": outcome, "message": "50% (5 of 10 requests), above 10%"}
    return AnalysisResult.model_validate(
        {"outcome": outcome, "at": seconds_ago(1), "failures": failures, "passes": passes, "checks": [check]}
    )


def rollout_state(
    rollout: Json,
    *,
    step: int = 0,
    weight: int | None = None,
    in_effect_for: float | None = None,
    progress: float | None = 5,
    analysed: AnalysisResult | None = None,
    requests: Requests | None = None,
    ready: int = 10,
    full_size: int = 10,
    **observed: Any,
) -> RolloutState:
    """Return the state of a candidate in a step.

    The weight is the step's by default. `in_effect_for` is the number of seconds since the step took effect, None if it
    has not, and `progress` is the number of seconds without progress. All Pods of the candidate are ready, and its
    traffic has shifted, unless the test says otherwise.
    """
    spec = Rollout.model_validate(rollout)
    all_steps = steps(spec)
    step_weight = all_steps[min(step, len(all_steps)) - 1].weight if step and all_steps else 0
    candidate = CandidateVersion.model_validate(
        {
            "version": "mortgage-2",
            "digest": digest("b"),
            "revision": "bbb",
            "attempt": "try",
            "since": seconds_ago(100),
            "step": step,
            "weight": step_weight if weight is None else weight,
            "step_since": seconds_ago(in_effect_for),
            "progress_since": seconds_ago(progress),
            "ready": ready,
            "analysis": analysed,
        }
    )
    return RolloutState(
        candidate, spec, all_steps, NOW, full_size=full_size, requests=requests or Requests(), **observed
    )


def next_transition(rollout: Json, **given: Any) -> Transition:
    """Return the transition of a state: the arguments are those of `rollout_state`."""
    return transition(rollout_state(rollout, **given))
