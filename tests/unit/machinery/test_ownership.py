"""Whose an object is: a namesake's Service must not be taken over, and an own one not be left behind."""

import pytest

from modelops.machinery.ownership import is_owned_by, kind_label
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body
from support.builders.datasets import dataset

OWN = [{"uid": "uid-of-mortgage"}]
OTHER = [{"uid": "uid-of-another"}]
NAMED = {kind_label("Dataset"): "mortgage"}
MANAGED = {**NAMED, MANAGED_BY: MANAGER}


def body(owners: list[Body] | None = None, labels: dict[str, str] | None = None) -> Body:
    return {"metadata": {"ownerReferences": owners, "labels": labels}}


@pytest.mark.parametrize(
    ("name", "given", "never", "without_owner", "if_managed"),
    [
        ("an object that does not exist", None, False, False, False),
        ("an object without owner and labels", body(), False, False, False),
        ("an owner reference with the parent's UID", body(OWN), True, True, True),
        ("an owner reference with another UID", body(OTHER), False, False, False),
        ("the parent's name as a label, no owner", body(None, NAMED), False, True, False),
        ("the parent's name as a label, another owner", body(OTHER, NAMED), False, False, False),
        ("the operator's labels, no owner", body(None, MANAGED), False, True, True),
        ("the operator's labels, another owner", body(OTHER, MANAGED), False, False, True),
        ("the operator's label with another name", body(None, {MANAGED_BY: MANAGER}), False, False, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_is_owned_by(name: str, given: Body | None, never: bool, without_owner: bool, if_managed: bool) -> None:
    """Each rule for the label is as strict as what its caller does with the answer."""
    parent = dataset()
    assert is_owned_by(given, parent) == never, name
    assert is_owned_by(given, parent, by_label="WithoutOwner") == without_owner, name
    assert is_owned_by(given, parent, by_label="IfManaged") == if_managed, name
