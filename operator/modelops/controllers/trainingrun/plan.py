"""What a TrainingRun needs: a ModelVersion for the current inputs, by the cheapest way that is honest."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import CacheMode
from modelops.api.trainingrun_status import CacheResult, Outcome, RunArtifact, TrainingRunStatus
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.inputs import Missing, Taken, wanted
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.outcome import Failure, Lost, Success, never_started, outcome
from modelops.controllers.trainingrun.progress import created, progress
from modelops.lineage.input_key import difference
from modelops.machinery.conditions import (
    READY,
    Wanted,
    condition,
    find,
    in_progress,
    ready,
    stalled,
    timestamp,
    waiting,
)
from modelops.machinery.plan import Event, Plan, first_answer

_REFERENCE_AGAIN = timedelta(seconds=30)
"""ConfigMaps and Secrets are not watched: reading all of them for the few that matter is no least privilege."""


@dataclass(frozen=True)
class Case:
    """An observation with its inputs settled."""

    seen: Observation
    taken: Taken
    status: TrainingRunStatus
    """The status for these inputs, as far as it is known."""
    job_name: str

    @property
    def job(self) -> JobState | None:
        """The Job for these inputs."""
        return next((job for job in self.seen.jobs if job.key.name == self.job_name), None)


def plan(seen: Observation) -> Plan:
    """Decide what a TrainingRun needs now. Pure."""
    taken = wanted(seen)
    if isinstance(taken, Missing):
        return _waiting(seen, taken)
    case = _case(seen, taken)
    return first_answer(case, (_succeeded, _failed, _other_jobs_first, _cached, _to_start, _running, _ended))


def _waiting(seen: Observation, missing: Missing) -> Plan:
    """An input is not there: its arrival wakes the run."""
    return Plan(
        status=seen.run.status,
        conditions=waiting(missing.reason, missing.message),
        again_in=_REFERENCE_AGAIN if missing.reason == "ReferenceNotFound" else None,
    )


def _case(seen: Observation, taken: Taken) -> Case:
    """The status starts anew when the key does. The last version stays named until the next one is there."""
    old = seen.run.status
    job_name = children.job_name(seen.run, taken.key)
    same_key = old.input_key == taken.key
    # A failure is final for this very Job; what succeeded is so for the key, whatever Job it was.
    holds = old.outcome is not None and (old.outcome.state == "Succeeded" or old.job == job_name)
    status = TrainingRunStatus(input_key=taken.key, inputs=taken.inputs, model_version=old.model_version)
    if same_key:
        status = status.model_copy(update={"cache": old.cache, "job": old.job, "attempts": old.attempts})
    if same_key and holds:
        status = status.model_copy(update={"outcome": old.outcome, "artifact": old.artifact, "metrics": old.metrics})
    return Case(seen, taken, status, job_name)


def _succeeded(case: Case) -> Plan | None:
    """The model exists. Its ModelVersion is made again should somebody delete it."""
    if case.status.outcome is None or case.status.outcome.state != "Succeeded":
        return None
    version = children.model_version(case.seen.run, case.taken, case.status)
    status = case.status.model_copy(update={"model_version": version["metadata"]["name"]})
    there = any(one.metadata.name == status.model_version for one in case.seen.versions)
    message = f"ModelVersion {status.model_version}: {case.status.outcome.message}"
    return Plan(
        apply=() if there else (version,),
        delete=tuple(job.delete for job in case.seen.jobs if job.key.name != status.job),
        status=status,
        conditions=_conditions(case, *ready(case.status.outcome.reason, message), _ended_well(case.status.outcome)),
    )


def _failed(case: Case) -> Plan | None:
    """It failed for these inputs, and will not be tried again before something changes."""
    result = case.status.outcome
    if result is None or result.state != "Failed":
        return None
    return Plan(
        delete=tuple(job.delete for job in case.seen.jobs if not job.finished),
        status=case.status,
        conditions=_conditions(
            case, *stalled(result.reason, result.message), condition("Succeeded", False, result.reason, result.message)
        ),
    )


def _other_jobs_first(case: Case) -> Plan | None:
    """A Job for other inputs is of no use any more: it goes before the next one starts."""
    others = [job for job in case.seen.jobs if job.key.name != case.job_name and not job.finished]
    if not others:
        return None
    names = ", ".join(job.key.name for job in others)
    message = f"the spec has changed: Job {names} is stopped"
    return Plan(
        delete=tuple(job.delete for job in others),
        status=case.status,
        conditions=_conditions(case, *in_progress("Superseded", message)),
        events=(Event("Superseded", message),),
        again_in=timedelta(seconds=2),
    )


def _cached(case: Case) -> Plan | None:
    """Another run of the namespace has made this model already."""
    run = case.seen.run
    if case.job is not None or run.spec.cache.mode is CacheMode.IGNORE or not _pinned_image(case):
        return None
    source = next((version for version in case.seen.versions if _same_inputs(version, case)), None)
    if source is None:
        return None
    artifact = source.spec.artifact
    hit = case.status.model_copy(
        update={
            "cache": CacheResult(result="Hit", reason=f"ModelVersion {source.metadata.name} has the same inputs"),
            "outcome": Outcome(
                state="Succeeded",
                reason="CacheHit",
                message=f"taken from ModelVersion {source.metadata.name}, nothing was trained",
                finished_at=timestamp(case.seen.now),
            ),
            "artifact": RunArtifact(
                uri=artifact.uri, digest=artifact.digest, bytes=artifact.bytes, image=source.spec.origin.image or ""
            ),
            "metrics": source.spec.origin.metrics,
        }
    )
    return _succeeded(replace(case, status=hit))


def _to_start(case: Case) -> Plan | None:
    """No model, no Job: train."""
    if case.job is not None:
        return None
    status = case.status.model_copy(
        update={"job": case.job_name, "attempts": 1, "cache": CacheResult(result="Miss", reason=_why_missed(case))}
    )
    return Plan(
        apply=(children.job(case.seen.run, case.taken, case.seen.settings, case.job_name),),
        delete=tuple(job.delete for job in case.seen.jobs),
        status=status,
        conditions=_conditions(case, *created(case.job_name)),
    )


def _running(case: Case) -> Plan | None:
    """The Job runs: tell how far it is. It is not applied again: Jobs cannot change, and a newer operator's differ."""
    job = case.job
    if job is None or job.finished:
        return None
    end = never_started(job.pod, case.seen.now) if job.pod is not None else None
    if isinstance(end, Failure):
        # The Job goes once its end is in the status, and not before.
        return replace(_ended_badly(case, job, end), delete=(), again_in=timedelta(seconds=2))
    return Plan(status=_started(case, job), conditions=_conditions(case, *progress(job)), again_in=end)


def _ended(case: Case) -> Plan:
    """The Job has ended: a model, or a reason."""
    job = case.job
    assert job is not None, "the earlier steps answer where there is no Job"
    match outcome(job):
        case Lost(message):
            return Plan(
                delete=(job.delete,),
                status=_started(case, job),
                conditions=_conditions(case, *in_progress("ReportLost", f"{message}: it is trained again")),
                events=(Event("ReportLost", message, warning=True),),
                again_in=timedelta(seconds=2),
            )
        case Failure() as failure:
            return _ended_badly(case, job, failure)
        case Success(report, image_id):
            assert report.artifact is not None
            artifact = RunArtifact(
                uri=report.artifact.uri, digest=report.artifact.digest, bytes=report.artifact.bytes, image=image_id
            )
            message = f"trained by Job {job.key.name} in {job.attempts} attempt{'s' if job.attempts != 1 else ''}"
            update = {
                "outcome": _outcome(case, "Succeeded", "Trained", message),
                "artifact": artifact,
                "metrics": report.metrics,
            }
            done = _succeeded(replace(case, status=_started(case, job).model_copy(update=update)))
            assert done is not None
            return done


def _ended_badly(case: Case, job: JobState, failure: Failure) -> Plan:
    message = failure.message
    last = find(case.seen.run.status.conditions, READY)
    if failure.reason == "DeadlineExceeded" and last is not None and case.status.job == job.key.name:
        # The Job controller has deleted the Pods: what was seen last is all that is left to tell why.
        message = f"{message} ({case.seen.run.spec.timeout}); at last: {last.reason}: {last.message}"
    status = _started(case, job).model_copy(update={"outcome": _outcome(case, "Failed", failure.reason, message)})
    done = _failed(replace(case, status=status))
    assert done is not None
    return done


def _outcome(case: Case, state: Literal["Succeeded", "Failed"], reason: str, message: str) -> Outcome:
    return Outcome(state=state, reason=reason, message=message, finished_at=timestamp(case.seen.now))


def _started(case: Case, job: JobState) -> TrainingRunStatus:
    """The status once there is a Job."""
    return case.status.model_copy(
        update={
            "job": job.key.name,
            "attempts": job.attempts,
            "cache": case.status.cache or CacheResult(result="Miss", reason=_why_missed(case)),
        }
    )


def _conditions(case: Case, *conditions: Wanted) -> tuple[Wanted, ...]:
    return *conditions, _reproducible(case)


def _ended_well(result: Outcome) -> Wanted:
    return condition("Succeeded", True, result.reason, result.message)


def _reproducible(case: Case) -> Wanted:
    """Honesty: what cannot be done again the same way says so."""
    if not _pinned_image(case):
        image = case.seen.run.spec.trainer.image
        return condition(
            "Reproducible",
            False,
            "MutableImageTag",
            f"{image} is a tag and can come to mean another image: pin it by digest",
        )
    unversioned = [one.dataset for one in case.taken.inputs.datasets if not one.versioned]
    if unversioned:
        message = f"Dataset {', '.join(unversioned)}: the bucket keeps no versions, so its bytes may not be had again"
        return condition("Reproducible", False, "BucketNotVersioned", message)
    return condition("Reproducible", True, "Pinned", "image and data are pinned by digest")


def _pinned_image(case: Case) -> bool:
    return "@sha256:" in case.seen.run.spec.trainer.image


def _same_inputs(version: ModelVersion, case: Case) -> bool:
    origin = version.spec.origin
    return origin.training_run is not None and origin.training_run.input_key == case.taken.key


def _why_missed(case: Case) -> str:
    before = case.seen.run.status.inputs
    if before is not None and case.seen.run.status.input_key != case.taken.key:
        return difference(before.components, case.taken.inputs.components)
    if case.seen.run.spec.cache.mode is CacheMode.IGNORE:
        return "cache.mode is Ignore"
    if not _pinned_image(case):
        return "the image is a mutable tag, so no other run's result is taken"
    return "no ModelVersion of this namespace has these inputs"
