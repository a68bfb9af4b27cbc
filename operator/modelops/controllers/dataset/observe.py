"""What a Dataset's decisions rest on."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from modelops.api.dataset import Dataset
from modelops.controllers.dataset import children
from modelops.controllers.dataset.probing import Prober, problem_of
from modelops.controllers.dataset.sighting import Problem, Sighting, next_look
from modelops.controllers.jobs import JobState, jobs_of
from modelops.controllers.sources import place_of
from modelops.machinery.controller import World
from modelops.machinery.resources import SECRETS, Key
from modelops.machinery.settings import Settings
from modelops.store.credentials import Credentials, from_secret
from modelops.store.errors import S3Problem


@dataclass(frozen=True)
class Observation:
    """A Dataset, its Jobs, and the last look at its source."""

    dataset: Dataset
    settings: Settings
    now: datetime
    jobs: tuple[JobState, ...] = ()
    sighting: Sighting | None = None
    """None: the source has not been looked at since the spec changed or the operator started."""

    @property
    def job(self) -> JobState | None:
        """The Job for the candidate in the status."""
        candidate = self.dataset.status.candidate
        return self.job_for(candidate.digest) if candidate is not None else None

    def job_for(self, digest: str) -> JobState | None:
        """The Job for data with this digest."""
        name = children.job_name(self.dataset, digest)
        return next((job for job in self.jobs if job.key.name == name), None)


async def observe(dataset: Dataset, world: World, prober: Prober) -> Observation:
    """Where a look at the source is due it is started; its end wakes the Dataset."""
    meta = dataset.metadata
    key = Key(Dataset.__name__, meta.namespace, meta.name)
    seen = Observation(
        dataset=dataset,
        settings=world.settings,
        now=world.now,
        jobs=tuple(await jobs_of(meta.uid, world)),
        sighting=prober.last(key, meta.uid, meta.generation),
    )
    due = next_look(dataset, seen.sighting, seen.job)
    if due is None or due > world.now or prober.running(key):
        return seen
    keys = await _credentials(dataset, world)
    if isinstance(keys, Problem):
        sighting = prober.note(key, meta.uid, meta.generation, world.now, keys)
        return Observation(seen.dataset, seen.settings, seen.now, seen.jobs, sighting)
    if len(prober) > 2 * world.cache.size(Dataset.__name__) + 100:
        prober.keep_only(lambda key: world.cache.body(key) is not None)
    prober.start(key, meta.uid, meta.generation, place_of(dataset.spec.source.s3), keys, world.wake)
    return seen


async def _credentials(dataset: Dataset, world: World) -> Credentials | Problem | None:
    """What to look at the source with; None for the operator's own identity. Raises ApiError."""
    source = dataset.spec.source.s3
    namespace = dataset.metadata.namespace
    store = world.settings.store.secret_name
    if store is not None and await world.kube.get(SECRETS, namespace, store) is None:
        return _not_found(store, "the store for manifests and profiles")
    if source.secret_ref is None:
        return None
    name = source.secret_ref.name
    body = await world.kube.get(SECRETS, namespace, name)
    if body is None:
        return _not_found(name, "spec.source.s3.secretRef")
    try:
        return from_secret(_decoded(body.get("data") or {}), name)
    except S3Problem as problem:
        return problem_of(problem)


def _not_found(name: str, needed_by: str) -> Problem:
    return Problem("Waiting", "SecretNotFound", f'there is no Secret "{name}" in this namespace; {needed_by} needs it')


def _decoded(data: dict[str, str]) -> dict[str, str]:
    decoded = {}
    for name, value in data.items():
        try:
            decoded[name] = base64.b64decode(value).decode(errors="replace")
        except binascii.Error:
            continue
    return decoded
