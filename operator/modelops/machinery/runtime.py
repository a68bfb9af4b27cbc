"""Operator process: watches always; reconciles and resyncs while it is the leader."""

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
from modelops.machinery.reconcile import DeadlineError, Reconciler
from modelops.machinery.resources import Key
from modelops.machinery.resync import resync
from modelops.machinery.scheduling.priority_slots import PrioritySlots
from modelops.machinery.scheduling.queue import Queue
from modelops.machinery.settings import Settings

_SHOW_ERROR_AFTER = 4
"""Failures in a row after which an object's status shows the error. A reconcile that hangs shows it at once."""
_log = logging.getLogger(__name__)


class Runtime:
    """Owner of everything that lives as long as the process."""

    def __init__(self, settings: Settings, kube: Kube, controllers: Sequence[Controller]) -> None:
        self._settings = settings
        self._kube = kube
        self._identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"
        self._controllers = {controller.resource.kind: controller for controller in controllers}
        self._slots = PrioritySlots(settings.workers)
        self._queue = Queue(self._slots)
        self._freshness = Freshness()
        self._leading = False
        self._stop = asyncio.Event()
        self._synced = asyncio.Event()
        self._cache = Cache(indexers(controllers), settings.mebibytes_per_namespace)
        self._dispatcher = Dispatcher(self._cache, self._queue, controllers, self._freshness)
        self._recorder = EventRecorder(kube, self._identity)
        self._reconciler = Reconciler(kube, self._cache, settings, self._recorder, self._dispatcher, self._slots)

    async def run(self) -> None:
        """Run until a signal arrives. Raises LeadershipLostError when the Lease is lost."""
        self._handle_signals()
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
        await self._initial_sync()
        namespaces = self._settings.watch_namespaces
        running = asyncio.Event()
        signals = asyncio.create_task(self._handle_signals_again(running), name="signals")
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
        raise RuntimeError("kopf ended without a signal")

    async def _handle_signals_again(self, running: asyncio.Event) -> None:
        """Replace kopf's signal handlers, which would end the watches long before the Lease is released."""
        await running.wait()
        self._handle_signals()

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    async def _initial_sync(self) -> None:
        started = time.monotonic()
        while not self._synced.is_set():
            try:
                await self._resync(first=True)
                self._synced.set()
            except ApiError as error:
                _log.warning("initial LIST failed, retrying: %s", error)
                await asyncio.sleep(2)
        _log.info("synced %d objects in %.1f s", self._cache.total(), time.monotonic() - started)

    async def _resync(self, *, first: bool) -> None:
        await resync(
            self._kube, self._cache, self._dispatcher, self._freshness, self._settings.watch_namespaces, first=first
        )

    async def _lead(self) -> None:
        await election.lead(self._kube.client, self._settings.election, self._identity, self._reconcile_while_leading)

    async def _reconcile_while_leading(self) -> None:
        await self._synced.wait()
        self._queue.reset_ages()
        self._leading = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._process_queue(group))
            group.create_task(self._recorder.run())
            group.create_task(self._resync_periodically())

    async def _resync_periodically(self) -> None:
        while True:
            await asyncio.sleep(parse_duration(self._settings.resync).total_seconds())
            try:
                await self._resync(first=False)
            except ApiError as error:
                _log.warning("resync failed: %s", error)

    async def _process_queue(self, group: asyncio.TaskGroup) -> None:
        """Start one task per key once the key has a slot."""
        while True:
            key = await self._queue.get()
            group.create_task(self._process(key))

    async def _process(self, key: Key) -> None:
        try:
            await self._reconcile(key)
        finally:
            self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        controller = self._controllers[key.kind]
        started = time.monotonic()
        result = "success"
        try:
            plan = await self._reconciler.reconcile(controller, key)
            if plan is not None:
                # Not after a reconcile that decided nothing: the next one may fail again.
                self._queue.succeeded(key)
                if plan.requeue_after is not None:
                    self._queue.add_after(key, plan.requeue_after.total_seconds())
        except ApiError as error:
            result = "conflict" if error.conflict else "api_error"
            failures = self._queue.failed(key)
            _log.log(
                logging.WARNING if failures >= _SHOW_ERROR_AFTER else logging.INFO,
                "%s: %s (attempt %d)",
                key,
                error,
                failures,
            )
            if not error.conflict and failures >= _SHOW_ERROR_AFTER:
                await self._show_error(controller, key, error)
        except DeadlineError as error:
            result = "deadline"
            failures = self._queue.failed(key)
            _log.error("%s: %s (attempt %d)", key, error, failures)
            await self._show_error(controller, key, error)
        except Exception as error:
            result = "bug"
            failures = self._queue.failed(key)
            _log.exception("%s: reconcile failed (attempt %d)", key, failures)
            if failures >= _SHOW_ERROR_AFTER:
                await self._show_error(controller, key, error)
        metrics.RECONCILES.labels(kind=key.kind, result=result).inc()
        metrics.RECONCILE_SECONDS.labels(kind=key.kind).observe(time.monotonic() - started)

    async def _show_error(self, controller: Controller, key: Key, error: Exception) -> None:
        """Write an error into the object's status. A failure to do so must never end the operator."""
        try:
            await self._reconciler.show_error(controller, key, error)
        except Exception as write_error:
            _log.warning("%s: writing the error into the status failed: %s", key, write_error)
