"""Resolve a run's inputs: the pinned ones, or new ones from its Datasets and its environment's references. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.dataset import Snapshot
from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import DatasetInput, TrainingRun
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.trainingrun.inputs.pinning import pinned_by_parent
from modelops.controllers.trainingrun.inputs.references import References
from modelops.controllers.trainingrun.inputs.rerun import Datasets, decide_rerun, trains_each_time
from modelops.controllers.trainingrun.inputs.schedule import next_due
from modelops.controllers.trainingrun.inputs.sweep_fields import result_fields
from modelops.lineage.input_key import Components


@dataclass(frozen=True)
class ResolvedInputs:
    """Pinned inputs of a training, and their input key."""

    inputs: Inputs
    key: str
    scheduled_at: str | None = None
    """Time of the schedule that the inputs were resolved for."""
    requeue_after: timedelta | None = None
    """Time until newer inputs may be due."""


@dataclass(frozen=True)
class MissingInput:
    """An input that does not exist yet."""

    reason: str
    message: str


@dataclass(frozen=True)
class NewInputsNeeded:
    """The run has no inputs for its spec, or newer ones are due."""

    scheduled_at: str | None
    """Time of the schedule that the new inputs are for."""


def current_inputs(run: TrainingRun, datasets: Datasets, now: datetime) -> ResolvedInputs | NewInputsNeeded:
    """Return the inputs that a run has pinned, unless its spec has changed since or newer ones are due.

    Raises StalledError for an invalid schedule.
    """
    status = run.status
    if status.inputs is None or status.input_key is None or status.inputs.generation != run.metadata.generation:
        return NewInputsNeeded(status.scheduled_at)
    rerun = decide_rerun(run, datasets, status.inputs, now)
    if rerun.due:
        return NewInputsNeeded(rerun.scheduled_at or status.scheduled_at)
    return ResolvedInputs(status.inputs, status.input_key, status.scheduled_at, rerun.requeue_after)


def resolve_inputs(
    run: TrainingRun, datasets: Datasets, references: References, scheduled_at: str | None, now: datetime
) -> ResolvedInputs | MissingInput:
    """Return the inputs of a run as they are now.

    Raises StalledError for an invalid schedule, before anything is trained.
    """
    rerun = run.spec.rerun
    if rerun.schedule is not None:
        next_due(rerun.schedule, rerun.time_zone, now)
    pinned = _pin_datasets(run, datasets)
    if isinstance(pinned, MissingInput):
        return pinned
    if references.missing:
        missing = ", ".join(references.missing)
        return MissingInput("ReferenceNotFound", f"not found: {missing}; trainer.env needs it")
    occurrence = scheduled_at if trains_each_time(run) else None
    components = _components(run, pinned, references.versions, occurrence)
    inputs = Inputs(
        generation=run.metadata.generation,
        datasets=pinned,
        occurrence=occurrence,
        components=components.describe(),
    )
    return ResolvedInputs(inputs, components.key, scheduled_at)


def _components(
    run: TrainingRun, pinned: list[OriginDataset], references: dict[str, str], occurrence: str | None
) -> Components:
    trainer = run.spec.trainer
    return Components(
        datasets={dataset.name: dataset.digest for dataset in pinned},
        image=trainer.image,
        command=list(trainer.command),
        args=list(trainer.args),
        env=[variable.wire() for variable in trainer.env],
        parameters=dict(run.spec.parameters),
        workers=run.spec.workers.wire(),
        sweep=result_fields(run.spec.sweep),
        nonce=run.spec.cache.nonce,
        occurrence=occurrence or "",
        references=references,
    )


def _pin_datasets(run: TrainingRun, datasets: Datasets) -> list[OriginDataset] | MissingInput:
    from_parent = pinned_by_parent(run)
    if from_parent is not None:
        return from_parent
    pinned: list[OriginDataset] = []
    for used in run.spec.datasets:
        snapshot = _snapshot(used, datasets)
        if isinstance(snapshot, MissingInput):
            return snapshot
        pinned.append(_pin(used, snapshot))
    return pinned


def _snapshot(used: DatasetInput, datasets: Datasets) -> Snapshot | MissingInput:
    dataset = datasets.get(used.ref.name)
    if dataset is None:
        return MissingInput(
            "DatasetNotFound",
            f'Dataset "{used.ref.name}" not found in this namespace; create it, or correct spec.datasets',
        )
    if dataset.status.snapshot is None:
        return MissingInput("DatasetNotReady", f'waiting for the first snapshot of Dataset "{used.ref.name}"')
    return dataset.status.snapshot


def _pin(used: DatasetInput, snapshot: Snapshot) -> OriginDataset:
    return OriginDataset(
        name=used.name,
        dataset=used.ref.name,
        digest=snapshot.digest,
        manifest=snapshot.manifest,
        source=snapshot.source,
        versioned=snapshot.versioned,
        objects=snapshot.objects,
        bytes=snapshot.bytes,
        object_versions=snapshot.object_versions,
    )
