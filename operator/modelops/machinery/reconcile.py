"""Carrying a plan out: children, then the status once and only if it differs, then Events."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops.api.kinds import Kind, Metadata
from modelops.api.types import Condition
from modelops.machinery import conditions
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.controller import Controller, StalledError
from modelops.machinery.dispatch import Dispatcher
from modelops.machinery.events import EventRecorder
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.matching import already_applied, merge_patch
from modelops.machinery.ownership import is_owned_by
from modelops.machinery.plan import Delete, Event, Plan
from modelops.machinery.priority_slots import Priority, PrioritySlots
from modelops.machinery.resources import BY_KIND, JOBS, WATCHED, Body, Key, Resource, key_of
from modelops.machinery.settings import Settings

_STALLED_AGAIN = timedelta(minutes=5)
_QUOTA_AGAIN = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles one object at a time: decide, carry out."""

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

    async def reconcile(self, controller: Controller, key: Key) -> timedelta | None:
        """Bring one object to where it shall be. Returns when to look again. Raises ApiError where that may help.

        Called with a place among the lanes, which it leaves once the children are as they shall be.
        """
        try:
            parent = self._cache.parsed(key, controller.kind)
            if parent is None or parent.metadata.deletion_timestamp is not None:
                return None
            plan = await self._execute(controller, key, parent)
        finally:
            self._slots.leave()
        await self._write_status(controller, key, parent, plan)
        return plan.requeue_after

    async def _execute(self, controller: Controller, key: Key, parent: Kind) -> Plan:
        """The plan, with its children as they shall be; or what keeps it from that, as a plan. Raises ApiError."""
        try:
            plan = await controller.decide(parent, self._context())
            for child in plan.apply:
                await self._apply(child, parent, key)
            for delete in plan.delete:
                await self._delete(delete)
        except StalledError as problem:
            plan = _stalled(problem.reason, problem.message)
        except ApiError as error:
            if not error.refused:
                raise
            plan = _out_of_quota(error) if error.out_of_quota else _stalled(error.reason, error.message)
        return plan

    async def show_error(self, controller: Controller, key: Key, error: Exception) -> None:
        """Show in the status that reconciling goes on failing. The spec is not read: it may be what cannot be read."""
        body = self._cache.body(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return
        told = body.get("status", {}).get("conditions", [])
        before = [Condition.model_validate(one) for one in told]
        wanted = conditions.in_progress("ReconcileError", f"{error} (retried with growing pauses)")
        generation = body["metadata"].get("generation", 0)
        shown = [one.wire() for one in conditions.merge(before, wanted, generation, datetime.now(UTC))]
        if shown != told:
            patch = {"metadata": {"uid": body["metadata"]["uid"]}, "status": {"conditions": shown}}
            metadata = await self._kube.patch_status(controller.resource, key.namespace, key.name, patch)
            seen = controller.kind.parse(body).metadata
            self._cache_status(
                controller.resource, key, seen, metadata, {**body.get("status", {}), "conditions": shown}
            )

    def _cache_status(self, resource: Resource, key: Key, seen: Metadata, metadata: Body, status: Body) -> None:
        """Have the object with its new status at once. One whose spec changed meanwhile comes by the watch.

        What else of it changed meanwhile comes with the answer, and then the watch has nothing new to tell: a request
        by annotation would be lost if the object were not looked at again.
        """
        body = self._cache.body(key)
        if body is not None and body["metadata"].get("generation") == metadata.get("generation"):
            self._dispatcher.on_write(resource, {**body, "metadata": metadata, "status": status}, key)
        if changed_beside_spec(seen, Metadata.model_validate(metadata)):
            self._dispatcher.enqueue(key)

    def _context(self) -> ReconcileContext:
        return ReconcileContext(self._cache, self._kube, self._settings, datetime.now(UTC), self._dispatcher.enqueue)

    async def _apply(self, child: Body, parent: Kind, by: Key) -> None:
        key = key_of(child)
        resource = BY_KIND[key.kind]
        watched = resource in WATCHED
        found = self._cache.body(key) if watched else None
        if found is not None and already_applied(_comparable(child), found):
            return
        if resource is JOBS and found is None:
            self._dispatcher.on_write(resource, await self._kube.create_if_absent(resource, child), by)
            self._slots.made()
            return
        if found is None:
            found = await self._kube.get(resource, key.namespace, key.name)
            if found is not None and not is_owned_by(found, parent, by_label="IfManaged"):
                raise StalledError(
                    "NameTaken",
                    f"{key} exists and does not belong to this object: rename one of the two, or delete the other",
                )
            if not watched and found is not None and already_applied(child, found):
                return
        try:
            applied = await self._kube.apply(resource, child)
        except ApiError as error:
            if problem := kind_not_installed(resource, error):
                raise problem from error
            raise
        if watched:
            self._dispatcher.on_write(resource, applied, by)

    async def _delete(self, delete: Delete) -> None:
        resource = BY_KIND[delete.key.kind]
        await self._kube.delete(resource, delete.key.namespace, delete.key.name, delete.uid)

    async def _write_status(self, controller: Controller, key: Key, parent: Kind, plan: Plan) -> None:
        old: dict[str, Any] = parent.status.wire()  # type: ignore[attr-defined]
        before: list[Condition] = parent.status.conditions  # type: ignore[attr-defined]
        merged = conditions.merge(before, plan.conditions, parent.metadata.generation, datetime.now(UTC))
        kept = plan.status.wire() if plan.status is not None else dict(old)
        new = kept | {
            "observedGeneration": parent.metadata.generation,
            "conditions": [condition.wire() for condition in merged],
        }
        patch = merge_patch(old, new)
        if patch:
            body = {"metadata": {"uid": parent.metadata.uid}, "status": patch}
            try:
                async with self._slots.place(Priority.STATUS):
                    metadata = await self._kube.patch_status(controller.resource, key.namespace, key.name, body)
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            self._cache_status(controller.resource, key, parent.metadata, metadata, new)
        for event in (*_transition(before, merged), *plan.events):
            self._recorder.record(key, parent, controller.resource, event)


def changed_beside_spec(before: Metadata, after: Metadata) -> bool:
    """Whether something but spec and status has changed. Pure."""
    return (before.annotations, before.labels, before.deletion_timestamp) != (
        after.annotations,
        after.labels,
        after.deletion_timestamp,
    )


def kind_not_installed(resource: Resource, error: ApiError) -> StalledError | None:
    """An API server that does not know a kind says only that there is no such page."""
    if not resource.provided_by or error.status != 404:
        return None
    return StalledError(
        "KindNotInstalled",
        f"this cluster has no {resource.kind}: install {resource.provided_by}, or change the spec so that it needs none",
    )


def _stalled(reason: str, message: str) -> Plan:
    return Plan(conditions=conditions.stalled(reason, message), requeue_after=_STALLED_AGAIN)


def _out_of_quota(error: ApiError) -> Plan:
    """Room comes by itself when others end, and nothing tells of it: asked for slowly, as it may take long."""
    return Plan(conditions=conditions.waiting("QuotaExceeded", error.message), requeue_after=_QUOTA_AGAIN)


def _comparable(child: Body) -> Body:
    """A Job's template, and the data of an immutable ConfigMap, are neither kept in the cache nor can they change."""
    if child["kind"] == "Job":
        return {**child, "spec": {key: value for key, value in child["spec"].items() if key != "template"}}
    if child.get("immutable"):
        return {**child, "data": {}}
    return child


def _transition(before: list[Condition], after: list[Condition]) -> tuple[Event, ...]:
    """A change of Ready is what people want to hear of."""
    old, new = conditions.find(before, conditions.READY), conditions.find(after, conditions.READY)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return ()
    return (Event(new.reason, new.message, warning=conditions.find(after, conditions.STALLED) is not None),)
