"""What a TrainingRun's decisions rest on."""

from dataclasses import dataclass, field
from datetime import datetime

from modelops.api.dataset import Dataset
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import JobState, jobs_of
from modelops.controllers.trainingrun.references import References, read_references
from modelops.machinery.controller import World
from modelops.machinery.resources import Key
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class Observation:
    """A run and all around it."""

    run: TrainingRun
    settings: Settings
    now: datetime
    datasets: dict[str, Dataset | None] = field(default_factory=dict)
    """Name of a Dataset → the Dataset, None where there is none."""
    references: References = field(default_factory=References)
    jobs: tuple[JobState, ...] = ()
    versions: tuple[ModelVersion, ...] = ()
    """The ModelVersions of the namespace that were made for the inputs wanted now."""


async def observe(run: TrainingRun, world: World) -> Observation:
    """All but the versions, which are found by the inputs wanted.

    The cache has all of it but the content of ConfigMaps and Secrets, which is read when inputs may be taken anew.
    """
    namespace = run.metadata.namespace
    datasets = {
        used.ref.name: world.cache.parsed(Key(Dataset.__name__, namespace, used.ref.name), Dataset)
        for used in run.spec.datasets
    }
    return Observation(
        run=run,
        settings=world.settings,
        now=world.now,
        datasets=datasets,
        references=References() if _keeps_inputs(run) else await read_references(run, world),
        jobs=tuple(await jobs_of(run.metadata.uid, world)),
    )


def versions_made_for(input_key: str, run: TrainingRun, world: World) -> tuple[ModelVersion, ...]:
    """The ModelVersions of the run's namespace with an input key."""
    keys = world.cache.find("input-key", run.metadata.namespace, input_key, kind=ModelVersion.__name__)
    found = (world.cache.parsed(key, ModelVersion) for key in keys)
    return tuple(version for version in found if version is not None)


def _keeps_inputs(run: TrainingRun) -> bool:
    """Whether the pinned inputs stay, whatever the Datasets are now."""
    status = run.status
    pinned = status.inputs is not None and status.inputs.generation == run.metadata.generation
    return pinned and (status.outcome is None or not run.spec.rerun_on)
