"""What Pods' monitors tell of inputs, predictions and agreement: read, and made into what a judgement rests on.

What a Pod says is believed no further than that: it is read within bounds, or not at all.
"""

import asyncio
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from yarl import URL

from modelops.controllers.bounded_http import fetch_each, request
from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Sample
from modelops.controllers.inferenceservice.analysis.evaluation import Distributions, Pairs, Sides
from modelops.controllers.inferenceservice.pod.template import STATS_PORT

_AT_ONCE = 8
"""Fewer than of the figures: a report can be large."""
_TIMEOUT_SECONDS = 3.0
_MOST_BYTES = 8 << 20
_MOST_COLUMNS = 1_000
_MOST_TEXT = 256


class UnreadableReportError(ValueError):
    """A report that is not as a monitor writes it."""


@dataclass(frozen=True)
class Samples:
    """What a version was asked and what it answered."""

    inputs: Sample = field(default_factory=Sample)
    predictions: Sample = field(default_factory=Sample)

    def since(self, before: Self) -> "Traffic":
        """What came after `before`."""
        return Samples(self.inputs.since(before.inputs), self.predictions.since(before.predictions))

    def __add__(self, other: Self) -> "Traffic":
        return Samples(self.inputs + other.inputs, self.predictions + other.predictions)


@dataclass(frozen=True)
class MonitorReport:
    """What a Pod's monitor has counted since it began, or within a window."""

    live: Samples = field(default_factory=Samples)
    """Of clients' own requests."""
    mirrored: Samples = field(default_factory=Samples)
    """Of copies of requests that another version answered."""
    pairs: Pairs = field(default_factory=Pairs)
    """Copies whose two answers were compared."""

    def since(self, before: Self) -> "PodReport":
        """What came after `before`."""
        return MonitorReport(
            self.live.since(before.live), self.mirrored.since(before.mirrored), self.pairs.since(before.pairs)
        )

    def __add__(self, other: Self) -> "PodReport":
        return MonitorReport(self.live + other.live, self.mirrored + other.mirrored, self.pairs + other.pairs)


async def fetch_reports(addresses: Iterable[str], port: int = STATS_PORT) -> dict[str, MonitorReport | None]:
    """What the monitors at these IP addresses say; None for one that does not answer, or not as it should: a Pod may
    just have come or be about to go, a monitor may begin anew, and that is no error.
    """

    async def look_at(client: aiohttp.ClientSession, address: str) -> MonitorReport | None:
        url = URL.build(scheme="http", host=address, port=port, path="/monitor/report")
        status, body = await request(client, "GET", url, _MOST_BYTES)
        # A large one takes a while, in which others must have their turn.
        return await asyncio.to_thread(parse_report, body) if status == 200 else None

    return await fetch_each(addresses, look_at, timeout_seconds=_TIMEOUT_SECONDS, at_once=_AT_ONCE)


def distributions(stable: MonitorReport | None, candidate: MonitorReport | None, *, copies: bool) -> Distributions:
    """What a judgement of a window rests on. Pure.

    A candidate with a share of the traffic is judged by that: copies are requests of the stable version's share.
    Without a share `copies` are all there is.
    """
    if candidate is None:
        return Distributions()
    if stable is None:
        return Distributions(pairs=candidate.pairs)
    of_candidate = candidate.mirrored if copies else candidate.live
    return Distributions(
        inputs=Sides(candidate=of_candidate.inputs, stable=stable.live.inputs),
        predictions=Sides(candidate=of_candidate.predictions, stable=stable.live.predictions),
        pairs=candidate.pairs,
    )


def parse_report(content: bytes) -> MonitorReport:
    """Read a report. Raises UnreadableReportError. Pure."""
    try:
        told: Any = json.loads(content)
        pairs = told["pairs"]
        return MonitorReport(
            live=_traffic(told["live"]),
            mirrored=_traffic(told["mirrored"]),
            pairs=_pairs(_count(pairs["compared"]), _count(pairs["agreed"])),
        )
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise UnreadableReportError(f"it is no report of a monitor: {error}") from error


def _pairs(compared: int, agreed: int) -> Pairs:
    if agreed > compared:
        raise UnreadableReportError("more agreed than were compared")
    return Pairs(compared, agreed)


def _traffic(told: Any) -> Samples:
    return Samples(_seen(told["inputs"]), _seen(told["predictions"]))


def _seen(told: Any) -> Sample:
    columns = told["columns"]
    if len(columns) > _MOST_COLUMNS:
        raise UnreadableReportError("more columns than a monitor counts")
    return Sample(_count(told["rows"]), {_text(name): _column(counts) for name, counts in columns.items()})


def _column(told: Any) -> ColumnCounts:
    return ColumnCounts(
        numbers={_edge(edge): _count(count) for edge, count in told["numbers"]},
        labels={_text(label): _count(count) for label, count in told["labels"].items()},
    )


def _text(value: str) -> str:
    if len(value) > _MOST_TEXT:
        raise UnreadableReportError("a name longer than a monitor tells one")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise UnreadableReportError("no count")
    return value


def _edge(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UnreadableReportError("no edge of a bin")
    return float(value)
