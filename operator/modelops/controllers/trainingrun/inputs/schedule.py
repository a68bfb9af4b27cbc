"""Find the times of a cron schedule. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from modelops.machinery.controller import StalledError

_FIELDS = 5


def last_due(expression: str, zone: str, after: datetime, now: datetime) -> datetime | None:
    """Return the last time of the schedule in (after, now], None if there is none. Raises StalledError.

    Only the last of several missed times counts, for instance while no operator ran.
    """
    # Backwards from the next second, since cronsim excludes the time at which it starts.
    latest = next(_times(expression, zone, _next_second(now), reverse=True), None)
    return latest if latest is not None and latest > after else None


def next_due(expression: str, zone: str, after: datetime) -> datetime | None:
    """Return the first time of the schedule after a moment, None if it has none (30 February). Raises StalledError."""
    return next(_times(expression, zone, after), None)


def _times(expression: str, zone: str, start: datetime, *, reverse: bool = False) -> CronSim:
    try:
        local = start.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError) as error:
        raise StalledError(
            "InvalidSchedule", f'spec.rerun.timeZone: "{zone}" is not a time zone; write one such as Europe/Berlin'
        ) from error
    try:
        if len(expression.split()) != _FIELDS:
            raise CronSimError("it needs five fields")
        return CronSim(expression, local, reverse=reverse)
    except CronSimError as error:
        raise StalledError(
            "InvalidSchedule",
            f'spec.rerun.schedule: "{expression}" is not a cron expression ({error}); write one such as "0 3 * * 1"',
        ) from error


def _next_second(moment: datetime) -> datetime:
    return datetime.fromtimestamp(int(moment.timestamp()) + 1, moment.tzinfo)
