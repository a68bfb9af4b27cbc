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
    """The ModelVersions of the namespace whose input key is the one in the run's status."""


async def observe(run: TrainingRun, world: World) -> Observation:
    """The cache has all of it but the content of ConfigMaps and Secrets, which is read when inputs are taken anew."""
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
        references=await read_references(run, world),
        jobs=tuple(await jobs_of(run.metadata.uid, world)),
        versions=tuple(_versions(run.metadata.namespace, world)),
    )
