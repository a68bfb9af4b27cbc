"""Nothing is written that is already applied, and a patch has only the changes."""

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
    ("desired", "existing", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1, "defaulted": True}, True, id="an added field is not a difference"),
        pytest.param(
            {"a": {"b": 1}}, {"a": {"b": 1, "defaulted": True}}, True, id="an added nested field is not a difference"
        ),
        pytest.param({"a": 1}, {}, False, id="a missing field is a difference"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another value is a difference"),
        pytest.param(
            {"a": [{"b": 1}]},
            {"a": [{"b": 1, "defaulted": True}]},
            True,
            id="a field added to a list item is not a difference",
        ),
        pytest.param({"a": [1]}, {"a": [1, 2]}, False, id="an added list item is a difference"),
        pytest.param({"a": []}, {}, True, id="an empty list may be absent"),
        pytest.param({"a": {}}, {}, True, id="an empty object may be absent"),
        pytest.param({"a": []}, {"a": [1]}, False, id="an empty list is not a list with an item"),
        pytest.param({"a": {}}, {"a": {"added": 1}}, True, id="fields may be added to an empty object"),
        pytest.param({"a": ""}, {}, False, id="an empty text must be present"),
        pytest.param({"a": 0}, {}, False, id="a zero must be present"),
    ],
)
def test_already_applied(desired: Any, existing: Any, expected: bool) -> None:
    """Defaults of the API server are not a difference. A user's edit of a field that the operator sets is one."""
    assert already_applied(desired, existing) is expected


@given(OBJECT)
def test_an_unchanged_object_is_already_applied(body: dict[str, Any]) -> None:
    """An object that the API server returns as it was sent is not sent again."""
    assert already_applied(body, body)


def applied(old: Any, patch: Any) -> Any:
    """Apply a merge patch as the API server does, by RFC 7386."""
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
def test_a_merge_patch_turns_the_old_object_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    """After the patch the status is as the plan has it: removed fields are absent."""
    assert applied(old, merge_patch(old, new)) == new


@given(OBJECT)
def test_the_merge_patch_of_equal_objects_is_empty(body: dict[str, Any]) -> None:
    """A settled object costs no write."""
    assert merge_patch(body, body) == {}
