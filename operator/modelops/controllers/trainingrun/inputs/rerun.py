"""When a run takes its inputs anew: its data changed, or its schedule says so. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from modelops.api.dataset import Snapshot
from modelops.api.durations import parse_duration
from modelops.api.trainingrun import CacheMode, TrainingRun
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.trainingrun.inputs.schedule import last_due, next_due
from modelops.controllers.trainingrun.observe import Observation
from modelops.machinery.conditions import format_timestamp, parse_timestamp


@dataclass(frozen=True)
class Renewal:
    """Whether inputs are due to be taken anew, and when to ask again."""

    due: bool = False
    scheduled_at: str | None = None
    """The time of the schedule that this answers, where there is a new one."""
    requeue_after: timedelta | None = None


def follows_datasets(run: TrainingRun) -> bool:
    """Whether a new snapshot means a new run."""
    return "DatasetChange" in run.spec.rerun_on


def trains_each_time(run: TrainingRun) -> bool:
    """Whether every time of the schedule is a run of its own, with the same inputs too."""
    return run.spec.rerun.schedule is not None and run.spec.cache.mode is CacheMode.IGNORE


def renewal(seen: Observation, pinned: Inputs) -> Renewal:
    """Whether a run that has inputs takes them anew now. Raises StalledError for a schedule that is none.

    One that is under way ends first, unless `rerun.inFlight` is Replace.
    """
    scheduled = _by_schedule(seen)
    if seen.run.status.outcome is None and seen.run.spec.rerun.in_flight == "Finish":
        # Its end wakes the run. What fell due meanwhile still is then.
        return Renewal()
    if scheduled.due:
        return scheduled
    changed = _by_change(seen, pinned)
    times = [one for one in (scheduled.requeue_after, changed.requeue_after) if one is not None]
    return Renewal(due=changed.due, requeue_after=min(times, default=None))


def _by_schedule(seen: Observation) -> Renewal:
    rerun, status = seen.run.spec.rerun, seen.run.status
    if rerun.schedule is None:
        return Renewal()
    since = parse_timestamp(status.scheduled_at or status.started_at or format_timestamp(seen.now))
    due = last_due(rerun.schedule, rerun.time_zone, since, seen.now)
    if due is not None:
        return Renewal(due=True, scheduled_at=format_timestamp(due))
    following = next_due(rerun.schedule, rerun.time_zone, seen.now)
    return Renewal(requeue_after=following - seen.now if following is not None else None)


def _by_change(seen: Observation, pinned: Inputs) -> Renewal:
    """New data counts once it has been current for `debounce`, and `minInterval` after the last start."""
    if not follows_datasets(seen.run):
        return Renewal()
    moved = list(_moved(seen, pinned))
    if not moved:
        return Renewal()
    rerun = seen.run.spec.rerun
    due = max(parse_timestamp(snapshot.created_at) for snapshot in moved)
    due += parse_duration(rerun.debounce) if rerun.debounce else timedelta()
    if rerun.min_interval and seen.run.status.started_at:
        due = max(due, parse_timestamp(seen.run.status.started_at) + parse_duration(rerun.min_interval))
    return Renewal(due=True) if due <= seen.now else Renewal(requeue_after=due - seen.now)


def _moved(seen: Observation, pinned: Inputs) -> list[Snapshot]:
    digests = {one.name: one.digest for one in pinned.datasets}
    found = []
    for used in seen.run.spec.datasets:
        dataset = seen.datasets.get(used.ref.name)
        snapshot = dataset.status.snapshot if dataset is not None else None
        if snapshot is not None and snapshot.digest != digests.get(used.name):
            found.append(snapshot)
    return found
