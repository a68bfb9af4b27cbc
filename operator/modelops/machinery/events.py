"""Kubernetes Events: written once, in the background, in turns of namespaces, and dropped when too many wait."""

import asyncio
import hashlib
import logging
from datetime import UTC, datetime

from modelops.api.kinds import Kind
from modelops.machinery import metrics
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.plan import Event
from modelops.machinery.resources import EVENTS, Body, Key, Resource
from modelops.machinery.scheduling.fair_room import FairRoom

_QUEUE_LIMIT = 1000
_PAUSE_SECONDS = 0.02
"""Pause between two Events: Events of a thousand changes at once must not slow down the reconciles."""
_NOTE_LIMIT = 1024
_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes Events in the background, one at a time."""

    def __init__(self, kube: Kube, identity: str) -> None:
        self._kube = kube
        self._identity = identity
        self._waiting: FairRoom[Body] = FairRoom(_QUEUE_LIMIT)
        self._arrived = asyncio.Event()

    def record(self, key: Key, about: Kind, resource: Resource, event: Event) -> None:
        """Queue an Event about an object.

        When the queue is full, an Event of the namespace with the most Events is dropped and counted.
        """
        metrics.EVENTS.labels(kind=key.kind, reason=event.reason).inc()
        now = datetime.now(UTC)
        body = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": key.namespace, "name": f"{key.name}.{_suffix(about, event, now)}"},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "modelops.dev/operator",
            "reportingInstance": self._identity[:128],
            "action": "Reconcile",
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "note": event.message[:_NOTE_LIMIT],
            "regarding": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "namespace": key.namespace,
                "name": key.name,
                "uid": about.metadata.uid,
                "resourceVersion": about.metadata.resource_version,
            },
        }
        if self._waiting.add(key.namespace, body) is not None:
            metrics.EVENTS_DROPPED.inc()
        self._arrived.set()

    async def run(self) -> None:
        """Write queued Events, for ever."""
        while True:
            body = self._waiting.take()
            if body is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            try:
                await self._kube.create(EVENTS, body)
            except ApiError as error:
                metrics.EVENTS_DROPPED.inc()
                _log.debug("writing an Event failed: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)


def _suffix(about: Kind, event: Event, now: datetime) -> str:
    text = f"{about.metadata.uid} {event.reason} {event.message} {now.timestamp()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
