"""Kubernetes Events: told once, late rather than in the way, and dropped rather than piled up."""

import asyncio
import hashlib
import logging
from datetime import UTC, datetime

from modelops.api.kinds import Kind
from modelops.machinery import metrics
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.plan import Event
from modelops.machinery.resources import EVENTS, Body, Key, Resource

_WAITING_AT_MOST = 1000
_PAUSE_SECONDS = 0.02
"""Between two Events: a thousand changes at once must not slow the work they tell of."""
_NOTE_LIMIT = 1024
_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes Events in the background, one after the other."""

    def __init__(self, kube: Kube, identity: str) -> None:
        self._kube = kube
        self._identity = identity
        self._waiting: asyncio.Queue[Body] = asyncio.Queue(_WAITING_AT_MOST)

    def record(self, key: Key, about: Kind, resource: Resource, event: Event) -> None:
        """Have an Event about an object written."""
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
        try:
            self._waiting.put_nowait(body)
        except asyncio.QueueFull:
            metrics.EVENTS_DROPPED.inc()

    async def run(self) -> None:
        """Write what is recorded, for ever."""
        while True:
            body = await self._waiting.get()
            try:
                await self._kube.create(EVENTS, body)
            except ApiError as error:
                metrics.EVENTS_DROPPED.inc()
                _log.debug("an Event was not written: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)


def _suffix(about: Kind, event: Event, now: datetime) -> str:
    text = f"{about.metadata.uid} {event.reason} {event.message} {now.timestamp()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
