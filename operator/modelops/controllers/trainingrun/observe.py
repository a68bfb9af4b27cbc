"""What a TrainingRun's decisions rest on."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from modelops.api.contract.reports import ProgressReport
from modelops.api.dataset import Dataset
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import JobState, jobs_of
from modelops.controllers.trainingrun.attempt.outcome import TRAINER
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.inputs.references import References
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import EVENTS, SERVICES, WORKLOADS, Key
from modelops.machinery.settings import Settings

_PODLESS_FOR = timedelta(seconds=5)
"""A Job's first Pod is there at once, unless something forbids it."""
_JOB_UID_LABEL = "kueue.x-k8s.io/job-uid"


@dataclass(frozen=True)
class Observation:
    """A run and all around it."""

    run: TrainingRun
    settings: Settings
    now: datetime
    datasets: dict[str, Dataset | None] = field(default_factory=dict)
    """Name of a Dataset → the Dataset, None where there is none."""
    references: References = field(default_factory=References)
    """Empty where the pinned inputs stay."""
    jobs: tuple[JobState, ...] = ()
    services: frozenset[str] = frozenset()
    """The headless Services of its workers that are there."""
    versions: tuple[ModelVersion, ...] = ()
    """The ModelVersions of the namespace that were made for the inputs wanted now."""
    siblings: tuple[TrainingRun, ...] = ()
    """Other runs of the namespace that have succeeded for the inputs wanted now."""
    held_up: str = ""
    """Why the Job that is to run has no Pods, in the words of Kueue or of the Job controller."""
    progress: ProgressReport | None = None
    """What the trainer that runs told last."""


async def observe(run: TrainingRun, context: ReconcileContext, poller: ProgressPoller) -> Observation:
    """All but the references and what was made for the inputs wanted, which those decide."""
    namespace = run.metadata.namespace
    datasets = {
        used.ref.name: context.cache.parsed(Key(Dataset.__name__, namespace, used.ref.name), Dataset)
        for used in run.spec.datasets
    }
    jobs = tuple(await jobs_of(run.metadata.uid, context))
    active = next((job for job in jobs if not job.finished), None)
    return Observation(
        run=run,
        settings=context.settings,
        now=context.now,
        datasets=datasets,
        jobs=jobs,
        services=frozenset(
            key.name for job in jobs for key in context.cache.find("owner", job.uid, kind=SERVICES.kind)
        ),
        held_up=await _held_up(active, context) if active is not None else "",
        progress=_progress(run, active, context, poller) if active is not None else None,
    )


def _progress(
    run: TrainingRun, job: JobState, context: ReconcileContext, poller: ProgressPoller
) -> ProgressReport | None:
    """What the sidecar of the first rank told last. It is asked again in the background, which wakes the run."""
    pod = job.pod
    if pod is None or not pod.running(TRAINER):
        return None
    if len(poller) > 2 * context.cache.size(TrainingRun.__name__) + 100:
        poller.keep_only(lambda key: context.cache.body(key) is not None)
    key = Key(TrainingRun.__name__, run.metadata.namespace, run.metadata.name)
    poller.start(key, run.metadata.uid, pod.uid, pod.address, context.enqueue)
    return poller.last(run.metadata.uid, pod.uid)


def versions_made_for(input_key: str, run: TrainingRun, context: ReconcileContext) -> tuple[ModelVersion, ...]:
    """The ModelVersions of the run's namespace with an input key."""
    keys = context.cache.find("input-key", run.metadata.namespace, input_key, kind=ModelVersion.__name__)
    found = (context.cache.parsed(key, ModelVersion) for key in keys)
    return tuple(version for version in found if version is not None)


def siblings_with(input_key: str, run: TrainingRun, context: ReconcileContext) -> tuple[TrainingRun, ...]:
    """The other runs of the namespace that have a model for an input key."""
    keys = context.cache.find("input-key", run.metadata.namespace, input_key, kind=TrainingRun.__name__)
    found = (context.cache.parsed(key, TrainingRun) for key in keys if key.name != run.metadata.name)
    return tuple(sibling for sibling in found if sibling is not None)


async def _held_up(job: JobState, context: ReconcileContext) -> str:
    """Asked for only where a Job has no Pods: neither Workloads nor Events are watched. Raises ApiError."""
    namespace = job.key.namespace
    if job.suspended:
        found = await context.kube.find(WORKLOADS, namespace, f"{_JOB_UID_LABEL}={job.uid}")
        waits = (
            condition["message"]
            for workload in found
            for condition in workload.get("status", {}).get("conditions", [])
            if condition["type"] in ("QuotaReserved", "Admitted") and condition["status"] == "False"
        )
        return next(waits, "")
    if job.pods or context.now - parse_timestamp(job.created) < _PODLESS_FOR:
        return ""
    told = await context.kube.find(EVENTS, namespace, fields=f"regarding.uid={job.uid},reason=FailedCreate")
    newest = max(told, key=lambda event: event["metadata"]["creationTimestamp"], default=None)
    return newest.get("note", "") if newest is not None else ""
