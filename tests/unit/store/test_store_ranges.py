"""A listing in ranges is the whole listing, once, or it is noticed: whatever the keys, the cuts and the service."""

from bisect import bisect_right
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.digests import Pinned
from modelops.store.pages import Page, Position, Seen
from modelops.store.ranges import MOST_CUTS, Disordered, Range, Stretch, meet, ranges

KEYS = st.lists(st.text(alphabet="ab-/.é", min_size=1, max_size=5), max_size=30, unique=True)
CUTS = st.lists(st.text(alphabet="ab-/.é", min_size=1, max_size=5), max_size=6, unique=True).map(sorted)


class Service:
    """Lists `keys` by the order that `rank` gives them, `size` entries a page."""

    prefix = ""

    def __init__(self, keys: list[str], size: int, rank: Callable[[str], object] = str) -> None:
        self.keys = sorted(keys, key=rank)
        self.size = size
        self._rank = rank
        self.looks = 0

    def page(self, at: Position) -> Page:
        start = bisect_right(self.keys, self._rank(at["after"]), key=self._rank) if "after" in at else 0
        keys = self.keys[start : start + self.size]
        more = start + self.size < len(self.keys)
        objects = [Seen(Pinned(key, "v", 1, "e"), "") for key in keys if not key.endswith("/")]
        return Page(objects, sorted(keys), keys == sorted(keys), {"after": keys[-1]} if more else None)

    def after(self, key: str) -> Position:
        return {"after": key}

    def sub_prefixes(self, prefix: str) -> list[str]:
        self.looks += 1
        rests = [key.removeprefix(prefix) for key in self.keys if key.startswith(prefix)]
        return sorted({prefix + rest.partition("/")[0] + "/" for rest in rests if "/" in rest})


def by_directories(key: str) -> list[str]:
    """The order of a service that keeps keys as paths, such as SeaweedFS: `a/b` comes before `a-b`."""
    return key.split("/")


def cut_at(service: Service, cuts: list[str]) -> list[Range]:
    starts = [Range({}, "", None), *(Range(service.after(cut), cut + "\0", None) for cut in cuts)]
    return [one._replace(until=end) for one, end in zip(starts, [*cuts, None], strict=True)]


def listed(stretches: list[Stretch]) -> list[str]:
    return [one.pinned.key for stretch in stretches for one in stretch.objects()]


@given(KEYS, CUTS, st.integers(1, 4))
def test_ranges_are_the_whole_listing(keys, cuts, size):
    """Every object is pinned exactly once and in order, wherever the listing is cut."""
    service = Service(keys, size)
    stretches = [Stretch(service.page, one) for one in cut_at(service, cuts)]
    assert listed(stretches) == sorted(key for key in keys if not key.endswith("/"))
    assert meet(stretches)


@given(KEYS, CUTS, st.integers(1, 4))
def test_another_order_is_noticed(keys, cuts, size):
    """A service that does not list in S3's order never costs an object: what is not noticed is complete."""
    service = Service(keys, size, by_directories)
    stretches = [Stretch(service.page, one) for one in cut_at(service, cuts)]
    try:
        found = listed(stretches)
    except Disordered:
        return
    if meet(stretches):
        assert sorted(found) == sorted(key for key in keys if not key.endswith("/"))


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_a_change_meanwhile_loses_nothing_that_stays(keys, cuts, size, data):
    """Objects that come and go while ranges are listed one after the other do not hide one that was there all along."""
    service = Service(keys, size)
    stretches, found, stayed = [], [], set(keys)
    for one in cut_at(service, cuts):
        stretches.append(Stretch(service.page, one))
        found += listed(stretches[-1:])
        service.keys = sorted(data.draw(st.lists(st.sampled_from(keys), unique=True))) if keys else []
        stayed &= set(service.keys)
    if meet(stretches):
        assert {key for key in stayed if not key.endswith("/")} <= set(found)
    assert len(found) == len(set(found))


def test_a_service_that_skips_is_noticed():
    """SeaweedFS passes over what is below `a/` when asked for what follows `a`."""
    service = Service(["Z", "a", "a/b", "b"], 10)

    def page(at: Position) -> Page:
        full = service.page(at)
        kept = [one for one in full.objects if at.get("after") != "a" or one.pinned.key != "a/b"]
        return full._replace(objects=kept, keys=[one.pinned.key for one in kept])

    stretches = [Stretch(page, one) for one in cut_at(service, ["a"])]
    assert listed(stretches) == ["Z", "a", "b"]
    assert not meet(stretches)


@pytest.mark.parametrize(
    ("keys", "size", "ends"),
    [
        (["a/1", "b/1"], 10, []),
        (["a/1", "a/2", "b/1", "c/1"], 1, ["b/", "c/", None]),
        (["x/y/a/1", "x/y/a/2", "x/y/b/1", "x/y/c/1"], 1, ["x/y/b/", "x/y/c/", None]),
        (["1", "2", "3"], 1, [None]),
    ],
    ids=[
        "what fits a page is listed already",
        "each prefix is a range, as far as the first page has not listed it",
        "a level with a single prefix is passed through",
        "keys without a slash are one range",
    ],
)
def test_where_it_is_cut(keys, size, ends):
    """A listing is cut where its prefixes begin."""
    service = Service(keys, size)
    assert [one.until for one in ranges(service, service.page({}))] == ends


def test_cuts_are_few_and_cheap():
    """A thousand prefixes make no thousand ranges, and a deep tree no endless search."""
    wide = Service([f"{number:04}/x" for number in range(1000)], 10)
    assert 2 <= len(ranges(wide, wide.page({}))) <= MOST_CUTS + 1
    deep = Service(["a/" * 100 + str(number) for number in range(20)], 10)
    ranges(deep, deep.page({}))
    assert deep.looks <= 8


def test_all_of_it_from_the_first_page():
    """The first page and the ranges after it are together the listing."""
    service = Service([f"{number % 7}/{number}" for number in range(100)], 9)
    head = service.page({})
    stretches = [Stretch(service.page, one) for one in ranges(service, head)]
    assert [one.pinned.key for one in head.objects] + listed(stretches) == sorted(service.keys)
    assert meet(stretches)
