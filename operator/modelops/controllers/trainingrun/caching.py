"""Find the result that a run may reuse instead of training: that of another run which is still there. Pure."""

from dataclasses import dataclass

from modelops.api.durations import parse_duration
from modelops.api.trainingrun import CacheMode, TrainingRun
from modelops.api.trainingrun_status import CacheResult, Inputs, RunArtifact
from modelops.api.types import Metrics, StringMap
from modelops.controllers.trainingrun.context import RunContext
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.sweep.result import model_parameters
from modelops.lineage.input_key import UNKNOWN_VERSION, difference
from modelops.machinery.conditions import parse_timestamp

CACHE_HIT = "CacheHit"
"""Reason of the outcome of a run that reused a result."""


@dataclass(frozen=True)
class CachedResult:
    """A model that was made from the same inputs."""

    run: str
    """Name of the TrainingRun that trained the model."""
    artifact: RunArtifact
    metrics: Metrics
    parameters: StringMap


def find_cached_result(seen: Observation, resolved: ResolvedInputs) -> CachedResult | None:
    """Return the newest result that the run may reuse.

    A result of a mutable tag is never reused: the tag may name another image by now. Nor is one of a Secret that the
    operator may not look at: the Secret may have other values by now. A ModelVersion alone is not
    believed, since its origin is what its author wrote; the status of a run is written by the operator alone.
    """
    cache = seen.run.spec.cache
    if cache.mode is CacheMode.IGNORE or not has_pinned_image(seen.run) or unknown_secrets(resolved.inputs):
        return None
    oldest = seen.now - parse_duration(cache.ttl) if cache.ttl is not None else None
    results = [result for sibling in seen.siblings if (result := _result_of(sibling)) is not None]
    fresh = [(made_at, result) for made_at, result in results if oldest is None or parse_timestamp(made_at) >= oldest]
    return max(fresh, key=lambda dated: dated[0])[1] if fresh else None


def cache_miss(context: RunContext) -> CacheResult:
    """Return the miss in the status, or a new one that says why no result can be reused."""
    return context.status.cache or CacheResult(result="Miss", reason=_why_missed(context.seen, context.resolved))


def has_pinned_image(run: TrainingRun) -> bool:
    """Return whether the image is pinned by digest."""
    return "@sha256:" in run.spec.trainer.image


def unknown_secrets(inputs: Inputs) -> list[str]:
    """Return the Secrets of which the operator does not know whether they changed, each as `Secret name`."""
    return sorted(name for name, text in inputs.components.items() if text == UNKNOWN_VERSION)


def _why_missed(seen: Observation, resolved: ResolvedInputs) -> str:
    spec, before = seen.run.spec, seen.run.status
    if before.inputs is not None and before.input_key != resolved.key:
        return difference(before.inputs.components, resolved.inputs.components)
    if spec.cache.mode is CacheMode.IGNORE:
        return "cache.mode is Ignore"
    if not has_pinned_image(seen.run):
        return "the image is a mutable tag, so no other result is reused; pin it by digest"
    if unknown := unknown_secrets(resolved.inputs):
        return (
            f"{', '.join(unknown)} may have changed, so no other result is reused: the operator may not read it; add"
            " the namespace to rbac.secretNamespaces of the chart"
        )
    if spec.cache.ttl is not None and seen.siblings:
        return f"the results for these inputs are older than cache.ttl ({spec.cache.ttl})"
    if seen.versions:
        name = min(version.metadata.name for version in seen.versions)
        return f"ModelVersion {name} names these inputs, but no TrainingRun with its result is there to confirm it"
    return "no result for these inputs in this namespace"


def _result_of(run: TrainingRun) -> tuple[str, CachedResult] | None:
    """Return a run's result and its time; None if the run reused it: a result must not become younger by that."""
    outcome, artifact = run.status.outcome, run.status.artifact
    if artifact is None or outcome is None or outcome.reason == CACHE_HIT:
        return None
    parameters = model_parameters(run, run.status)
    return outcome.finished_at, CachedResult(run.metadata.name, artifact, run.status.metrics, parameters)
