"""Carrying out: what somebody asked for while the status was on its way is not lost."""

import pytest

from modelops.api.kinds import Metadata
from modelops.machinery.reconcile import changed_beside_spec

SEEN = {"name": "a", "annotations": {"modelops.dev/retry": "1"}, "labels": {"team": "a"}, "resourceVersion": "1"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"resourceVersion": "2"}, False),
        ({"annotations": {"modelops.dev/retry": "2"}}, True),
        ({"annotations": {}}, True),
        ({"labels": {"team": "b"}}, True),
        ({"deletionTimestamp": "2026-11-05T12:00:00Z"}, True),
    ],
)
def test_a_request_beside_the_status_has_the_object_looked_at_again(change: dict, expected: bool) -> None:
    """The answer to the status write brings it into the cache, and the watch then has nothing new to tell."""
    assert changed_beside_spec(Metadata.model_validate(SEEN), Metadata.model_validate(SEEN | change)) is expected
