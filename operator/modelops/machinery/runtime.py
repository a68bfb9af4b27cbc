"""The operator as a process: watches always, and, while it leads, workers and resyncs."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any, cast

import kopf
from prometheus_client import REGISTRY

from modelops.api.durations import parse_duration
from modelops.machinery import election, health, metrics, watching
from modelops.machinery.cache import Cache
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import Dispatcher, indexers
from modelops.machinery.events import EventRecorder
from modelops.machinery.freshness import Freshness
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.object_metrics import ObjectMetrics
from modelops.machinery.priority_slots import Priority, PrioritySlots
from modelops.machinery.queue import Queue
from modelops.machinery.reconcile import Reconciler
from modelops.machinery.resources import Key
from modelops.machinery.resync import resync
from modelops.machinery.settings import Settings

_SHOW_ERROR_AFTER = 4
_log = logging.getLogger(__name__)


class Runtime:
    """Everything that lives as long as the process."""

    def __init__(self, settings: Settings, kube: Kube, controllers: Sequence[Controller]) -> None:
        self._settings = settings
        self._kube = kube
        self._identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"
        self._controllers = {controller.resource.kind: controller for controller in controllers}
        self._queue = Queue()
        self._freshness = Freshness()
        self._leading = False
        self._stop = asyncio.Event()
        self._synced = asyncio.Event()
        self._cache = Cache(indexers(controllers))
        self._dispatcher = Dispatcher(self._cache, self._queue, controllers, self._freshness)
        self._recorder = EventRecorder(kube, self._identity)
        self._slots = PrioritySlots(settings.workers)
        self._reconciler = Reconciler(kube, self._cache, settings, self._recorder, self._dispatcher, self._slots)

    async def run(self) -> None:
        """Until a signal comes or the Lease is lost. Raises election.LeadershipLost."""
        self._take_signals()
        REGISTRY.register(ObjectMetrics(self._cache, self._controllers.values(), lambda: self._leading))
        web = await health.serve(
            self._settings.http_port,
            self._freshness,
            self._queue,
            self._cache,
            lambda: self._leading,
            self._synced.is_set,
        )
        tasks = [
            asyncio.create_task(self._watch(), name="watches"),
            asyncio.create_task(self._lead(), name="election"),
            asyncio.create_task(self._stop.wait(), name="signal"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await web.cleanup()

    async def _watch(self) -> None:
        await self._first_sync()
        namespaces = self._settings.watch_namespaces
        running = asyncio.Event()
        signals = asyncio.create_task(self._take_signals_back(running), name="signals")
        await kopf.operator(
            registry=watching.registry(self._dispatcher.on_event),
            identity=cast(Any, self._identity),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            ready_flag=running,
            stop_flag=asyncio.Event(),
        )
        signals.cancel()
        raise RuntimeError("kopf ended by itself")

    async def _take_signals_back(self, running: asyncio.Event) -> None:
        """Kopf takes them for itself, and would end the watches long before the Lease is given up."""
        await running.wait()
        self._take_signals()

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    async def _first_sync(self) -> None:
        started = time.monotonic()
        while not self._synced.is_set():
            try:
                await self._resync(first=True)
                self._synced.set()
            except ApiError as error:
                _log.warning("the first LIST failed and is tried again: %s", error)
                await asyncio.sleep(2)
        _log.info("synced %d objects in %.1f s", self._cache.total(), time.monotonic() - started)

    async def _resync(self, *, first: bool) -> None:
        await resync(
            self._kube, self._cache, self._dispatcher, self._freshness, self._settings.watch_namespaces, first=first
        )

    async def _lead(self) -> None:
        await election.lead(self._kube.client, self._settings.election, self._identity, self._act)

    async def _act(self) -> None:
        await self._synced.wait()
        self._queue.begin()
        self._leading = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(group))
            group.create_task(self._recorder.run())
            group.create_task(self._resync_for_ever())

    async def _resync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(parse_duration(self._settings.resync).total_seconds())
            try:
                await self._resync(first=False)
            except ApiError as error:
                _log.warning("a full LIST failed: %s", error)

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """A task a key, begun when there is a place for it: what waits to tell of its work keeps no place."""
        while True:
            # The key first: a place that waits for one would be missed by those who have something to tell.
            key = await self._queue.get()
            await self._slots.enter(Priority.CHILDREN)
            group.create_task(self._work_on(key))

    async def _work_on(self, key: Key) -> None:
        try:
            await self._reconcile(key)
        finally:
            self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        controller = self._controllers[key.kind]
        started = time.monotonic()
        result = "success"
        try:
            requeue_after = await self._reconciler.reconcile(controller, key)
            self._queue.succeeded(key)
            if requeue_after is not None:
                self._queue.add_after(key, requeue_after.total_seconds())
        except ApiError as error:
            result = "conflict" if error.conflict else "api_error"
            failures = self._queue.failed(key)
            _log.log(
                logging.WARNING if failures >= _SHOW_ERROR_AFTER else logging.INFO,
                "%s: %s (try %d)",
                key,
                error,
                failures,
            )
            if not error.conflict:
                await self._show_lasting(controller, key, error, failures)
        except Exception as error:
            result = "bug"
            failures = self._queue.failed(key)
            _log.exception("%s: reconciling failed (try %d)", key, failures)
            await self._show_lasting(controller, key, error, failures)
        metrics.RECONCILES.labels(kind=key.kind, result=result).inc()
        metrics.RECONCILE_SECONDS.labels(kind=key.kind).observe(time.monotonic() - started)

    async def _show_lasting(self, controller: Controller, key: Key, error: Exception, failures: int) -> None:
        """An error that lasts is shown to whoever looks at the object. Showing it must never end the operator."""
        if failures < _SHOW_ERROR_AFTER:
            return
        try:
            await self._reconciler.show_error(controller, key, error)
        except Exception as another:
            _log.warning("%s: the error could not be shown: %s", key, another)
