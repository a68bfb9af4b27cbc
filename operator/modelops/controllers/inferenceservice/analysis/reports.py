"""Reports of Pods' monitors on inputs, predictions and agreement, and the distributions that an analysis rests on.

A Pod is not trusted: a report is parsed within bounds, or rejected as a whole.
"""

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from yarl import URL

from modelops.controllers.bounded_http import Slot, fetch_each, get
from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Sample
from modelops.controllers.inferenceservice.analysis.evidence import Distributions, Pairs, Sides
from modelops.controllers.inferenceservice.pod.template import STATS_PORT

_TIMEOUT_SECONDS = 3.0
_WITHIN_SECONDS = 10.0
"""Bound on the time for all Pods, whose number has none."""
_MAX_BYTES = 8 << 20
_MAX_ENTRIES = 4 * 32_768 + 4 * 1_000
"""Bins, words and columns of a report: as many as a monitor counts in its four parts."""
_MAX_COLUMNS = 1_000
_MAX_CHARACTERS = 256


class UnreadableReportError(ValueError):
    """The response is not a report of a monitor."""


class NoRoomError(ValueError):
    """The reports that are held leave no room for this one."""


@dataclass(frozen=True)
class Samples:
    """Rows that a version received, and its predictions."""

    inputs: Sample = field(default_factory=Sample)
    predictions: Sample = field(default_factory=Sample)

    def since(self, before: Self) -> "Samples":
        """Return what was added after `before`."""
        return Samples(self.inputs.since(before.inputs), self.predictions.since(before.predictions))

    def __add__(self, other: Self) -> "Samples":
        return Samples(self.inputs + other.inputs, self.predictions + other.predictions)


@dataclass(frozen=True)
class MonitorReport:
    """Counts of a Pod's monitor, since its start or within a window."""

    live: Samples = field(default_factory=Samples)
    """Clients' own requests."""
    mirrored: Samples = field(default_factory=Samples)
    """Mirrored requests, which another version answered."""
    pairs: Pairs = field(default_factory=Pairs)
    """Mirrored requests whose two answers were compared."""

    @property
    def entries(self) -> int:
        """Number of bins, words and columns, which the memory for the report grows with."""
        samples = (self.live.inputs, self.live.predictions, self.mirrored.inputs, self.mirrored.predictions)
        return sum(sample.entries for sample in samples)

    def since(self, before: Self) -> "MonitorReport":
        """Return what was added after `before`."""
        return MonitorReport(
            self.live.since(before.live), self.mirrored.since(before.mirrored), self.pairs.since(before.pairs)
        )

    def __add__(self, other: Self) -> "MonitorReport":
        return MonitorReport(self.live + other.live, self.mirrored + other.mirrored, self.pairs + other.pairs)


async def fetch_reports(
    addresses: Iterable[str], slot: Slot, parsing: Slot, fits: Callable[[int], bool], port: int = STATS_PORT
) -> dict[str, MonitorReport | None]:
    """Return the reports of the monitors at these Pod IPs.

    The value is None where a monitor does not answer properly: its Pod may be starting or terminating, or the monitor
    may be restarting. It is None as well where `fits` returns False for the number of a report's entries: there is no
    memory for the report.
    """

    async def fetch(session: aiohttp.ClientSession, address: str) -> MonitorReport:
        url = URL.build(scheme="http", host=address, port=port, path="/monitor/report")
        body = await get(session, url, _MAX_BYTES)
        async with parsing():
            # In a thread: a large report takes long enough to hold up the event loop.
            report = await asyncio.to_thread(parse_report, body)
        if not fits(report.entries):
            raise NoRoomError(f"no room for a report of {report.entries} entries")
        return report

    return await fetch_each(
        addresses, fetch, timeout_seconds=_TIMEOUT_SECONDS, within_seconds=_WITHIN_SECONDS, slot=slot
    )


def distributions(stable: MonitorReport | None, candidate: MonitorReport | None, *, mirrored: bool) -> Distributions:
    """Return what an analysis of a window rests on. Pure.

    A candidate with traffic of its own is measured by that: mirrored requests are the stable version's traffic. With
    `mirrored` the candidate gets no other requests, and is measured by those.
    """
    if candidate is None:
        return Distributions()
    if stable is None:
        return Distributions(pairs=candidate.pairs)
    of_candidate = candidate.mirrored if mirrored else candidate.live
    return Distributions(
        inputs=Sides(candidate=of_candidate.inputs, stable=stable.live.inputs),
        predictions=Sides(candidate=of_candidate.predictions, stable=stable.live.predictions),
        pairs=candidate.pairs,
    )


def parse_report(content: bytes) -> MonitorReport:
    """Parse a report. Pure.

    Raises UnreadableReportError.
    """
    try:
        report: Any = json.loads(content)
        pairs = report["pairs"]
        parsed = MonitorReport(
            live=_samples(report["live"]),
            mirrored=_samples(report["mirrored"]),
            pairs=_pairs(_count(pairs["compared"]), _count(pairs["agreed"])),
        )
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise UnreadableReportError(f"not a report of a monitor: {error}") from error
    if parsed.entries > _MAX_ENTRIES:
        raise UnreadableReportError(f"{parsed.entries} entries, at most {_MAX_ENTRIES}")
    return parsed


def _pairs(compared: int, agreed: int) -> Pairs:
    if agreed > compared:
        raise UnreadableReportError(f"{agreed} agreed of {compared} compared")
    return Pairs(compared, agreed)


def _samples(part: Any) -> Samples:
    return Samples(_sample(part["inputs"]), _sample(part["predictions"]))


def _sample(part: Any) -> Sample:
    columns = part["columns"]
    if len(columns) > _MAX_COLUMNS:
        raise UnreadableReportError(f"{len(columns)} columns, at most {_MAX_COLUMNS}")
    return Sample(_count(part["rows"]), {_text(name): _column(counts) for name, counts in columns.items()})


def _column(counts: Any) -> ColumnCounts:
    return ColumnCounts(
        numbers={_edge(edge): _count(count) for edge, count in counts["numbers"]},
        labels={_text(label): _count(count) for label, count in counts["labels"].items()},
    )


def _text(value: str) -> str:
    if len(value) > _MAX_CHARACTERS:
        raise UnreadableReportError(f"name of {len(value)} characters, at most {_MAX_CHARACTERS}")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise UnreadableReportError("count is not a whole number from 0")
    return value


def _edge(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UnreadableReportError("edge of a bin is not a finite number")
    return float(value)
