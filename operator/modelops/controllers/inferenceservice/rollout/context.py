"""A revision that does not serve yet, and all that its next move rests on. Pure."""

from dataclasses import dataclass

from modelops.api.inferenceservice_status import CandidateVersion
from modelops.api.rollout import Rollout, Strategy
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.revisions.observed import Member, ServerPod
from modelops.controllers.inferenceservice.revisions.version_selection import Refusal
from modelops.controllers.inferenceservice.rollout.annotations import Requests, before_there_was_any, requests_of
from modelops.controllers.inferenceservice.rollout.pod_problems import Problem, of_revision
from modelops.controllers.inferenceservice.rollout.status import attempt_of, rollout_of
from modelops.controllers.inferenceservice.traffic.steps import Stage, stages
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.resources import Body


@dataclass(frozen=True)
class Case:
    """An observation with the candidate settled."""

    seen: Observation
    template: Body
    """Of the candidate's Pods."""
    candidate: CandidateVersion
    """As the status has it, or new; what is found of its Pods is up to date."""
    member: Member | None
    rollout: Rollout
    stages: tuple[Stage, ...]
    problem: Problem | None
    """What keeps its Pods from answering."""
    begins: bool = False
    """No look before this one knew of this try."""

    @property
    def requests(self) -> Requests:
        """What people ask of it."""
        asked = requests_of(self.seen.service)
        return before_there_was_any(asked) if self.begins else asked

    @property
    def asked_too_early(self) -> tuple[str, ...]:
        """What they asked before it came."""
        return requests_of(self.seen.service).asked if self.begins else ()

    @property
    def rolls(self) -> bool:
        """It replaces what serves Pod by Pod."""
        return self.rollout.strategy is Strategy.ROLLING

    @property
    def ready(self) -> int:
        """How many of its Pods answer."""
        return self.member.ready if self.member is not None else 0

    @property
    def living(self) -> tuple[ServerPod, ...]:
        """Its Pods that answer or may yet."""
        return self.member.living if self.member is not None else ()

    @property
    def others(self) -> list[Member]:
        """Revisions that neither serve nor shall."""
        return [one for one in self.seen.members if one.revision not in (self.candidate.revision, self.seen.stable)]

    @property
    def alone(self) -> bool:
        """Nobody but the stable revision and this candidate can answer: what is passed on to the candidate cannot reach
        a former one by a connection to it that is still open, and what is counted is of this candidate alone.
        """
        ours = (self.candidate.revision, self.seen.stable)
        return not self.others and all(pod.revision in ours for pod in self.seen.leaving)


def case_of(seen: Observation) -> Case:
    """The case of the wanted revision. There must be one."""
    assert not isinstance(seen.wanted, Refusal), "a refusal is answered before"
    serving, rollout = serving_of(seen.wanted), rollout_of(seen)
    member = seen.member(serving.revision)
    problem = of_revision(member)
    attempt, before = attempt_of(seen, serving.revision), seen.service.status.candidate
    way = stages(rollout)
    begins = before is None or before.attempt != attempt
    if before is None or begins:
        before = CandidateVersion(
            version=serving.version,
            digest=serving.digest,
            revision=serving.revision,
            attempt=attempt,
            since=format_timestamp(seen.now),
            progress_since=format_timestamp(seen.now),
        )
    candidate = before.model_copy(
        update={
            "steps": len(way),
            "replicas": member.replicas if member is not None else 0,
            "ready": member.ready if member is not None else 0,
            "problem": problem.message if problem is not None else None,
        }
    )
    return Case(seen, seen.wanted, candidate, member, rollout, way, problem, begins)
