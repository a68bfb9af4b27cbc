"""Everything that a Dataset's decisions depend on, in one Observation."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from modelops.api.dataset import Dataset
from modelops.controllers.dataset import children
from modelops.controllers.dataset.prerequisites import credentials_for
from modelops.controllers.dataset.probe_result import ProbeResult, SecretNotReadable, SourceProblem
from modelops.controllers.dataset.probing import Prober
from modelops.controllers.dataset.schedule import needs_probe_job, next_probe_at, refresh_requested, undecided
from modelops.controllers.jobs import JobState, jobs_of
from modelops.controllers.sources import place_of
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import Key
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class Observation:
    """A Dataset, its Jobs, and the operator's last probe of its source."""

    dataset: Dataset
    settings: Settings
    now: datetime
    jobs: tuple[JobState, ...] = ()
    probe_result: ProbeResult | None = None
    """None: the operator has not probed the source since it started, the spec changed, or a refresh was requested."""
    due: Literal["InProcess", "Job"] | None = None
    """Probe that is due. InProcess: the operator has started it, and its end wakes the Dataset. Job: a probe Job is to
    be created."""
    obstacle: SourceProblem | None = None
    """Why the probe Job that is due cannot be created."""

    @property
    def snapshot_job(self) -> JobState | None:
        """Job that reads the candidate in the status."""
        candidate = self.dataset.status.candidate
        if candidate is None or candidate.digest is None:
            return None
        return self.snapshot_job_for(candidate.digest)

    @property
    def probe_job(self) -> JobState | None:
        """Job that probes the source. One made for a refresh may exist before the status says that it was made."""
        requested = refresh_requested(self.dataset)
        names = {children.probe_job_name(self.dataset), children.probe_job_name(self.dataset, requested)}
        return next((job for job in self.jobs if job.key.name in names), None)

    @property
    def job_expected(self) -> bool:
        """Whether a snapshot Job or a probe Job exists whose end is still to be evaluated."""
        candidate = self.dataset.status.candidate
        reads = self.snapshot_job is not None and candidate is not None and undecided(candidate.state)
        return reads or self.probe_job is not None

    def snapshot_job_for(self, digest: str) -> JobState | None:
        """Return the Job that reads the data with this digest."""
        name = children.snapshot_job_name(self.dataset, digest)
        return next((job for job in self.jobs if job.key.name == name), None)


async def observe(dataset: Dataset, context: ReconcileContext, prober: Prober) -> Observation:
    """Gather the Observation of a Dataset, and start a probe in the background if one is due. Raises ApiError."""
    meta = dataset.metadata
    key = Key(Dataset.__name__, meta.namespace, meta.name)
    seen = Observation(
        dataset=dataset,
        settings=context.settings,
        now=context.now,
        jobs=tuple(await jobs_of(dataset, context)),
        probe_result=prober.last(key, meta.uid, meta.generation),
    )
    least = context.settings.datasets.shortest
    due_at = next_probe_at(dataset, seen.probe_result, job_expected=seen.job_expected, least_interval=least)
    if due_at is None or due_at > context.now or prober.running(key):
        return seen
    if len(prober) > 2 * context.cache.size(Dataset.__name__) + 100:
        prober.keep_only(lambda key: context.cache.body(key) is not None)
    credentials = await credentials_for(dataset, context)
    if isinstance(credentials, SecretNotReadable):
        result = prober.record(key, meta.uid, meta.generation, context.now, credentials)
        due_at = next_probe_at(dataset, result, job_expected=False)
        due = due_at is not None and due_at <= context.now
        return replace(seen, probe_result=result, due="Job" if due else None)
    if needs_probe_job(dataset, seen.probe_result):
        obstacle = credentials if isinstance(credentials, SourceProblem) else None
        return replace(seen, due="Job", obstacle=obstacle)
    if isinstance(credentials, SourceProblem):
        result = prober.record(key, meta.uid, meta.generation, context.now, credentials)
        return replace(seen, due="InProcess", probe_result=result)
    was_unreadable = seen.probe_result is not None and isinstance(seen.probe_result.outcome, SecretNotReadable)
    if was_unreadable or refresh_requested(dataset) is not None:
        prober.forget(key)
    source = dataset.spec.source.s3
    assert source is not None
    assert credentials is not None, "a source without a Secret is probed by a Job"
    limit = dataset.spec.probe.max_objects
    rules = context.settings.egress.rules
    prober.start(key, meta.uid, meta.generation, place_of(source), credentials, limit, rules, context.enqueue)
    return replace(seen, due="InProcess", probe_result=prober.last(key, meta.uid, meta.generation))
