"""Full LIST of all watched resources: fills the cache at the start, and later repairs what a watch missed."""

import logging

from modelops.machinery import metrics
from modelops.machinery.cache import Cache
from modelops.machinery.dispatch import Dispatcher
from modelops.machinery.freshness import Freshness
from modelops.machinery.kube import Kube
from modelops.machinery.resources import WATCHED, Key, Resource, key_of

_log = logging.getLogger(__name__)


async def resync(
    kube: Kube, cache: Cache, dispatcher: Dispatcher, freshness: Freshness, namespaces: list[str], *, first: bool
) -> None:
    """List every watched resource and enqueue what differs from the cache. Raises ApiError."""
    for resource in WATCHED:
        missed = 0
        everywhere: list[str | None] = [None]
        for namespace in namespaces or everywhere:
            missed += await _resync_one(kube, cache, dispatcher, freshness, resource, namespace, first=first)
        if missed and not first:
            metrics.MISSED_EVENTS.labels(resource=resource.plural).inc(missed)
            _log.warning("watch of %s missed %d changes", resource.plural, missed)


async def _resync_one(
    kube: Kube,
    cache: Cache,
    dispatcher: Dispatcher,
    freshness: Freshness,
    resource: Resource,
    namespace: str | None,
    *,
    first: bool,
) -> int:
    present: set[Key] = set()
    missed = 0
    as_of = 0
    async for version, items in kube.pages(resource, namespace):
        as_of = as_of or version
        for body in items:
            present.add(key_of(body))
            if not first:
                # Not after the first LIST: an object deleted before the watch begins is never delivered.
                freshness.expect(resource.plural, int(body["metadata"]["resourceVersion"]))
            if cache.put(body):
                missed += 1
                dispatcher.enqueue_affected(body)
    for body in cache.keep_only(resource.kind, namespace, present, as_of):
        missed += 1
        dispatcher.enqueue_affected(body)
    return missed
