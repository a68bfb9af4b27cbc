"""All that a candidate's next transition depends on, in one value. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import CandidateVersion
from modelops.api.rollout import Rollout
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.revisions.version_selection import NotServable
from modelops.controllers.inferenceservice.rollout.annotations import Requests, for_new_candidate
from modelops.controllers.inferenceservice.rollout.pod_problems import Problem, revision_problem, unrecoverable
from modelops.controllers.inferenceservice.traffic.capacity import pods_for
from modelops.controllers.inferenceservice.traffic.shift import route_problem, traffic_shifted
from modelops.controllers.inferenceservice.traffic.steps import Step, steps
from modelops.machinery.conditions import format_timestamp, parse_timestamp


@dataclass(frozen=True)
class RolloutState:
    """A candidate, and the observed state of its Pods and its traffic.

    The candidate's status is all that the operator remembers of a rollout: `step` is the step that the candidate is in
    or enters, `weight` is the traffic that it gets, and `step_since` is the time at which the traffic took effect.
    """

    candidate: CandidateVersion
    rollout: Rollout
    steps: tuple[Step, ...]
    now: datetime
    full_size: int
    """Number of Pods that all requests take."""
    requests: Requests = field(default_factory=Requests)
    early_requests: tuple[str, ...] = ()
    """Requests that were made before this candidate was known."""
    problem: Problem | None = None
    """Why the candidate's Pods are not ready."""
    unrecoverable: Problem | None = None
    """A failure of the candidate's Pods that retrying cannot fix."""
    former_gone: bool = True
    """No Pod of a former candidate can answer: neither a running one nor one that terminates."""
    service_switched: bool = True
    """The candidate's Service selects the candidate."""
    traffic_shifted: bool = True
    """The traffic has the candidate's weight."""
    route_problem: str = ""
    """Why a Gateway does not accept the HTTPRoute."""

    @property
    def ready(self) -> int:
        """Number of the candidate's Pods that are ready."""
        return self.candidate.ready

    @property
    def step(self) -> Step | None:
        """Step that the candidate is in or enters; None before the first and after the last step."""
        number = self.candidate.step
        return self.steps[number - 1] if 0 < number <= len(self.steps) else None

    @property
    def after_last_step(self) -> bool:
        """Only promotion is left. A rolling update has no steps, and is always there."""
        return not self.steps or self.candidate.step > len(self.steps)

    @property
    def step_in_effect(self) -> Step | None:
        """Step whose traffic the candidate gets.

        None while no Pod of the candidate is ready, or while its Service selects another revision: stable Pods that
        forward requests to themselves would forward them in a circle, and mirror them without an end.
        """
        return weighted_step(self.steps, self.candidate) if self.ready and self.service_switched else None

    @property
    def pods_needed(self) -> int:
        """Number of Pods that the candidate needs for the step that it is in or enters, and for its present weight."""
        entered = max(self.candidate.step, 1)
        if entered > len(self.steps):
            return self.full_size
        present = weighted_step(self.steps, self.candidate)
        needed = pods_for(self.steps[entered - 1], self.full_size)
        return max(needed, pods_for(present, self.full_size)) if present is not None else needed

    @property
    def until_deadline(self) -> timedelta | None:
        """Time left for progress, negative after the deadline; None while the rollout waits for a person."""
        since = self._stands_still_since
        return None if since is None else since + parse_duration(self.rollout.deadline) - self.now

    @property
    def _stands_still_since(self) -> datetime | None:
        candidate, step = self.candidate, self.step
        if self.requests.paused or candidate.progress_since is None:
            return None
        since = parse_timestamp(candidate.progress_since)
        if step is None or candidate.step_since is None:
            return since
        return max(since, parse_timestamp(candidate.step_since) + step.hold) if step.hold is not None else None


def weighted_step(all_steps: tuple[Step, ...], candidate: CandidateVersion) -> Step | None:
    """Return the step that gave the candidate its present weight; None before the first step.

    The candidate's `step` may be several steps ahead: it keeps its weight until there are Pods for the next one.
    """
    return next((step for step in reversed(all_steps[: candidate.step]) if step.weight == candidate.weight), None)


def rollout_state(seen: Observation) -> RolloutState:
    """Return the state of the selected revision's rollout. A version must be selected."""
    assert not isinstance(seen.selected, NotServable), "an earlier step of the plan answers that"
    revision, known = seen.target_revision, seen.service.status.candidate
    is_new = known is None or known.attempt != seen.attempt
    before = _new_candidate(seen) if known is None or is_new else known
    problem, all_steps = revision_problem(revision), steps(seen.rollout)
    state = RolloutState(
        candidate=before.model_copy(
            update={
                "steps": len(all_steps),
                "replicas": revision.replicas if revision is not None else 0,
                "ready": revision.ready if revision is not None else 0,
                "problem": problem.message if problem is not None else None,
            }
        ),
        rollout=seen.rollout,
        steps=all_steps,
        now=seen.now,
        full_size=seen.full_size,
        requests=for_new_candidate(seen.requests) if is_new else seen.requests,
        early_requests=seen.requests.words if is_new else (),
        problem=problem,
        unrecoverable=unrecoverable(revision.living if revision is not None else ()),
    )
    return _with_traffic(seen, state) if all_steps else state


def _new_candidate(seen: Observation) -> CandidateVersion:
    assert not isinstance(seen.selected, NotServable)
    serving, now = seen.selected.serving, format_timestamp(seen.now)
    return CandidateVersion(
        version=serving.version,
        digest=serving.digest,
        revision=serving.revision,
        attempt=seen.attempt,
        since=now,
        progress_since=now,
    )


def _with_traffic(seen: Observation, state: RolloutState) -> RolloutState:
    ours = (state.candidate.revision, seen.stable)
    state = replace(
        state,
        former_gone=not seen.former_revisions and all(pod.revision in ours for pod in seen.orphaned_pods),
        service_switched=seen.candidate_service_revision == state.candidate.revision,
        route_problem=route_problem(seen),
    )
    return replace(state, traffic_shifted=traffic_shifted(seen, state.step_in_effect))
