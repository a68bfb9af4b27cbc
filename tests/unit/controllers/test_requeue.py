"""When to look again: the first of several reasons counts, and none is no reason."""

from datetime import timedelta

import pytest

from modelops.controllers.requeue import earliest
from support.builders.common import NOW

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [((), None), ((None, None), None), ((None, MINUTE), MINUTE), ((2 * MINUTE, None, MINUTE), MINUTE)],
    ids=["nothing given", "only None", "the one that is not None", "the shortest of several"],
)
def test_the_shortest_length(lengths: tuple[timedelta | None, ...], expected: timedelta | None) -> None:
    """A length of None must not keep the others from counting."""
    assert earliest(*lengths) == expected


def test_the_earliest_time() -> None:
    """Times are compared as lengths are."""
    assert earliest(NOW, None, NOW - MINUTE) == NOW - MINUTE
