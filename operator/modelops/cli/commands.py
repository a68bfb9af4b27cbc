"""What each command does: ask the cluster, decide, ask for it, tell. Each returns the exit code."""

import time
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime

from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.kinds import GROUP, Kind
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.cli import patches, render
from modelops.cli.client import Body, Cluster, ClusterError, NotFoundError, UnreachableError
from modelops.cli.lineage import INFERENCE_SERVICE, one_pod_per_version, trace_lineage
from modelops.cli.patches import Patch, RequestRefusedError
from modelops.cli.rollout_state import RolloutState, rollout_state

_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
"""How long a watch outlives a cluster that does not answer."""

Command = Callable[[Cluster, Namespace], int]


def rollout_status(cluster: Cluster, given: Namespace) -> int:
    """Show a rollout. With --watch, what changes until it has ended."""
    service = cluster.get(InferenceService, given.name)
    if not given.watch:
        print("\n".join(render.rollout(service, _now())))
        return rollout_state(service)
    seen: list[str] = []
    while True:
        lines = render.changes(service)
        for line in render.stamped((line for line in lines if line not in seen), _now()):
            print(line, flush=True)
        seen = lines
        if rollout_state(service) is not RolloutState.PROGRESSING:
            return rollout_state(service)
        time.sleep(_LOOK_SECONDS)
        service = _answered(lambda: cluster.get(InferenceService, given.name))


def rollout_promote(cluster: Cluster, given: Namespace) -> int:
    """On to the next step, or to the end."""
    service = cluster.get(InferenceService, given.name)
    return _asked(cluster, service, patches.promote(service, _stamp(), full=given.full), "promoted")


def rollout_pause(cluster: Cluster, given: Namespace) -> int:
    """Hold the candidate where it is."""
    service = cluster.get(InferenceService, given.name)
    return _asked(cluster, service, patches.pause(service), "paused")


def rollout_resume(cluster: Cluster, given: Namespace) -> int:
    """End a pause."""
    service = cluster.get(InferenceService, given.name)
    return _asked(cluster, service, patches.resume(service), "resumed")


def rollout_abort(cluster: Cluster, given: Namespace) -> int:
    """Back to the stable version."""
    service = cluster.get(InferenceService, given.name)
    return _asked(cluster, service, patches.abort(service, _stamp(), given.reason), "aborted")


def rollout_retry(cluster: Cluster, given: Namespace) -> int:
    """Try what failed once more."""
    service = cluster.get(InferenceService, given.name)
    return _asked(cluster, service, patches.retry_rollout(service, _stamp()), "retried")


def approve(cluster: Cluster, given: Namespace) -> int:
    """Let a version serve, in one's own name."""
    version = cluster.get(ModelVersion, given.name)
    return _asked(cluster, version, patches.approve(version, given.by or cluster.whoami()), "approved")


def refresh(cluster: Cluster, given: Namespace) -> int:
    """Have a Dataset look at its source."""
    dataset = cluster.get(Dataset, given.name)
    return _asked(cluster, dataset, patches.refresh(dataset, _stamp()), "refreshed")


def rerun(cluster: Cluster, given: Namespace) -> int:
    """Train again on the same inputs."""
    run = cluster.get(TrainingRun, given.name)
    return _asked(cluster, run, patches.rerun(run, _stamp()), "rerun")


def retry(cluster: Cluster, given: Namespace) -> int:
    """Train once more after a failure."""
    run = cluster.get(TrainingRun, given.name)
    return _asked(cluster, run, patches.retry_run(run, _stamp()), "retried")


def stop(cluster: Cluster, given: Namespace) -> int:
    """End a run."""
    run = cluster.get(TrainingRun, given.name)
    return _asked(cluster, run, patches.stop(run, _stamp(), given.reason), "stopped")


def lineage(cluster: Cluster, given: Namespace) -> int:
    """Where what serves came from."""
    for number, pod in enumerate(_serving(cluster, given.name)):
        if number:
            print()
        print("\n".join(render.lineage(trace_lineage(pod))))
    return 0


def _serving(cluster: Cluster, name: str) -> list[Body]:
    """The Pod of this name; or of the InferenceService of this name, one of each version."""
    try:
        service = cluster.get(InferenceService, name)
    except NotFoundError:
        try:
            return [cluster.pod(name)]
        except NotFoundError as error:
            raise ClusterError(
                f"there is no InferenceService and no Pod {name} in namespace {cluster.namespace}"
            ) from error
    pods = one_pod_per_version(cluster.pods(f"{INFERENCE_SERVICE}={service.metadata.name}"))
    if not pods:
        raise RequestRefusedError(
            f"InferenceService {name} has no Pods yet: see `kubectl modelops rollout status {name}`"
        )
    return pods


def _asked(cluster: Cluster, target: Kind, request: Patch, done: str) -> int:
    kind = type(target)
    cluster.patch(kind, target.metadata.name, request.patch)
    print(f"{kind.__name__.lower()}.{GROUP}/{target.metadata.name} {done}: {request.told}")
    return 0


def _answered(ask: Callable[[], InferenceService]) -> InferenceService:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)


def _stamp() -> str:
    return patches.stamp(_now())


def _now() -> datetime:
    return datetime.now(UTC)
