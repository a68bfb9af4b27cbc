"""Read plans: their conditions, children and deletions."""

from modelops.machinery.conditions import DesiredCondition
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body


def condition_of(plan: Plan, type_: str) -> DesiredCondition | None:
    """Return the condition of a type; None if the plan has none."""
    return next((condition for condition in plan.conditions if condition.type == type_), None)


def reason(plan: Plan, type_: str = "Ready") -> str | None:
    """Return status and reason of a condition, such as `True SnapshotCurrent`; None if the plan has none."""
    condition = condition_of(plan, type_)
    return f"{condition.status} {condition.reason}" if condition is not None else None


def names(bodies: tuple[Body, ...]) -> list[str]:
    """Return kinds and names of children, such as `Job mortgage-1`."""
    return [f"{body['kind']} {body['metadata']['name']}" for body in bodies]


def deleted(plan: Plan) -> list[str]:
    """Return the names of the objects that a plan deletes."""
    return [delete.key.name for delete in plan.delete]
