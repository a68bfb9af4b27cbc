"""Interface between a controller and the machinery."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric

from modelops.api.kinds import Kind
from modelops.machinery.cache import Cache, Indexer
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body, Key, Resource

EventMapping = Callable[[Body, Cache], Iterable[Key]]


@dataclass(frozen=True)
class Controller:
    """Controller of one kind."""

    resource: Resource
    kind: type[Kind]
    decide: Callable[[Any, ReconcileContext], Awaitable[Plan | None]]
    """Observes one object of the kind and returns its plan. Writes nothing. None: what the plan rests on is being read
    in the background, which enqueues the object at its end; until then nothing changes."""
    event_mappings: Mapping[str, EventMapping]
    """Kind of a changed object → the objects of this kind to enqueue."""
    indexers: Mapping[str, Indexer]
    """Kind of an object → the index keys under which the cache finds the object."""
    collect: Callable[[Cache], Iterable[Metric]] | None = None
    """Metrics of the kind's objects, built at each scrape. Must be quick: the event loop waits meanwhile."""


class StalledError(Exception):
    """Only a change by a person helps. Carries the condition's reason and message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
