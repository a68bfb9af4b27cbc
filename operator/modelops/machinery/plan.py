"""What a controller decides and the machinery carries out: the one result of every reconcile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from modelops.api.base import Model
from modelops.machinery.conditions import DesiredCondition
from modelops.machinery.resources import Body, Key


@dataclass(frozen=True)
class Delete:
    """A child that goes."""

    key: Key
    uid: str | None = None
    """This very object. None: whichever has the name, where nothing else can have it."""


@dataclass(frozen=True)
class Event:
    """Something worth telling beside a change of Ready, which is told by itself."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    """What one object needs now. Carried out in the order of the fields."""

    apply: tuple[Body, ...] = ()
    """Children that shall be so."""
    delete: tuple[Delete, ...] = ()
    """Children that shall not be."""
    status: Model | None = None
    """The status, whose conditions are left to the next field. None: as it is."""
    conditions: tuple[DesiredCondition, ...] = ()
    """All of the object's conditions."""
    events: tuple[Event, ...] = ()
    """What to tell once the status is written."""
    requeue_after: timedelta | None = None
    """When to look again if nothing wakes the object before."""


S = TypeVar("S")
Step = Callable[[S], Plan | None]


def first_plan(seen: S, steps: Sequence[Step[S]]) -> Plan:
    """Ask each step in order. The first that answers decides; the last must."""
    for step in steps:
        plan = step(seen)
        if plan is not None:
            return plan
    raise AssertionError(f"{steps[-1].__name__} is the last step and must answer")
