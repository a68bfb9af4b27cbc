"""Times of a cron schedule. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from modelops.machinery.controller import StalledError

_FIELDS = 5


def last_due(expression: str, zone: str, after: datetime, now: datetime) -> datetime | None:
    """The last of the schedule's times in (after, now], None where there is none. Raises StalledError.

    Of several that were missed, as while no operator ran, only the last counts.
    """
    # Backwards from the first moment after `now`, since cronsim leaves out the time that it starts from.
    latest = next(_times(expression, zone, _next_second(now), reverse=True), None)
    return latest if latest is not None and latest > after else None


def next_due(expression: str, zone: str, after: datetime) -> datetime | None:
    """The schedule's first time after a moment; None for one that never comes, such as 30 February. Raises StalledError."""
    return next(_times(expression, zone, after), None)


def _times(expression: str, zone: str, start: datetime, *, reverse: bool = False) -> CronSim:
    try:
        local = start.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError) as error:
        raise StalledError(
            "InvalidSchedule", f'spec.rerun.timeZone: "{zone}" is no time zone; write it like Europe/Berlin'
        ) from error
    try:
        if len(expression.split()) != _FIELDS:
            raise CronSimError("it must have five fields")
        return CronSim(expression, local, reverse=reverse)
    except CronSimError as error:
        raise StalledError(
            "InvalidSchedule",
            f'spec.rerun.schedule: "{expression}" is no cron expression ({error}); write it like "0 3 * * 1"',
        ) from error


def _next_second(moment: datetime) -> datetime:
    return datetime.fromtimestamp(int(moment.timestamp()) + 1, moment.tzinfo)
