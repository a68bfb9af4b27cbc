"""What is asked of the operator: the patch that says so, or why it makes no sense. Pure.

Every request but a pause is acted on once for each new value of its annotation: the stamp makes the value new.
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
    RETRY,
    STOP,
)
from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CandidateVersion
from modelops.api.kinds import GROUP
from modelops.api.modelversion import Approval, ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.cli.rollout_state import held_after_failure, is_rolling_update, paused

LONGEST_REASON = 900
"""In characters. The operator keeps 1,024 of a value, and the stamp must be among them."""
_SWEEP = f"{GROUP}/sweep"


class RequestRefusedError(Exception):
    """It makes no sense. The message is a sentence that says why."""


@dataclass(frozen=True)
class Patch:
    """A merge patch, and what comes of it in a few words."""

    patch: dict[str, Any]
    told: str


def stamp(now: datetime) -> str:
    """A value that no request had before."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def promote(service: InferenceService, value: str, *, full: bool) -> Patch:
    """On to the next step, or straight to the end; in spite of a failure that holds the candidate up."""
    candidate, failed, steps = (
        _candidate(service, "promote"),
        held_after_failure(service),
        not is_rolling_update(service),
    )
    if not failed and (nothing := _nothing_to_promote(service, candidate, full)):
        raise RequestRefusedError(f"InferenceService {service.metadata.name} {nothing}")
    if full and steps:
        told = f"{candidate.version} gets all of the traffic"
    elif steps and 0 < candidate.step <= candidate.steps:
        told = f"{candidate.version} goes on from step {candidate.step} of {candidate.steps}"
    else:
        told = f"{candidate.version} goes on"
    spite = ", in spite of its failure" if failed else ""
    return _annotated(told + spite, {PROMOTE_FULL if full else PROMOTE: value})


def pause(service: InferenceService) -> Patch:
    """The candidate stays in its step until the rollout is resumed; Pod by Pod, with the Pods that it has."""
    candidate = _candidate(service, "pause")
    if paused(service):
        raise RequestRefusedError(f"InferenceService {service.metadata.name} is paused already")
    where = "with the Pods that it has" if is_rolling_update(service) else _where(candidate)
    return _annotated(f"{candidate.version} stays {where}", {PAUSE: "true"})


def resume(service: InferenceService) -> Patch:
    """End a pause."""
    if not paused(service):
        raise RequestRefusedError(f"InferenceService {service.metadata.name} is not paused")
    return _annotated("the rollout goes on", {PAUSE: None})


def abort(service: InferenceService, value: str, reason: str | None) -> Patch:
    """Back to the stable version."""
    candidate, stable = _candidate(service, "abort"), service.status.stable
    serves = f", and {stable.version} goes on serving" if stable is not None else ""
    return _annotated(f"{candidate.version} goes{serves}", {ABORT: _with_reason(value, reason)})


def retry_rollout(service: InferenceService, value: str) -> Patch:
    """Try the version once more that did not make it."""
    name, status = service.metadata.name, service.status
    if status.candidate is not None:
        raise RequestRefusedError(
            f"InferenceService {name} is rolling out {status.candidate.version}: abort that first"
        )
    if not status.failed:
        raise RequestRefusedError(f"InferenceService {name} has no version that failed: there is nothing to retry")
    return _annotated(f"{status.failed[0].version} is tried once more, if it is still the wanted one", {RETRY: value})


def approve(version: ModelVersion, by: str) -> Patch:
    """Let this very artifact serve."""
    name, digest = version.metadata.name, version.spec.artifact.digest
    if version.spec.approval is Approval.AUTOMATIC:
        raise RequestRefusedError(f"ModelVersion {name} needs no approval: its approval is Automatic")
    failed = [gate.metric for gate in version.status.gates if gate.outcome != "Passed"]
    if failed:
        raise RequestRefusedError(
            f"ModelVersion {name} cannot serve: its gate on {', '.join(failed)} has failed, for good"
        )
    if version.metadata.annotations.get(APPROVE) == digest:
        who = version.metadata.annotations.get(APPROVED_BY) or "somebody unnamed"
        raise RequestRefusedError(f"ModelVersion {name} is approved already, by {who}")
    return _annotated(f"in the name of {by}, the artifact {digest}", {APPROVE: digest, APPROVED_BY: by})


def refresh(dataset: Dataset, value: str) -> Patch:
    """Look at the source now."""
    when = "once it is not suspended any more" if dataset.spec.suspend else "now"
    return _annotated(f"its source is looked at {when}", {REFRESH: value})


def rerun(run: TrainingRun, value: str) -> Patch:
    """Train again with everything else the same: the nonce is part of the inputs."""
    _own(run, "rerun")
    halted = " What is under way is stopped." if run.status.job and run.status.outcome is None else ""
    return Patch({"spec": {"cache": {"nonce": value}}}, f"it trains again, on the same inputs.{halted}")


def retry_run(run: TrainingRun, value: str) -> Patch:
    """Train once more what has failed or was stopped."""
    _own(run, "retry")
    name, outcome = run.metadata.name, run.status.outcome
    if outcome is None:
        raise RequestRefusedError(f"TrainingRun {name} has not ended: there is nothing to retry")
    if outcome.state == "Succeeded":
        raise RequestRefusedError(f"TrainingRun {name} has succeeded: `rerun` trains it again all the same")
    return _annotated("it trains once more, with all of its retries", {RETRY: value})


def stop(run: TrainingRun, value: str, reason: str | None) -> Patch:
    """End what is under way."""
    outcome = run.status.outcome
    if outcome is not None:
        raise RequestRefusedError(f"TrainingRun {run.metadata.name} is not under way: it has ended as {outcome.state}")
    return _annotated("it is stopped", {STOP: _with_reason(value, reason)})


def _annotated(told: str, annotations: dict[str, str | None]) -> Patch:
    return Patch({"metadata": {"annotations": annotations}}, told)


def _candidate(service: InferenceService, verb: str) -> CandidateVersion:
    if service.status.candidate is None:
        raise RequestRefusedError(
            f"InferenceService {service.metadata.name} has no candidate: there is nothing to {verb}"
        )
    return service.status.candidate


def _nothing_to_promote(service: InferenceService, candidate: CandidateVersion, full: bool) -> str:
    """Why there is none, where the operator would pass over it."""
    if is_rolling_update(service):
        return "is replaced Pod by Pod: there is no step to promote"
    if candidate.step > candidate.steps:
        return f"has no step left to promote: {candidate.version} gets all of the traffic once its Pods are ready"
    if candidate.step == 0 and not full:
        return f"has no step yet to promote: {candidate.version} begins the first once its Pods are ready"
    return ""


def _where(candidate: CandidateVersion) -> str:
    if candidate.step == 0:
        return f"before the first of {candidate.steps} steps"
    if candidate.step > candidate.steps:
        return f"behind the last of {candidate.steps} steps"
    return f"in step {candidate.step} of {candidate.steps}"


def _own(run: TrainingRun, verb: str) -> None:
    if sweep := run.metadata.labels.get(_SWEEP):
        raise RequestRefusedError(f"TrainingRun {run.metadata.name} is a trial of {sweep}: {verb} that one")


def _with_reason(value: str, reason: str | None) -> str:
    words = " ".join((reason or "").split())
    if len(words) > LONGEST_REASON:
        raise RequestRefusedError(f"the reason has {len(words)} characters: {LONGEST_REASON} is the most")
    return f"{words} ({value})" if words else value
