"""Read what a TrainingRun's plan rests on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.contract.reports import ProgressReport
from modelops.api.dataset import Dataset
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import JobState, jobs_of
from modelops.controllers.owned import owned
from modelops.controllers.trainingrun.attempt.outcome import SIDECAR, TRAINER
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.inputs.references import read_references
from modelops.controllers.trainingrun.inputs.rerun import Datasets
from modelops.controllers.trainingrun.inputs.resolution import (
    MissingInput,
    NewInputsNeeded,
    ResolvedInputs,
    current_inputs,
    resolve_inputs,
)
from modelops.controllers.trainingrun.sweep.observe import SweepObservation
from modelops.controllers.trainingrun.sweep.observe import observe as observe_sweep
from modelops.controllers.trainingrun.sweep.suggester import Suggester
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import ApiError
from modelops.machinery.resources import EVENTS, SERVICES, WORKLOADS, Key
from modelops.machinery.settings import Settings

_PODLESS_FOR = timedelta(seconds=5)
"""A Job's first Pod is created at once, unless something forbids it."""
_JOB_UID_LABEL = "kueue.x-k8s.io/job-uid"


@dataclass(frozen=True)
class Observation:
    """A run, its inputs, and all objects that belong to either."""

    run: TrainingRun
    settings: Settings
    now: datetime
    inputs: ResolvedInputs | MissingInput
    jobs: tuple[JobState, ...] = ()
    services: frozenset[str] = frozenset()
    """Names of the headless Services of its workers."""
    versions: tuple[ModelVersion, ...] = ()
    """ModelVersions of the namespace that name the inputs as their origin."""
    siblings: tuple[TrainingRun, ...] = ()
    """Other runs of the namespace that have succeeded for the inputs."""
    sweep: SweepObservation | None = None
    """Trials that the run has created. None while an input is missing."""
    held_up: str = ""
    """Why the active Job has no Pods, in the words of Kueue or of the Job controller."""
    progress: ProgressReport | None = None
    """Last report of the trainer that runs."""


async def observe(
    run: TrainingRun, context: ReconcileContext, poller: ProgressPoller, suggester: Suggester
) -> Observation:
    """Read the run's inputs, Jobs, trials, and the results that the inputs have already.

    Raises StalledError for an invalid schedule, and ApiError.
    """
    namespace = run.metadata.namespace
    datasets = {
        used.ref.name: context.cache.parsed(Key(Dataset.__name__, namespace, used.ref.name), Dataset)
        for used in run.spec.datasets
    }
    jobs = tuple(await jobs_of(run, context))
    active = next((job for job in jobs if not job.finished), None)
    held_up = await _held_up(active, context) if active is not None else ""
    progress = _progress(run, active, context, poller) if active is not None else None
    inputs = await _inputs(run, datasets, context)
    resolved = inputs if isinstance(inputs, ResolvedInputs) else None
    return Observation(
        run=run,
        settings=context.settings,
        now=context.now,
        inputs=inputs,
        jobs=jobs,
        services=frozenset(
            body["metadata"]["name"] for job in jobs for body in owned(namespace, job.uid, context.cache, SERVICES.kind)
        ),
        versions=_versions_made_from(resolved.key, run, context) if resolved is not None else (),
        siblings=_siblings_with(resolved.key, run, context) if resolved is not None else (),
        sweep=observe_sweep(run, resolved, context, suggester) if resolved is not None else None,
        held_up=held_up,
        progress=progress,
    )


async def _inputs(run: TrainingRun, datasets: Datasets, context: ReconcileContext) -> ResolvedInputs | MissingInput:
    """Resolve the inputs. ConfigMaps and Secrets are not watched: they are read only where new inputs are needed."""
    current = current_inputs(run, datasets, context.now)
    if not isinstance(current, NewInputsNeeded):
        return current
    references = await read_references(run, context)
    return resolve_inputs(run, datasets, references, current.scheduled_at, context.now)


def _progress(
    run: TrainingRun, job: JobState, context: ReconcileContext, poller: ProgressPoller
) -> ProgressReport | None:
    """Return the last report of the first rank's sidecar, and poll again in the background, which wakes the run.

    It has the checkpoints of all ranks.
    """
    pod = job.pod
    if pod is None or not pod.running(TRAINER):
        return None
    if len(poller) > 2 * context.cache.size(TrainingRun.__name__) + 100:
        poller.keep_only(lambda polled: context.cache.body(polled.key) is not None)
    key = Key(TrainingRun.__name__, run.metadata.namespace, run.metadata.name)
    others = [other.address for other in job.pods if other.uid != pod.uid and other.address and other.running(SIDECAR)]
    poller.start(key, run.metadata.uid, pod.uid, pod.address, context.enqueue, others)
    return poller.last(key, run.metadata.uid, pod.uid)


def _versions_made_from(input_key: str, run: TrainingRun, context: ReconcileContext) -> tuple[ModelVersion, ...]:
    keys = context.cache.find("input-key", run.metadata.namespace, input_key, kind=ModelVersion.__name__)
    versions = (context.cache.parsed(key, ModelVersion) for key in keys)
    return tuple(version for version in versions if version is not None)


def _siblings_with(input_key: str, run: TrainingRun, context: ReconcileContext) -> tuple[TrainingRun, ...]:
    keys = context.cache.find("input-key", run.metadata.namespace, input_key, kind=TrainingRun.__name__)
    siblings = (context.cache.parsed(key, TrainingRun) for key in keys if key.name != run.metadata.name)
    return tuple(sibling for sibling in siblings if sibling is not None)


async def _held_up(job: JobState, context: ReconcileContext) -> str:
    """Read why a Job has no Pods: from the Workload of a suspended Job, else from Events. Raises ApiError.

    Neither is watched, so they are read only for a Job without Pods.
    """
    namespace = job.key.namespace
    if job.suspended:
        try:
            workloads = await context.kube.find(WORKLOADS, namespace, f"{_JOB_UID_LABEL}={job.uid}")
        except ApiError as error:
            if error.forbidden:
                # The chart grants the right only for an installation with Kueue.
                return ""
            raise
        messages = (
            condition["message"]
            for workload in workloads
            for condition in workload.get("status", {}).get("conditions", [])
            if condition["type"] in ("QuotaReserved", "Admitted") and condition["status"] == "False"
        )
        return next(messages, "")
    if job.pods or context.now - parse_timestamp(job.created) < _PODLESS_FOR:
        return ""
    events = await context.kube.find(EVENTS, namespace, fields=f"regarding.uid={job.uid},reason=FailedCreate")
    newest = max(events, key=lambda event: event["metadata"]["creationTimestamp"], default=None)
    return newest.get("note", "") if newest is not None else ""
