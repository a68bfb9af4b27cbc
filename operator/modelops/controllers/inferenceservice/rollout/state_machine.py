"""How a candidate gets from stage to stage, and when its way ends. Pure.

A candidate's status is all that is remembered of its way: `step` is the stage that it is in or on its way to, `weight`
the share that it has been given, and `step_since` when the traffic was seen to follow.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import AnalysisResult, CandidateVersion
from modelops.api.rollout import Rollout
from modelops.controllers.inferenceservice.analysis.judge import in_new_step
from modelops.controllers.inferenceservice.rollout.annotations import RESUMED, Requests
from modelops.controllers.inferenceservice.rollout.pod_problems import Problem
from modelops.controllers.inferenceservice.traffic.capacity import pods_for
from modelops.controllers.inferenceservice.traffic.steps import Stage
from modelops.machinery.conditions import format_timestamp, parse_timestamp

_WRITTEN_SHORT = timedelta(seconds=1)
"""A time in the status may be that much earlier than it was, and a hold lasts at least as long as it says."""


class End(Enum):
    """How a candidate's way ends."""

    PROMOTED = auto()
    FAILED = auto()
    DISCARDED = auto()


@dataclass(frozen=True)
class Verdict:
    """A reason and a sentence for what ended a candidate's way, or holds it up."""

    reason: str
    message: str


@dataclass(frozen=True)
class Scene:
    """What a candidate's next move rests on."""

    candidate: CandidateVersion
    rollout: Rollout
    stages: tuple[Stage, ...]
    now: datetime
    full: int
    """How many Pods all of the requests take."""
    ready: int
    """How many of the candidate's Pods answer."""
    alone: bool
    """Nothing of a former candidate is left, not even Pods that end."""
    follows: bool
    """The traffic has been seen to follow the candidate's weight."""
    reached: bool = True
    """The candidate's Service has been seen to lead to it."""
    problem: Problem | None = None
    hopeless: Problem | None = None
    """What the candidate's Pods will not get over by themselves."""
    requests: Requests = field(default_factory=Requests)
    held_up: str = ""
    """Why the traffic does not follow, where somebody says so."""


@dataclass(frozen=True)
class Course:
    """The candidate's next move."""

    candidate: CandidateVersion
    end: End | None = None
    verdict: Verdict | None = None
    """Why it ended, or what it fails by where `onFailure: Pause` keeps it."""
    waits_for: str = ""
    """What the next step waits for, in words."""
    requeue_after: timedelta | None = None
    """When time alone may change something."""
    ignored: tuple[str, ...] = ()
    """Requests that there was nothing to do for."""


def stage_in_force(stages: tuple[Stage, ...], candidate: CandidateVersion) -> Stage | None:
    """The stage whose share the candidate has; None before the first. It may be several ahead of that
    one, without Pods enough yet.
    """
    return next((one for one in reversed(stages[: candidate.step]) if one.weight == candidate.weight), None)


def pods_wanted(scene: Scene) -> int:
    """The Pods that the candidate needs for the stage that it is in or on its way to."""
    step = max(scene.candidate.step, 1)
    if step > len(scene.stages):
        return scene.full
    here = pods_for(scene.stages[step - 1], scene.full)
    before = stage_in_force(scene.stages, scene.candidate)
    return max(here, pods_for(before, scene.full)) if before is not None else here


def course(scene: Scene) -> Course:
    """The candidate's next move. What people ask for comes first, then what speaks against it, then the next stage."""
    failing = _failing(scene)
    if scene.requests.abort is not None:
        return Course(scene.candidate, End.FAILED, Verdict("Aborted", scene.requests.abort))
    if failing is not None and scene.rollout.on_failure == "Rollback":
        return Course(scene.candidate, End.FAILED, failing)
    asked, ignored = _asked(scene, failing)
    moved = replace(scene, candidate=_moved(scene, asked, failing))
    candidate = moved.candidate
    if asked.promote or asked.promote_full:
        failing = _failing(moved)  # What a person has it go on in spite of holds it up no longer.
    behind_all = not scene.stages or candidate.step > len(scene.stages)
    if failing is None and behind_all and scene.ready >= scene.full and scene.alone:
        return Course(candidate, End.PROMOTED, ignored=ignored)
    if _discarded(moved, failing):
        return Course(candidate, End.DISCARDED, _discard(moved), ignored=ignored)
    waits_for, requeue_after = _waiting(moved, failing)
    return Course(candidate, None, failing, waits_for, requeue_after, ignored)


def _failing(scene: Scene) -> Verdict | None:
    """What a rollout ends by, the first that holds."""
    judged, spec = scene.candidate.analysis, scene.rollout.analysis
    if scene.hopeless is not None:
        return Verdict(scene.hopeless.reason, scene.hopeless.message)
    if judged is not None and spec is not None and judged.failures >= spec.failure_threshold:
        return Verdict("AnalysisFailed", _found(judged))
    since = _clock(scene)
    deadline = parse_duration(scene.rollout.deadline)
    if since is not None and scene.now - since > deadline:
        return Verdict("DeadlineExceeded", f"no progress for {scene.rollout.deadline}: {_waiting(scene, None)[0]}")
    return None


def _found(judged: AnalysisResult) -> str:
    """What failed, in the words of the checks."""
    failed = [check.message for check in judged.checks if check.outcome == "Failed"]
    return "; ".join(failed) or f"{judged.failures} judgements in a row have failed"


def _clock(scene: Scene) -> datetime | None:
    """Since when the deadline counts; None while a person is waited for."""
    candidate, stage = scene.candidate, _stage(scene)
    if scene.requests.paused or candidate.progress_since is None:
        return None
    since = parse_timestamp(candidate.progress_since)
    if stage is None or candidate.step_since is None:
        return since
    return max(since, parse_timestamp(candidate.step_since) + stage.hold) if stage.hold is not None else None


def _stage(scene: Scene) -> Stage | None:
    """The stage that the candidate is in or on its way to; None before the first and behind the last."""
    step = scene.candidate.step
    return scene.stages[step - 1] if 0 < step <= len(scene.stages) else None


def _asked(scene: Scene, failing: Verdict | None) -> tuple[Requests, tuple[str, ...]]:
    """What people ask that can be done now, and what cannot: before the first step there is none to leave, behind the
    last one and Pod by Pod there is none at all. To go on in spite of a failure is always something.
    """
    asked = scene.requests
    behind_all = scene.candidate.step > len(scene.stages)
    if failing is not None or not asked.asked:
        return asked, ()
    if not scene.stages or behind_all:
        return replace(asked, promote=False, promote_full=False), asked.asked
    if asked.promote and not asked.promote_full and _stage(scene) is None:
        return replace(asked, promote=False), ("promote",)
    return asked, ()


def _moved(scene: Scene, asked: Requests, failing: Verdict | None) -> CandidateVersion:
    """The candidate in the stage where it now is."""
    candidate = _clocked(scene)
    behind_all = len(scene.stages) + 1
    if asked.promote_full and scene.stages and candidate.step < behind_all:
        return _on_the_way_to(scene, candidate, behind_all)
    if asked.promote and _stage(scene) is not None:
        return _on_the_way_to(scene, candidate, candidate.step + 1)
    if asked.promote or asked.promote_full:
        return candidate.model_copy(update=_going_on(scene))
    if failing is not None:
        return candidate
    if candidate.step == 0:
        return _first(scene, candidate)
    stage = _stage(scene)
    if stage is None:
        return candidate
    if candidate.step_since is None:
        return _taking_effect(scene, candidate, stage)
    if scene.requests.paused or stage.discards or not _over(scene, stage):
        return candidate
    return _on_the_way_to(scene, candidate, candidate.step + 1)


def _clocked(scene: Scene) -> CandidateVersion:
    """The deadline's clock stands while somebody has paused the rollout, and begins anew after."""
    candidate = scene.candidate
    if scene.requests.paused:
        return candidate.model_copy(update={"progress_since": None})
    if candidate.progress_since is None:
        return candidate.model_copy(update={"progress_since": format_timestamp(scene.now)})
    return candidate


def _first(scene: Scene, candidate: CandidateVersion) -> CandidateVersion:
    if (
        not scene.stages
        or scene.ready < pods_for(scene.stages[0], scene.full)
        or not scene.alone
        or not scene.reached
        or scene.requests.paused
    ):
        return candidate
    return _on_the_way_to(scene, candidate, 1)


def _on_the_way_to(scene: Scene, candidate: CandidateVersion, step: int) -> CandidateVersion:
    """The share changes only when there are Pods enough for it."""
    stage = scene.stages[step - 1] if step <= len(scene.stages) else None
    enough = stage is not None and scene.ready >= pods_for(stage, scene.full)
    return candidate.model_copy(
        update={
            "step": step,
            "weight": stage.weight if stage is not None and enough else candidate.weight,
            "step_since": None,
            **_going_on(scene),
        }
    )


def _going_on(scene: Scene) -> dict[str, object]:
    """What of a candidate's status begins anew where it goes on: the deadline's clock, and failures in a row."""
    judged = scene.candidate.analysis
    forgiven = judged.model_copy(update={"failures": 0}) if judged is not None else None
    return {"progress_since": format_timestamp(scene.now), "analysis": forgiven}


def _taking_effect(scene: Scene, candidate: CandidateVersion, stage: Stage) -> CandidateVersion:
    if scene.ready < pods_for(stage, scene.full):
        return candidate
    if candidate.weight != stage.weight:
        return candidate.model_copy(update={"weight": stage.weight})
    if not scene.follows:
        return candidate
    return candidate.model_copy(
        update={"step_since": format_timestamp(scene.now), "analysis": in_new_step(candidate.analysis)}
    )


def _over(scene: Scene, stage: Stage) -> bool:
    """Whether a stage has lasted as long as it shall, and the candidate has proved in it what it must."""
    since = scene.candidate.step_since
    if stage.hold is None or since is None:
        return False
    return scene.now - parse_timestamp(since) >= stage.hold + _WRITTEN_SHORT and _proved(scene)


def _proved(scene: Scene) -> bool:
    """Without an analysis there is nothing to prove. With one, a judgement has passed in this stage, and none failed
    since. In a stage without any request only checks of the user's own can pass.
    """
    spec, judged, stage = scene.rollout.analysis, scene.candidate.analysis, _stage(scene)
    if spec is None:
        return True
    if stage is not None and stage.weight == 0 and stage.mirror == 0:
        found = {check.name: check.outcome for check in judged.checks} if judged is not None else {}
        return "Failed" not in found.values() and all(found.get(check.name) == "Passed" for check in spec.checks)
    return judged is not None and judged.passes > 0 and judged.failures == 0


def _discarded(scene: Scene, failing: Verdict | None) -> bool:
    stage = _stage(scene)
    over = stage is not None and stage.discards and _over(scene, stage)
    return over and failing is None and not scene.requests.paused


def _discard(scene: Scene) -> Verdict:
    judged = scene.candidate.analysis
    said = f": the last judgement is {judged.outcome}" if judged is not None else ""
    return Verdict("Discarded", f"it has had its copies of requests and goes, as shadow.then says{said}")


def _waiting(scene: Scene, failing: Verdict | None) -> tuple[str, timedelta | None]:
    """What the next step waits for, and when time alone may bring it."""
    candidate, stage = scene.candidate, _stage(scene)
    if failing is not None:
        return "a person to promote or abort it", None
    wanted = pods_wanted(scene)
    if scene.ready < wanted:
        because = f"; {scene.problem.message}" if scene.problem is not None else ""
        return f"{scene.ready} of {wanted} Pods are ready{because}", _left(scene)
    if not scene.alone:
        return "the Pods of a former candidate to go", timedelta(seconds=1)
    if stage is not None and candidate.step_since is None:
        because = f"; {scene.held_up}" if scene.held_up else ""
        return f"the requests to follow its weight of {stage.weight} percent{because}", timedelta(milliseconds=300)
    if scene.requests.paused:
        return RESUMED, None
    if candidate.step == 0 and not scene.reached:
        return "its Service to lead to it", timedelta(milliseconds=300)
    if stage is None or candidate.step_since is None:
        return "its Pods", _left(scene)
    if stage.hold is None:
        return "a person to promote it", _left(scene)
    left = parse_timestamp(candidate.step_since) + stage.hold + _WRITTEN_SHORT - scene.now
    if left > timedelta(0):
        return f"the end of its hold in {_words(left)}", left
    return f"a judgement that passes; {_last(candidate)}", _left(scene)


def _left(scene: Scene) -> timedelta | None:
    """Until the deadline."""
    since = _clock(scene)
    if since is None:
        return None
    return max(since + parse_duration(scene.rollout.deadline) - scene.now, timedelta(0)) + timedelta(seconds=1)


def _last(candidate: CandidateVersion) -> str:
    judged = candidate.analysis
    if judged is None:
        return "there has been none yet"
    said = [check.message for check in judged.checks if check.outcome == judged.outcome]
    return f"the last is {judged.outcome}" + (f": {'; '.join(said)}" if said else "")


def _words(left: timedelta) -> str:
    return f"{max(1, round(left.total_seconds()))} s"
