"""Patches that carry a person's requests to the operator, and refusals of requests without effect. Pure.

The operator acts once on each new value of an annotation: the stamp makes each value new. Only a pause is a state.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelops.api.annotations import (
    ABORT,
    APPROVE,
    APPROVED_BY,
    PAUSE,
    PROMOTE,
    PROMOTE_FULL,
    REFRESH,
    RESUME_BY,
    RETRY,
    STOP,
    requester,
)
from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CandidateVersion
from modelops.api.kinds import GROUP
from modelops.api.modelversion import Approval, ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.cli.rollout_state import held_after_failure, is_rolling_update, paused

MAX_REASON = 900
"""In characters. The operator keeps 1,024 characters of a value, and the stamp must be among them."""
_SWEEP = f"{GROUP}/sweep"


class RequestRefusedError(Exception):
    """A request without effect. The message is a sentence that says why."""


@dataclass(frozen=True)
class Patch:
    """Merge patch of an object, and its effect for the person in a few words."""

    body: dict[str, Any]
    effect: str


def stamp(now: datetime) -> str:
    """Return a value that no earlier request has."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def promote(service: InferenceService, value: str, by: str, *, full: bool) -> Patch:
    """Promote the candidate in the name of `by` to its next step, or with `full` to all traffic.

    A failure that holds the candidate is overruled.

    Raises RequestRefusedError where there is nothing to promote.
    """
    candidate, failed = _candidate(service, "promote"), held_after_failure(service)
    stepped = not is_rolling_update(service)
    if not failed and (refusal := _no_promotion(service, candidate, full)):
        raise RequestRefusedError(f"InferenceService {service.metadata.name} {refusal}")
    if full and stepped:
        effect = f"{candidate.version} gets all traffic"
    elif stepped and 0 < candidate.step <= candidate.steps:
        effect = f"{candidate.version} continues after step {candidate.step}/{candidate.steps}"
    else:
        effect = f"{candidate.version} continues"
    despite = " despite its failure" if failed else ""
    return _request(effect + despite, PROMOTE_FULL if full else PROMOTE, value, by)


def pause(service: InferenceService, by: str) -> Patch:
    """Pause the rollout in the name of `by`: the candidate stays in its step.

    In a rolling update it stays at its number of Pods.

    Raises RequestRefusedError without a candidate and for a paused rollout.
    """
    candidate = _candidate(service, "pause")
    if paused(service):
        raise RequestRefusedError(f"InferenceService {service.metadata.name} is already paused")
    where = "at its present Pods" if is_rolling_update(service) else _where(candidate)
    return _annotate(f"{candidate.version} stays {where}", {PAUSE: "true", requester(PAUSE): by, RESUME_BY: None})


def resume(service: InferenceService, by: str) -> Patch:
    """End a pause in the name of `by`.

    Raises RequestRefusedError for a rollout that is not paused.
    """
    if not paused(service):
        raise RequestRefusedError(f"InferenceService {service.metadata.name} is not paused")
    return _annotate("the rollout continues", {PAUSE: None, requester(PAUSE): None, RESUME_BY: by})


def abort(service: InferenceService, value: str, by: str, reason: str | None) -> Patch:
    """Shift all traffic back to the stable version, in the name of `by`.

    Raises RequestRefusedError without a candidate and for a reason that is too long.
    """
    candidate, stable = _candidate(service, "abort"), service.status.stable
    serves = f", {stable.version} serves all traffic" if stable is not None else ""
    return _request(f"{candidate.version} is removed{serves}", ABORT, _with_reason(value, reason), by)


def retry_rollout(service: InferenceService, value: str, by: str) -> Patch:
    """Retry the rollout of the version that failed last, in the name of `by`.

    Raises RequestRefusedError during a rollout and without a failed version.
    """
    name, status = service.metadata.name, service.status
    if status.candidate is not None:
        raise RequestRefusedError(
            f"InferenceService {name} is rolling out {status.candidate.version}: abort that rollout first"
        )
    if not status.failed:
        raise RequestRefusedError(f"InferenceService {name} has no failed version: there is nothing to retry")
    return _request(f"{status.failed[0].version} is rolled out again, if still selected", RETRY, value, by)


def approve(version: ModelVersion, by: str) -> Patch:
    """Approve the version's present artifact for serving, in the name of `by`.

    Raises RequestRefusedError for a version that needs no approval, is approved, or has a failed gate.
    """
    name, digest = version.metadata.name, version.spec.artifact.digest
    if version.spec.approval is Approval.AUTOMATIC:
        raise RequestRefusedError(f"ModelVersion {name} needs no approval: its approval is Automatic")
    failed = [gate.metric for gate in version.status.gates if gate.outcome != "Passed"]
    if failed:
        raise RequestRefusedError(f"ModelVersion {name} can never serve: its gate on {', '.join(failed)} failed")
    if version.metadata.annotations.get(APPROVE) == digest:
        approver = version.metadata.annotations.get(APPROVED_BY) or "an unnamed person"
        raise RequestRefusedError(f"ModelVersion {name} is already approved by {approver}")
    return _annotate(f"by {by}, artifact {digest}", {APPROVE: digest, APPROVED_BY: by})


def refresh(dataset: Dataset, value: str) -> Patch:
    """Probe the source now."""
    when = "once the Dataset is no longer suspended" if dataset.spec.suspend else "now"
    return _annotate(f"the source is probed {when}", {REFRESH: value})


def rerun(run: TrainingRun, value: str) -> Patch:
    """Train again with a new nonce and otherwise the same inputs.

    Raises RequestRefusedError for a trial of a sweep.
    """
    _refuse_trial(run, "rerun")
    stopped = "; the present attempt is stopped" if run.status.job and run.status.outcome is None else ""
    return Patch({"spec": {"cache": {"nonce": value}}}, f"training starts again on the same inputs{stopped}")


def retry_run(run: TrainingRun, value: str) -> Patch:
    """Train once more after a failure or a stop.

    Raises RequestRefusedError for a trial of a sweep, and for a run that has not ended or has succeeded.
    """
    _refuse_trial(run, "retry")
    name, outcome = run.metadata.name, run.status.outcome
    if outcome is None:
        raise RequestRefusedError(f"TrainingRun {name} has not ended: there is nothing to retry")
    if outcome.state == "Succeeded":
        raise RequestRefusedError(f"TrainingRun {name} has succeeded: `rerun` trains again all the same")
    return _annotate("training starts again with all of its retries", {RETRY: value})


def stop(run: TrainingRun, value: str, reason: str | None) -> Patch:
    """Stop a run under way.

    Raises RequestRefusedError for a run that has ended and for a reason that is too long.
    """
    outcome = run.status.outcome
    if outcome is not None:
        raise RequestRefusedError(f"TrainingRun {run.metadata.name} has already ended as {outcome.state}")
    return _annotate("training stops", {STOP: _with_reason(value, reason)})


def _annotate(effect: str, annotations: dict[str, str | None]) -> Patch:
    return Patch({"metadata": {"annotations": annotations}}, effect)


def _request(effect: str, annotation: str, value: str, by: str) -> Patch:
    return _annotate(effect, {annotation: value, requester(annotation): by})


def _candidate(service: InferenceService, verb: str) -> CandidateVersion:
    if service.status.candidate is None:
        raise RequestRefusedError(
            f"InferenceService {service.metadata.name} has no candidate: there is nothing to {verb}"
        )
    return service.status.candidate


def _no_promotion(service: InferenceService, candidate: CandidateVersion, full: bool) -> str:
    """Return why the operator would ignore a promotion; empty where the operator acts on it."""
    if is_rolling_update(service):
        return "has a rolling update under way: there is no step to promote"
    if candidate.step > candidate.steps:
        return f"has no step left to promote: {candidate.version} gets all traffic once its Pods are ready"
    if candidate.step == 0 and not full:
        return f"has no step to promote yet: step 1/{candidate.steps} of {candidate.version} begins with ready Pods"
    return ""


def _where(candidate: CandidateVersion) -> str:
    if candidate.step == 0:
        return f"before step 1/{candidate.steps}"
    if candidate.step > candidate.steps:
        return f"after step {candidate.steps}/{candidate.steps}"
    return f"in step {candidate.step}/{candidate.steps}"


def _refuse_trial(run: TrainingRun, verb: str) -> None:
    if sweep := run.metadata.labels.get(_SWEEP):
        raise RequestRefusedError(f"TrainingRun {run.metadata.name} is a trial of {sweep}: {verb} {sweep} instead")


def _with_reason(value: str, reason: str | None) -> str:
    words = " ".join((reason or "").split())
    if len(words) > MAX_REASON:
        raise RequestRefusedError(f"the reason has {len(words)} characters, at most {MAX_REASON} are possible")
    return f"{words} ({value})" if words else value
