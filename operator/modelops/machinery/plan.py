"""Plan: the one result of every reconcile, decided by a controller and carried out by the machinery."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from modelops.api.base import Model
from modelops.machinery.conditions import DesiredCondition
from modelops.machinery.resources import Body, Key


@dataclass(frozen=True)
class Delete:
    """Child to delete."""

    key: Key
    uid: str | None = None
    """Precondition of the deletion. None where nothing but this child can have the name."""


@dataclass(frozen=True)
class Event:
    """Kubernetes Event to record. A change of Ready needs none: the machinery records it."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    """Writes that one object needs now, carried out in the order of the fields."""

    apply: tuple[Body, ...] = ()
    """Children to apply, where the existing object differs."""
    delete: tuple[Delete, ...] = ()
    """Children to delete."""
    jobs_recorded: bool = True
    """Whether the Jobs that are created are recorded in the status. False: a Job's name alone says which one it is."""
    status: Model | None = None
    """New status, apart from its conditions. None: unchanged."""
    conditions: tuple[DesiredCondition, ...] = ()
    """All conditions of the new status."""
    events: tuple[Event, ...] = ()
    """Events to record once the status is written."""
    requeue_after: timedelta | None = None
    """When to reconcile again, if no event enqueues the object before. None: only on an event."""


S = TypeVar("S")
Step = Callable[[S], Plan | None]


def first_plan(seen: S, steps: Sequence[Step[S]]) -> Plan:
    """Run the steps in order and return the plan of the first that returns one. The last step must."""
    for step in steps:
        plan = step(seen)
        if plan is not None:
            return plan
    raise AssertionError(f"{steps[-1].__name__} is the last step and must return a plan")
