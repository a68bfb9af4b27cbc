"""Whose result a run may take instead of training: another run's, or a ModelVersion's. Pure."""

from dataclasses import dataclass

from modelops.api.durations import parse_duration
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import CacheMode, TrainingRun
from modelops.api.trainingrun_status import RunArtifact
from modelops.api.types import Metrics, StringMap
from modelops.controllers.trainingrun.inputs.resolution import Taken
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.sweep.result import parameters_of
from modelops.machinery.conditions import parse_timestamp

CACHE_HIT = "CacheHit"
"""How a run ends that has taken a result."""


@dataclass(frozen=True)
class Result:
    """A model that was made of the same inputs."""

    source: str
    """What has it, in words."""
    artifact: RunArtifact
    metrics: Metrics
    made_by: str
    """The TrainingRun."""
    parameters: StringMap


def reusable(seen: Observation, taken: Taken) -> Result | None:
    """The newest result that the run may take. A mutable tag can mean another image by now: it is never shared."""
    cache = seen.run.spec.cache
    if cache.mode is CacheMode.IGNORE or not pinned_image(seen.run):
        return None
    oldest = seen.now - parse_duration(cache.ttl) if cache.ttl is not None else None
    found = [
        *(_of_version(one) for one in seen.versions if _made_of(one, taken)),
        *(_of_run(one) for one in seen.siblings if _trained(one)),
    ]
    fresh = [(made, result) for made, result in found if oldest is None or parse_timestamp(made) >= oldest]
    return max(fresh, key=lambda one: one[0])[1] if fresh else None


def pinned_image(run: TrainingRun) -> bool:
    """Whether the image is the same for ever."""
    return "@sha256:" in run.spec.trainer.image


def _made_of(version: ModelVersion, taken: Taken) -> bool:
    origin = version.spec.origin
    return origin.training_run is not None and origin.training_run.input_key == taken.key


def _trained(run: TrainingRun) -> bool:
    """Not one that took a result itself: a result must not grow younger by being passed on."""
    outcome = run.status.outcome
    return run.status.artifact is not None and outcome is not None and outcome.reason != CACHE_HIT


def _of_version(version: ModelVersion) -> tuple[str, Result]:
    artifact, origin = version.spec.artifact, version.spec.origin
    taken = RunArtifact(
        uri=artifact.uri,
        digest=artifact.digest,
        bytes=artifact.bytes,
        image=origin.image or "",
        packages=origin.packages,
        history=origin.history,
    )
    made = version.metadata.creation_timestamp
    made_by = origin.training_run.name if origin.training_run is not None else ""
    return made, Result(f"ModelVersion {version.metadata.name}", taken, origin.metrics, made_by, origin.parameters)


def _of_run(run: TrainingRun) -> tuple[str, Result]:
    assert run.status.artifact is not None
    assert run.status.outcome is not None
    name, metrics = run.metadata.name, run.status.metrics
    return run.status.outcome.finished_at, Result(
        f"TrainingRun {name}", run.status.artifact, metrics, name, parameters_of(run, run.status)
    )
