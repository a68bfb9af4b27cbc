"""What a Dataset's decisions rest on."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from modelops.api.dataset import Dataset
from modelops.controllers.dataset import children
from modelops.controllers.dataset.prerequisites import credentials_for
from modelops.controllers.dataset.probe_result import Problem, Sighting
from modelops.controllers.dataset.probing import Prober
from modelops.controllers.dataset.schedule import asked, needs_job, next_look, undecided
from modelops.controllers.jobs import JobState, jobs_of
from modelops.controllers.sources import place_of
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import Key
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class Observation:
    """A Dataset, its Jobs, and the last look at its source."""

    dataset: Dataset
    settings: Settings
    now: datetime
    jobs: tuple[JobState, ...] = ()
    sighting: Sighting | None = None
    """None: the operator has not looked at the source since the spec changed, it was asked to, or it started."""
    due: Literal["Probe", "Survey"] | None = None
    """A look was due. Probe: it has begun, and its end wakes the Dataset. Survey: a Job is to be made for it."""
    obstacle: Problem | None = None
    """Why the survey that is due cannot begin."""

    @property
    def job(self) -> JobState | None:
        """The Job that reads the candidate in the status."""
        candidate = self.dataset.status.candidate
        return self.job_for(candidate.digest) if candidate is not None and candidate.digest is not None else None

    @property
    def survey(self) -> JobState | None:
        """The Job that looks at the source. One made for a request may be older than the note that it was."""
        names = {children.survey_name(self.dataset), children.survey_name(self.dataset, asked(self.dataset))}
        return next((job for job in self.jobs if job.key.name in names), None)

    @property
    def busy(self) -> bool:
        """Whether a Job has the word."""
        candidate = self.dataset.status.candidate
        reads = self.job is not None and candidate is not None and undecided(candidate.state)
        return reads or self.survey is not None

    def job_for(self, digest: str) -> JobState | None:
        """The Job that reads data with this digest."""
        name = children.job_name(self.dataset, digest)
        return next((job for job in self.jobs if job.key.name == name), None)


async def observe(dataset: Dataset, context: ReconcileContext, prober: Prober) -> Observation:
    """Where a look at the source is due it is started; its end wakes the Dataset."""
    meta = dataset.metadata
    key = Key(Dataset.__name__, meta.namespace, meta.name)
    seen = Observation(
        dataset=dataset,
        settings=context.settings,
        now=context.now,
        jobs=tuple(await jobs_of(meta.uid, context)),
        sighting=prober.last(key, meta.uid, meta.generation),
    )
    due = next_look(dataset, seen.sighting, busy=seen.busy)
    if due is None or due > context.now or prober.running(key):
        return seen
    keys = await credentials_for(dataset, context)
    if needs_job(dataset, seen.sighting):
        obstacle = keys if isinstance(keys, Problem) else None
        return replace(seen, due="Survey", obstacle=obstacle)
    if isinstance(keys, Problem):
        sighting = prober.note(key, meta.uid, meta.generation, context.now, keys)
        return replace(seen, due="Probe", sighting=sighting)
    if asked(dataset) is not None:
        prober.forget(key)
    if len(prober) > 2 * context.cache.size(Dataset.__name__) + 100:
        prober.keep_only(lambda key: context.cache.body(key) is not None)
    source = dataset.spec.source.s3
    assert source is not None
    limit = dataset.spec.probe.max_objects
    prober.start(key, meta.uid, meta.generation, place_of(source), keys, limit, context.enqueue)
    return replace(seen, due="Probe", sighting=prober.last(key, meta.uid, meta.generation))
