"""Read plans: the conditions, children and deletions that a plan has."""

from modelops.machinery.conditions import DesiredCondition
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body


def shown(plan: Plan, type_: str) -> DesiredCondition | None:
    """The condition of a type that a plan wants."""
    return next((one for one in plan.conditions if one.type == type_), None)


def reason(plan: Plan, type_: str = "Ready") -> str | None:
    """`True SnapshotCurrent`, say; None where the condition is absent."""
    one = shown(plan, type_)
    return f"{one.status} {one.reason}" if one is not None else None


def names(bodies: tuple[Body, ...]) -> list[str]:
    """What a plan applies, as `Job name`."""
    return [f"{body['kind']} {body['metadata']['name']}" for body in bodies]


def deleted(plan: Plan) -> list[str]:
    """The names of what a plan deletes."""
    return [one.key.name for one in plan.delete]
