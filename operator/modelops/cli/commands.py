"""Commands of the plugin. Each reads an object, sends a patch or prints text, and returns the exit code."""

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

_POLL_SECONDS = 1.0
_UNREACHABLE_SECONDS = 60.0
"""Time for which a watch goes on while the cluster cannot be reached."""

Command = Callable[[Cluster, Namespace], int]


def rollout_status(cluster: Cluster, options: Namespace) -> int:
    """Show a rollout. With --watch, print changes until the rollout has ended."""
    service = cluster.get(InferenceService, options.name)
    if not options.watch:
        print("\n".join(render.rollout(service, _now())))
        return rollout_state(service)
    printed: list[str] = []
    while True:
        lines = render.changes(service)
        for line in render.stamped((line for line in lines if line not in printed), _now()):
            print(line, flush=True)
        printed = lines
        if rollout_state(service) is not RolloutState.PROGRESSING:
            return rollout_state(service)
        time.sleep(_POLL_SECONDS)
        service = _retry_unreachable(lambda: cluster.get(InferenceService, options.name))


def rollout_promote(cluster: Cluster, options: Namespace) -> int:
    """Promote a candidate to its next step, or to all traffic."""
    service = cluster.get(InferenceService, options.name)
    return _send(cluster, service, patches.promote(service, _stamp(), cluster.whoami(), full=options.full), "promoted")


def rollout_pause(cluster: Cluster, options: Namespace) -> int:
    """Pause a rollout."""
    service = cluster.get(InferenceService, options.name)
    return _send(cluster, service, patches.pause(service, cluster.whoami()), "paused")


def rollout_resume(cluster: Cluster, options: Namespace) -> int:
    """Resume a paused rollout."""
    service = cluster.get(InferenceService, options.name)
    return _send(cluster, service, patches.resume(service, cluster.whoami()), "resumed")


def rollout_abort(cluster: Cluster, options: Namespace) -> int:
    """Abort a rollout."""
    service = cluster.get(InferenceService, options.name)
    return _send(cluster, service, patches.abort(service, _stamp(), cluster.whoami(), options.reason), "aborted")


def rollout_retry(cluster: Cluster, options: Namespace) -> int:
    """Retry the rollout of a failed version."""
    service = cluster.get(InferenceService, options.name)
    return _send(cluster, service, patches.retry_rollout(service, _stamp(), cluster.whoami()), "retried")


def approve(cluster: Cluster, options: Namespace) -> int:
    """Approve a version in the user's name."""
    version = cluster.get(ModelVersion, options.name)
    return _send(cluster, version, patches.approve(version, options.by or cluster.whoami()), "approved")


def refresh(cluster: Cluster, options: Namespace) -> int:
    """Probe the source of a Dataset now."""
    dataset = cluster.get(Dataset, options.name)
    return _send(cluster, dataset, patches.refresh(dataset, _stamp()), "refreshed")


def rerun(cluster: Cluster, options: Namespace) -> int:
    """Train a run again on the same inputs."""
    run = cluster.get(TrainingRun, options.name)
    return _send(cluster, run, patches.rerun(run, _stamp()), "rerun")


def retry(cluster: Cluster, options: Namespace) -> int:
    """Train a run once more after a failure or a stop."""
    run = cluster.get(TrainingRun, options.name)
    return _send(cluster, run, patches.retry_run(run, _stamp()), "retried")


def stop(cluster: Cluster, options: Namespace) -> int:
    """Stop a run."""
    run = cluster.get(TrainingRun, options.name)
    return _send(cluster, run, patches.stop(run, _stamp(), options.reason), "stopped")


def lineage(cluster: Cluster, options: Namespace) -> int:
    """Show the lineage of serving Pods."""
    for number, pod in enumerate(_serving(cluster, options.name)):
        if number:
            print()
        print("\n".join(render.lineage(trace_lineage(pod))))
    return 0


def _serving(cluster: Cluster, name: str) -> list[Body]:
    """Return one Pod of each version of the InferenceService of this name, or the Pod of this name."""
    try:
        service = cluster.get(InferenceService, name)
    except NotFoundError:
        try:
            return [cluster.pod(name)]
        except NotFoundError as error:
            raise ClusterError(f"no InferenceService and no Pod {name} in namespace {cluster.namespace}") from error
    pods = one_pod_per_version(cluster.pods(f"{INFERENCE_SERVICE}={service.metadata.name}"))
    if not pods:
        raise RequestRefusedError(
            f"InferenceService {name} has no Pods yet; to see why: kubectl modelops rollout status {name}"
        )
    return pods


def _send(cluster: Cluster, target: Kind, patch: Patch, done: str) -> int:
    kind = type(target)
    cluster.patch(kind, target.metadata.name, patch.body)
    print(f"{kind.__name__.lower()}.{GROUP}/{target.metadata.name} {done}: {patch.effect}")
    return 0


def _retry_unreachable(read: Callable[[], InferenceService]) -> InferenceService:
    """Return what `read` returns, retried while the cluster cannot be reached.

    Raises UnreachableError after a minute.
    """
    deadline = time.monotonic() + _UNREACHABLE_SECONDS
    while True:
        try:
            return read()
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _stamp() -> str:
    return patches.stamp(_now())


def _now() -> datetime:
    return datetime.now(UTC)
