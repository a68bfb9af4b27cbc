"""A request that arrives during a status write is not lost."""

from typing import Any

import pytest

from modelops.api.kinds import Metadata
from modelops.machinery.reconcile import changed_beside_spec

SEEN = {"name": "a", "annotations": {"modelops.dev/retry": "1"}, "labels": {"team": "a"}, "resourceVersion": "1"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"resourceVersion": "2"}, False, id="a new resourceVersion alone is not a change"),
        pytest.param({"annotations": {"modelops.dev/retry": "2"}}, True, id="another annotation is a change"),
        pytest.param({"annotations": {}}, True, id="a removed annotation is a change"),
        pytest.param({"labels": {"team": "b"}}, True, id="another label is a change"),
        pytest.param({"deletionTimestamp": "2026-11-05T12:00:00Z"}, True, id="a deletion is a change"),
    ],
)
def test_a_change_during_a_status_write_is_noticed(change: dict[str, Any], expected: bool) -> None:
    """The response to the status write puts the change into the cache, so the watch event then is not newer."""
    assert changed_beside_spec(Metadata.model_validate(SEEN), Metadata.model_validate(SEEN | change)) is expected
