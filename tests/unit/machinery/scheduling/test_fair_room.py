"""A waiting room drops items of the namespace that fills it, and serves namespaces in turns."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from modelops.machinery.scheduling.fair_room import FairRoom

LIMIT = 6
ARRIVALS = st.lists(st.sampled_from("abc"), max_size=40)


def emptied(room: FairRoom[tuple[str, int]]) -> list[tuple[str, int]]:
    found = []
    while (item := room.take()) is not None:
        found.append(item)
    return found


@given(ARRIVALS)
def test_only_a_namespace_with_more_than_an_equal_part_loses_items(arrivals: list[str]) -> None:
    room: FairRoom[tuple[str, int]] = FairRoom(LIMIT)
    waiting: dict[str, list[int]] = defaultdict(list)
    for number, namespace in enumerate(arrivals):
        dropped = room.add(namespace, (namespace, number))
        waiting[namespace].append(number)
        if dropped is None:
            continue
        assert sum(map(len, waiting.values())) == LIMIT + 1, "nothing is dropped while there is room"
        loser, lost = dropped
        assert len(waiting[loser]) > LIMIT // len(waiting)
        assert waiting[loser].pop() == lost, "the newest item is dropped"
    left = emptied(room)
    assert {name: [number for loser, number in left if loser == name] for name in waiting} == waiting


@given(ARRIVALS)
def test_namespaces_take_turns(arrivals: list[str]) -> None:
    """The n-th item of a namespace comes before the (n+1)-th of any other."""
    room: FairRoom[tuple[str, int]] = FairRoom(100)
    for number, namespace in enumerate(arrivals):
        room.add(namespace, (namespace, number))
    served: dict[str, int] = defaultdict(int)
    ranks = []
    for namespace, _ in emptied(room):
        served[namespace] += 1
        ranks.append(served[namespace])
    assert ranks == sorted(ranks)
