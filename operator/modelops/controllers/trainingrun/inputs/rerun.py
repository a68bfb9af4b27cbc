"""Decide when a run that has inputs needs new ones: its data changed, or a time of its schedule has come. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.dataset import Dataset, Snapshot
from modelops.api.durations import parse_duration
from modelops.api.trainingrun import CacheMode, TrainingRun
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.requeue import earliest
from modelops.controllers.trainingrun.inputs.schedule import last_due, next_due
from modelops.machinery.conditions import format_timestamp, parse_timestamp

Datasets = Mapping[str, Dataset | None]
"""Name of a Dataset → the Dataset, None where it does not exist."""


@dataclass(frozen=True)
class RerunDecision:
    """Whether a run needs new inputs, and when to decide again."""

    due: bool = False
    scheduled_at: str | None = None
    """Time of the schedule that is due, if any."""
    requeue_after: timedelta | None = None


def follows_datasets(run: TrainingRun) -> bool:
    """Return whether the run trains again when a Dataset has a new snapshot."""
    return "DatasetChange" in run.spec.rerun_on


def trains_each_time(run: TrainingRun) -> bool:
    """Return whether the run trains at every time of its schedule, also if its inputs are the same."""
    return run.spec.rerun.schedule is not None and run.spec.cache.mode is CacheMode.IGNORE


def decide_rerun(run: TrainingRun, datasets: Datasets, pinned: Inputs, now: datetime) -> RerunDecision:
    """Decide whether a run with pinned inputs needs new ones now.

    A run under way ends first, unless `rerun.inFlight` is Replace. Raises StalledError for an invalid schedule.
    """
    scheduled = _by_schedule(run, now)
    if run.status.outcome is None and run.spec.rerun.in_flight == "Finish":
        # The end of the run wakes it, and what fell due meanwhile is due then.
        return RerunDecision()
    if scheduled.due:
        return scheduled
    changed = _by_change(run, datasets, pinned, now)
    return RerunDecision(due=changed.due, requeue_after=earliest(scheduled.requeue_after, changed.requeue_after))


def _by_schedule(run: TrainingRun, now: datetime) -> RerunDecision:
    rerun, status = run.spec.rerun, run.status
    if rerun.schedule is None:
        return RerunDecision()
    since = parse_timestamp(status.scheduled_at or status.started_at or format_timestamp(now))
    due = last_due(rerun.schedule, rerun.time_zone, since, now)
    if due is not None:
        return RerunDecision(due=True, scheduled_at=format_timestamp(due))
    following = next_due(rerun.schedule, rerun.time_zone, now)
    return RerunDecision(requeue_after=following - now if following is not None else None)


def _by_change(run: TrainingRun, datasets: Datasets, pinned: Inputs, now: datetime) -> RerunDecision:
    """Decide by the Datasets. New snapshots count `debounce` after the last one, and `minInterval` after a start."""
    if not follows_datasets(run):
        return RerunDecision()
    changed = _changed_snapshots(run, datasets, pinned)
    if not changed:
        return RerunDecision()
    rerun = run.spec.rerun
    due = max(parse_timestamp(snapshot.created_at) for snapshot in changed)
    due += parse_duration(rerun.debounce) if rerun.debounce else timedelta()
    if rerun.min_interval and run.status.started_at:
        due = max(due, parse_timestamp(run.status.started_at) + parse_duration(rerun.min_interval))
    return RerunDecision(due=True) if due <= now else RerunDecision(requeue_after=due - now)


def _changed_snapshots(run: TrainingRun, datasets: Datasets, pinned: Inputs) -> list[Snapshot]:
    digests = {dataset.name: dataset.digest for dataset in pinned.datasets}
    changed = []
    for used in run.spec.datasets:
        dataset = datasets.get(used.ref.name)
        snapshot = dataset.status.snapshot if dataset is not None else None
        if snapshot is not None and snapshot.digest != digests.get(used.name):
            changed.append(snapshot)
    return changed
