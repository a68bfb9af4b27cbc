"""Ownership: nothing of another owner is taken over, and nothing of one's own is left behind."""

import pytest

from modelops.machinery.ownership import controller_of, is_owned_by, kind_label, may_write
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body
from support.builders.common import NAMESPACE
from support.builders.datasets import dataset


def reference(uid: str, *, controller: bool = True, name: str = "mortgage") -> Body:
    return {"kind": "Dataset", "name": name, "uid": uid, "controller": controller}


OWN = [reference("uid-of-mortgage")]
NOT_CONTROLLER = [reference("uid-of-mortgage", controller=False)]
OTHER = [reference("uid-of-another", name="another")]
NAMESAKE = [reference("uid-of-a-namesake")]
BOTH = [*NOT_CONTROLLER, *OTHER]
NAMED = {kind_label("Dataset"): "mortgage"}
MANAGED = {**NAMED, MANAGED_BY: MANAGER}
MANAGED_FOR_ANOTHER = {kind_label("Dataset"): "another", MANAGED_BY: MANAGER}


def body(
    owners: list[Body] | None = None,
    labels: dict[str, str] | None = None,
    namespace: str = NAMESPACE,
    kind: str = "Service",
) -> Body:
    about = {"name": "child", "namespace": namespace, "ownerReferences": owners, "labels": labels}
    return {"kind": kind, "metadata": about}


@pytest.mark.parametrize(
    ("name", "given", "never", "without_owner"),
    [
        ("an object that does not exist", None, False, False),
        ("an object without owner and labels", body(), False, False),
        ("a controller with the parent's UID", body(OWN), True, True),
        ("a controller with the parent's UID in another namespace", body(OWN, MANAGED, "other"), False, False),
        ("an owner with the parent's UID that is not the controller", body(NOT_CONTROLLER, MANAGED), False, False),
        ("the parent as a second owner, another controller", body(BOTH, MANAGED), False, False),
        ("a controller with another UID", body(OTHER), False, False),
        ("the parent's name as a label, no owner", body(None, NAMED), False, True),
        ("the parent's name as a label in another namespace", body(None, NAMED, "other"), False, False),
        ("the parent's name as a label, another controller", body(OTHER, NAMED), False, False),
        ("another name as a label, no owner", body(None, MANAGED_FOR_ANOTHER), False, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_is_owned_by(name: str, given: Body | None, never: bool, without_owner: bool) -> None:
    """A UID can be written into any object of any namespace, so it counts only for a controller beside the child."""
    parent = dataset()
    assert is_owned_by(given, parent) == never, name
    assert is_owned_by(given, parent, by_label="WithoutOwner") == without_owner, name


@pytest.mark.parametrize(
    ("name", "existing", "service", "job", "without_owner"),
    [
        ("an object of the parent", body(OWN), True, True, False),
        ("an object of the parent with the labels", body(OWN, MANAGED), True, True, True),
        ("a person's object", body(), False, False, False),
        ("a person's object with the parent's name as a label", body(None, NAMED), False, False, False),
        ("an object that lost its owner", body(None, MANAGED), True, False, True),
        ("an object that a deleted namesake left", body(NAMESAKE, MANAGED), True, False, True),
        ("an object of a namesake without the operator's labels", body(NAMESAKE), False, False, False),
        ("an object of another owner with the operator's labels", body(OTHER, MANAGED), False, False, True),
        ("an object of another of the operator's objects", body(OTHER, MANAGED_FOR_ANOTHER), False, False, False),
        ("an object that the parent does not control", body(NOT_CONTROLLER, MANAGED), False, False, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_may_write(name: str, existing: Body, service: bool, job: bool, without_owner: bool) -> None:
    """A child is written over, and a Job believed, only if it is the parent's.

    A child without an owner, as a ModelVersion, is told from another one by its labels.
    """
    parent = dataset()
    assert may_write(existing, body(OWN, MANAGED), parent) == service, name
    assert may_write(existing, body(OWN, MANAGED, kind="Job"), parent) == job, name
    assert may_write(existing, body(None, MANAGED, kind="ModelVersion"), parent) == without_owner, name


def test_the_controller_is_the_only_owner_that_counts() -> None:
    """Any number of objects may be owners, but Kubernetes allows one controller."""
    assert controller_of(body(BOTH)) == OTHER[0]
    assert controller_of(body(NOT_CONTROLLER)) is None
    assert controller_of(body()) is None
