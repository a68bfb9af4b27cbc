"""Which inputs a run uses: those it has pinned, or new ones. Pure."""

from dataclasses import dataclass

from modelops.api.dataset import Snapshot
from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import DatasetInput, TrainingRun
from modelops.api.trainingrun_status import Inputs
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


def wanted(seen: Observation) -> Taken | Missing:
    """The inputs to have a model for.

    Pinned ones stay: until the spec changes or, where the run follows its Datasets, until one of them has a new
    snapshot and the run for the pinned ones has ended.
    """
    status = seen.run.status
    if status.inputs is None or status.input_key is None or status.inputs.generation != seen.run.metadata.generation:
        return taken_anew(seen)
    pinned = Taken(status.inputs, status.input_key)
    if follows_datasets(seen.run) and status.outcome is not None and _datasets_moved(seen, status.inputs):
        return taken_anew(seen)
    return pinned


def follows_datasets(run: TrainingRun) -> bool:
    """Whether a new snapshot means a new run."""
    return "DatasetChange" in run.spec.rerun_on


def taken_anew(seen: Observation) -> Taken | Missing:
    """The inputs as they are now."""
    pinned: list[OriginDataset] = []
    for used in seen.run.spec.datasets:
        snapshot = _snapshot(used, seen)
        if isinstance(snapshot, Missing):
            return snapshot
        pinned.append(_pin(used, snapshot))
    if seen.references.missing:
        missing = ", ".join(seen.references.missing)
        return Missing("ReferenceNotFound", f"the environment refers to what is not there: {missing}")
    components = components_of(seen.run, pinned, seen.references.digests)
    inputs = Inputs(generation=seen.run.metadata.generation, datasets=pinned, components=components.described())
    return Taken(inputs, components.key)


def components_of(run: TrainingRun, pinned: list[OriginDataset], references: dict[str, str]) -> Components:
    """What the key is made of."""
    trainer = run.spec.trainer
    return Components(
        datasets={one.name: one.digest for one in pinned},
        image=trainer.image,
        command=list(trainer.command),
        args=list(trainer.args),
        env=[variable.wire() for variable in trainer.env],
        parameters=dict(run.spec.parameters),
        nonce=run.spec.cache.nonce,
        references=references,
    )


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


def _datasets_moved(seen: Observation, inputs: Inputs) -> bool:
    digests = {one.name: one.digest for one in inputs.datasets}
    for used in seen.run.spec.datasets:
        snapshot = _snapshot(used, seen)
        if isinstance(snapshot, Snapshot) and snapshot.digest != digests.get(used.name):
            return True
    return False
