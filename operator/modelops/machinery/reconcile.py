"""Carries out a plan: children, then the status once and only if it differs, then Events."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops.api.kinds import Kind, Metadata
from modelops.api.types import Condition
from modelops.machinery import conditions, namespace_share
from modelops.machinery.cache import Cache
from modelops.machinery.conditions import DesiredCondition
from modelops.machinery.context import ReconcileContext
from modelops.machinery.controller import Controller, StalledError
from modelops.machinery.dispatch import Dispatcher
from modelops.machinery.events import EventRecorder
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.made_jobs import is_believed, made_jobs, with_created
from modelops.machinery.matching import already_applied, merge_patch
from modelops.machinery.ownership import may_write
from modelops.machinery.plan import Delete, Event, Plan
from modelops.machinery.resources import (
    BY_KIND,
    CONFIG_MAPS,
    CONTENT_DIGEST,
    JOBS,
    WATCHED,
    Body,
    InvalidNameError,
    Key,
    Resource,
    content_digest,
    key_of,
)
from modelops.machinery.scheduling.priority_slots import Priority, PrioritySlots
from modelops.machinery.settings import Settings

_STALLED_REQUEUE = timedelta(minutes=5)
_QUOTA_REQUEUE = timedelta(minutes=1)
_DEADLINE_SECONDS = 120.0
"""Longest time of deciding and of writing the children: a reconcile that hangs must not keep its slot."""
_log = logging.getLogger(__name__)


class DeadlineError(Exception):
    """A reconcile took too long and was cancelled."""


class Reconciler:
    """Reconciles objects: has the controller decide, then carries out the plan."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        settings: Settings,
        recorder: EventRecorder,
        dispatcher: Dispatcher,
        slots: PrioritySlots,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._settings = settings
        self._recorder = recorder
        self._dispatcher = dispatcher
        self._slots = slots

    async def reconcile(self, controller: Controller, key: Key) -> Plan | None:
        """Reconcile one object and return the plan that was carried out; None where nothing could be decided yet.

        Raises ApiError and DeadlineError when retrying may help.

        The caller has a slot from the queue, which is released once the children are written: a reconcile that waits
        to write its status holds none.
        """
        plan = None
        created: dict[str, str] = {}
        try:
            parent = self._cache.parsed(key, controller.kind)
            if parent is not None and parent.metadata.deletion_timestamp is None:
                plan = await self._execute_in_time(controller, key, parent, created)
        finally:
            self._slots.release(key.namespace)
        if parent is None or parent.metadata.deletion_timestamp is not None:
            if self._cache.leaves_out(key):
                await self._show_left_out(controller, key)
            return Plan()
        if plan is not None:
            await self._write_status(controller, key, parent, plan, created)
        return plan

    async def _execute_in_time(
        self, controller: Controller, key: Key, parent: Kind, created: dict[str, str]
    ) -> Plan | None:
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS) as deadline:
                return await self._execute(controller, key, parent, created)
        except TimeoutError as error:
            if deadline.expired():
                raise DeadlineError(f"reconcile stopped after {_DEADLINE_SECONDS:g} s") from error
            raise

    async def _execute(self, controller: Controller, key: Key, parent: Kind, created: dict[str, str]) -> Plan | None:
        """Decide, and write the children. Return the plan, or the plan that shows why that is impossible.

        None where nothing can be decided yet. Adds to `created` the name of each Job to record → its UID.

        Raises ApiError when retrying may help.
        """
        try:
            plan = await controller.decide(parent, self._context())
            if plan is None:
                return None
            for child in plan.apply:
                uid = await self._apply(child, parent, key)
                if uid is not None and plan.jobs_recorded:
                    created[child["metadata"]["name"]] = uid
            for delete in plan.delete:
                await self._delete(delete)
        except StalledError as problem:
            plan = _stalled(problem.reason, problem.message)
        except InvalidNameError as problem:
            plan = _stalled("InvalidName", str(problem))
        except ApiError as error:
            if not error.permanent:
                raise
            plan = _out_of_quota(error) if error.out_of_quota else _stalled(error.reason, error.message)
        return plan

    async def show_error(self, controller: Controller, key: Key, error: Exception) -> None:
        """Write into the status that reconciling keeps failing. The spec may be invalid, so this does not read it."""
        body = self._cache.body(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return
        desired = conditions.in_progress("ReconcileError", f"{error}; retrying with exponential backoff")
        written = await self._write_conditions(controller, key, body, desired)
        if written is not None and not self._cache.leaves_out(key):
            metadata, merged = written
            known = controller.kind.parse(body).metadata
            self._cache_status(
                controller.resource, key, known, metadata, {**body.get("status", {}), "conditions": merged}
            )

    async def _show_left_out(self, controller: Controller, key: Key) -> None:
        """Write into the status that the object is beyond its namespace's share. A resync takes it up again."""
        body = self._cache.body(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return
        text = namespace_share.message(key.namespace, self._settings.mebibytes_per_namespace)
        if await self._write_conditions(controller, key, body, conditions.stalled("NamespaceTooLarge", text)):
            about = Kind(metadata=Metadata.model_validate(body["metadata"]))
            self._recorder.record(key, about, controller.resource, Event("NamespaceTooLarge", text, warning=True))

    async def _write_conditions(
        self, controller: Controller, key: Key, body: Body, desired: Iterable[DesiredCondition]
    ) -> tuple[Body, list[Body]] | None:
        """Write conditions if they differ. Return the object's metadata then, and its conditions."""
        written = body.get("status", {}).get("conditions", [])
        previous = [Condition.model_validate(condition) for condition in written]
        merged = conditions.merge(previous, desired, body["metadata"].get("generation", 0), datetime.now(UTC))
        new = [condition.wire() for condition in merged]
        if new == written:
            return None
        patch = {"metadata": {"uid": body["metadata"]["uid"]}, "status": {"conditions": new}}
        async with self._slots.hold(key.namespace, Priority.STATUS):
            return await self._kube.patch_status(controller.resource, key.namespace, key.name, patch), new

    def _cache_status(self, resource: Resource, key: Key, before: Metadata, metadata: Body, status: Body) -> None:
        """Put the object with its new status into the cache at once.

        An object whose spec changed meanwhile is left to the watch. Other changes, such as a request by annotation,
        are in the response already, and the watch event then is not newer than the cache: enqueue the object, or the
        request would be lost.
        """
        body = self._cache.body(key)
        if body is not None and body["metadata"].get("generation") == metadata.get("generation"):
            self._dispatcher.on_write(resource, {**body, "metadata": metadata, "status": status}, key)
        if changed_beside_spec(before, Metadata.model_validate(metadata)):
            self._dispatcher.enqueue(key)

    def _context(self) -> ReconcileContext:
        return ReconcileContext(self._cache, self._kube, self._settings, datetime.now(UTC), self._dispatcher.enqueue)

    async def _apply(self, child: Body, parent: Kind, by: Key) -> str | None:
        """Write a child where the existing object differs. Return the UID of a Job that is created, else None."""
        key = key_of(child)
        resource = BY_KIND[key.kind]
        watched = resource in WATCHED
        existing = self._cache.body(key) if watched else None
        if resource is JOBS and existing is None:
            job, new = await self._kube.create_if_absent(resource, child)
            _check_owner(job, child, parent)
            if not new:
                await self._check_made(job, parent)
            self._dispatcher.on_write(resource, job, by)
            self._slots.child_created(key.namespace)
            return str(job["metadata"]["uid"])
        cached = existing is not None
        if existing is None:
            existing = await self._kube.get(resource, key.namespace, key.name)
        if existing is not None:
            _check_owner(existing, child, parent)
            if resource is JOBS:
                await self._check_made(existing, parent)
                # A Job is made once: its template is immutable, and Kueue and the Job controller write the rest.
                return None
            if (cached or not watched) and already_applied(_comparable(child) if cached else child, existing):
                return None
        try:
            applied = await self._kube.apply(resource, child)
        except ApiError as error:
            if problem := kind_not_installed(resource, error):
                raise problem from error
            raise
        if watched:
            self._dispatcher.on_write(resource, applied, by)
        return None

    async def _check_made(self, job: Body, parent: Kind) -> None:
        """Delete a Job that took the place of one that the operator made. Raises ApiError then: it is made again."""
        if is_believed(job, made_jobs(parent)):
            return
        key = key_of(job)
        await self._kube.delete(JOBS, key.namespace, key.name, job["metadata"]["uid"])
        raise ApiError(409, "Conflict", f"{key} was not made by the operator: deleting it, and making it again")

    async def _delete(self, delete: Delete) -> None:
        resource = BY_KIND[delete.key.kind]
        await self._kube.delete(resource, delete.key.namespace, delete.key.name, delete.uid)

    async def _write_status(
        self, controller: Controller, key: Key, parent: Kind, plan: Plan, created: Mapping[str, str]
    ) -> None:
        old: dict[str, Any] = parent.status.wire()  # type: ignore[attr-defined]
        before: list[Condition] = parent.status.conditions  # type: ignore[attr-defined]
        merged = conditions.merge(before, plan.conditions, parent.metadata.generation, datetime.now(UTC))
        kept = plan.status.wire() if plan.status is not None else dict(old)
        new = kept | {
            "observedGeneration": parent.metadata.generation,
            "conditions": [condition.wire() for condition in merged],
        }
        if "jobs" in old:
            new["jobs"] = [job.wire() for job in with_created(made_jobs(parent), created)]
        patch = merge_patch(old, new)
        if patch:
            body = {"metadata": {"uid": parent.metadata.uid}, "status": patch}
            try:
                async with self._slots.hold(key.namespace, Priority.STATUS):
                    metadata = await self._kube.patch_status(controller.resource, key.namespace, key.name, body)
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            self._cache_status(controller.resource, key, parent.metadata, metadata, new)
        for event in (*_transition(before, merged), *plan.events):
            self._recorder.record(key, parent, controller.resource, event)


def _check_owner(existing: Body, child: Body, parent: Kind) -> None:
    """Raise StalledError for an object that is not the parent's: neither is it changed, nor its state believed."""
    if not may_write(existing, child, parent):
        key = key_of(child)
        raise StalledError(
            "NameTaken", f"{key} exists and is not owned by this object; rename one of the two, or delete {key.name}"
        )


def changed_beside_spec(before: Metadata, after: Metadata) -> bool:
    """Return whether annotations, labels or the deletion timestamp changed."""
    return (before.annotations, before.labels, before.deletion_timestamp) != (
        after.annotations,
        after.labels,
        after.deletion_timestamp,
    )


def kind_not_installed(resource: Resource, error: ApiError) -> StalledError | None:
    """Return the error to show where a 404 means that the resource's API is not installed, else None."""
    if not resource.provided_by or error.status != 404:
        return None
    return StalledError(
        "KindNotInstalled",
        f"kind {resource.kind} is not installed in this cluster; install {resource.provided_by}, or change the spec so"
        f" that no {resource.kind} is needed",
    )


def _stalled(reason: str, message: str) -> Plan:
    return Plan(conditions=conditions.stalled(reason, message), requeue_after=_STALLED_REQUEUE)


def _out_of_quota(error: ApiError) -> Plan:
    """Poll slowly: other Pods free the quota sooner or later, and no event reports it."""
    return Plan(conditions=conditions.waiting("QuotaExceeded", error.message), requeue_after=_QUOTA_REQUEUE)


def _comparable(child: Body) -> Body:
    """Return a child as the cache has it: a ConfigMap without its content."""
    if child["kind"] == CONFIG_MAPS.kind:
        known = {part: child[part] for part in ("apiVersion", "kind", "metadata")}
        return known if child.get("immutable") else {**known, CONTENT_DIGEST: content_digest(child)}
    return child


def _transition(before: list[Condition], after: list[Condition]) -> tuple[Event, ...]:
    """Return the Event of a change of Ready, if there was one."""
    old, new = conditions.find(before, conditions.READY), conditions.find(after, conditions.READY)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return ()
    return (Event(new.reason, new.message, warning=conditions.find(after, conditions.STALLED) is not None),)
