"""Scenes of a candidate on its way, with what matters to a case and nothing else."""

from datetime import timedelta
from typing import Any

from modelops.api.inferenceservice_status import AnalysisResult, CandidateVersion, CheckResult
from modelops.api.rollout import Rollout
from modelops.controllers.inferenceservice.rollout.annotations import Requests
from modelops.controllers.inferenceservice.rollout.state_machine import Course, Scene, course
from modelops.controllers.inferenceservice.traffic.steps import stages
from modelops.machinery.conditions import format_timestamp
from support.builders.common import NOW, digest
from support.builders.inferenceservices import Json

CANARY: Json = {"steps": [{"weight": 20, "hold": "60s"}, {"weight": 50}], "deadline": "10m"}
JUDGED: Json = {**CANARY, "analysis": {"errorRate": {"max": 0.01}, "failureThreshold": 2}}
PATIENT: Json = {**JUDGED, "onFailure": "Pause"}
BLUE_GREEN: Json = {"strategy": "BlueGreen", "blueGreen": {"hold": "30s", "watch": "60s"}, "deadline": "10m"}
APPROVED: Json = {"strategy": "BlueGreen", "blueGreen": {"approval": "Person", "watch": "60s"}}


def shadow(then: str) -> Json:
    """A Shadow of a minute, and what comes then."""
    return {"strategy": "Shadow", "shadow": {"duration": "60s", "then": then}, "deadline": "10m"}


def ago(seconds: float | None) -> str | None:
    """A time that many seconds before now."""
    return None if seconds is None else format_timestamp(NOW - timedelta(seconds=seconds))


def analysis(failures: int = 0, passes: int = 0, outcome: str = "Passed") -> AnalysisResult:
    """A judgement of a second ago."""
    check = CheckResult.model_validate({"name": "errorRate", "outcome": outcome, "message": "errorRate 0.5 (5 of 10)"})
    return AnalysisResult.model_validate(
        {"outcome": outcome, "at": ago(1), "failures": failures, "passes": passes, "checks": [check]}
    )


def scene(
    rollout: Json,
    step: int = 0,
    *,
    weight: int | None = None,
    in_force: float | None = None,
    progress: float | None = 5,
    judged: AnalysisResult | None = None,
    requests: Requests | None = None,
    **more: Any,
) -> Scene:
    """A candidate in a step with that step's weight; `in_force` and `progress` are seconds ago. All of its Pods answer,
    and the requests follow.
    """
    parsed = Rollout.model_validate(rollout)
    way = stages(parsed)
    last = way[min(step, len(way)) - 1].weight if step and way else 0
    candidate = CandidateVersion.model_validate(
        {
            "version": "mortgage-2",
            "digest": digest("b"),
            "revision": "bbb",
            "attempt": "try",
            "since": ago(100),
            "step": step,
            "weight": last if weight is None else weight,
            "step_since": ago(in_force),
            "progress_since": ago(progress),
            "analysis": judged,
        }
    )
    given: dict[str, Any] = {"full": 10, "ready": 10, "alone": True, "follows": True, **more}
    return Scene(candidate, parsed, way, NOW, requests=requests or Requests(), **given)


def asked(**what: Any) -> Requests:
    """What people ask."""
    return Requests(**what)


def next_move(rollout: Json, step: int = 0, **given: Any) -> Course:
    """The next move in a scene."""
    return course(scene(rollout, step, **given))
