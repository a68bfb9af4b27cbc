"""Nothing is written that is so already, and what is written is as little as can be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.machinery.matching import already_applied, merge_patch

JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.text(max_size=2), JSON, max_size=4)


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        ({"a": 1}, {"a": 1, "defaulted": True}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "defaulted": True}}, True),
        ({"a": 1}, {}, False),
        ({"a": 1}, {"a": 2}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "defaulted": True}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": []}, {}, True),
        ({"a": {}}, {}, True),
        ({"a": []}, {"a": [1]}, False),
        ({"a": {}}, {"a": {"added": 1}}, True),
        ({"a": ""}, {}, False),
        ({"a": 0}, {}, False),
    ],
)
def test_satisfied(wanted: Any, found: Any, expected: bool) -> None:
    """The server's defaults are no difference, a user's edit of what we set is."""
    assert already_applied(wanted, found) is expected


@given(OBJECT)
def test_what_was_applied_is_satisfied(body: dict[str, Any]) -> None:
    """Whatever comes back as it was sent is not sent again."""
    assert already_applied(body, body)


def applied(old: Any, patch: Any) -> Any:
    """RFC 7386, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = applied(result.get(key), value)
    return result


@given(OBJECT, OBJECT)
def test_a_patch_makes_the_new_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    """After the patch the status is what the plan wants, fields that went included."""
    assert applied(old, merge_patch(old, new)) == new


@given(OBJECT)
def test_no_change_is_no_patch(body: dict[str, Any]) -> None:
    """A settled object costs no write."""
    assert merge_patch(body, body) == {}
