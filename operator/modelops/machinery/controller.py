"""What a controller is to the machinery: a kind, how it decides, and what wakes it."""

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
    """One kind's controller."""

    resource: Resource
    kind: type[Kind]
    decide: Callable[[Any, ReconcileContext], Awaitable[Plan]]
    """Observe and plan for one object of the kind. Reads only."""
    event_mappings: Mapping[str, EventMapping]
    """Kind of a changed object → the objects of this kind to look at again."""
    indexers: Mapping[str, Indexer]
    """Kind of an object → the index keys it is found by."""
    collect: Callable[[Cache], Iterable[Metric]] | None = None
    """What Prometheus is told about the objects of the kind whenever it asks. Quick: nothing else happens meanwhile."""


class StalledError(Exception):
    """A person must change something. Carries the reason and the sentence that says what."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
