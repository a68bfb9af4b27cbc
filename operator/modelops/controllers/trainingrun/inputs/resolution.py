"""Which inputs a run uses: those it has pinned, or new ones. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta

from modelops.api.dataset import Snapshot
from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import DatasetInput, TrainingRun
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.trainingrun.inputs.pinning import pinned_by_parent
from modelops.controllers.trainingrun.inputs.rerun import renewal, trains_each_time
from modelops.controllers.trainingrun.inputs.schedule import next_due
from modelops.controllers.trainingrun.inputs.sweep_fields import decides
from modelops.controllers.trainingrun.observe import Observation
from modelops.lineage.input_key import Components


@dataclass(frozen=True)
class Missing:
    """An input that is not there yet."""

    reason: str
    message: str


@dataclass(frozen=True)
class Taken:
    """Inputs and their key."""

    inputs: Inputs
    key: str
    scheduled_at: str | None = None
    """The time of the schedule that they were taken for."""
    requeue_after: timedelta | None = None
    """When to ask again whether newer ones are due."""


def wanted(seen: Observation) -> Taken | Missing:
    """The inputs to have a model for.

    Pinned ones stay: until the spec changes, or until newer ones are due. Raises StalledError, for a schedule that is none
    before anything is trained.
    """
    status, rerun = seen.run.status, seen.run.spec.rerun
    if rerun.schedule is not None:
        next_due(rerun.schedule, rerun.time_zone, seen.now)
    pinned = pinned_inputs(seen.run)
    if pinned is None:
        return taken_anew(seen, status.scheduled_at)
    due = renewal(seen, pinned.inputs)
    if due.due:
        return taken_anew(seen, due.scheduled_at or status.scheduled_at)
    return replace(pinned, requeue_after=due.requeue_after)


def pinned_inputs(run: TrainingRun) -> Taken | None:
    """The inputs that a run has for the spec as it is."""
    status = run.status
    if status.inputs is None or status.input_key is None or status.inputs.generation != run.metadata.generation:
        return None
    return Taken(status.inputs, status.input_key, status.scheduled_at)


def takes_anew(seen: Observation) -> bool:
    """Whether `wanted` will look at what the environment refers to. Raises StalledError as it does."""
    pinned = pinned_inputs(seen.run)
    return pinned is None or renewal(seen, pinned.inputs).due


def taken_anew(seen: Observation, scheduled_at: str | None = None) -> Taken | Missing:
    """The inputs as they are now."""
    pinned = _pinned(seen)
    if isinstance(pinned, Missing):
        return pinned
    if seen.references.missing:
        missing = ", ".join(seen.references.missing)
        return Missing("ReferenceNotFound", f"the environment refers to what is not there: {missing}")
    occurrence = scheduled_at if trains_each_time(seen.run) else None
    components = components_of(seen.run, pinned, seen.references.digests, occurrence)
    inputs = Inputs(
        generation=seen.run.metadata.generation,
        datasets=pinned,
        occurrence=occurrence,
        components=components.describe(),
    )
    return Taken(inputs, components.key, scheduled_at)


def components_of(
    run: TrainingRun, pinned: list[OriginDataset], references: dict[str, str], occurrence: str | None = None
) -> Components:
    """What the key is made of."""
    trainer = run.spec.trainer
    return Components(
        datasets={one.name: one.digest for one in pinned},
        image=trainer.image,
        command=list(trainer.command),
        args=list(trainer.args),
        env=[variable.wire() for variable in trainer.env],
        parameters=dict(run.spec.parameters),
        workers=run.spec.workers.wire(),
        sweep=decides(run.spec.sweep),
        nonce=run.spec.cache.nonce,
        occurrence=occurrence or "",
        references=references,
    )


def _pinned(seen: Observation) -> list[OriginDataset] | Missing:
    given = pinned_by_parent(seen.run)
    if given is not None:
        return given
    pinned: list[OriginDataset] = []
    for used in seen.run.spec.datasets:
        snapshot = _snapshot(used, seen)
        if isinstance(snapshot, Missing):
            return snapshot
        pinned.append(_pin(used, snapshot))
    return pinned


def _snapshot(used: DatasetInput, seen: Observation) -> Snapshot | Missing:
    dataset = seen.datasets.get(used.ref.name)
    if dataset is None:
        return Missing("DatasetNotFound", f'there is no Dataset "{used.ref.name}" in this namespace')
    if dataset.status.snapshot is None:
        return Missing("DatasetNotReady", f'Dataset "{used.ref.name}" has no snapshot yet')
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
        object_versions=snapshot.object_versions,
    )
