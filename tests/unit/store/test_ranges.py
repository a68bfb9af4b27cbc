"""A listing in ranges is the whole listing, once, or it is noticed: whatever the keys, the cuts and the service."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.digests import PinnedObject
from modelops.store.pages import Page, Position, Seen
from modelops.store.ranges import Range, Ranges, Run, UnorderedListingError, contiguous, ranges

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
        objects = [Seen(PinnedObject(key, "v", 1, "e"), "") for key in keys if not key.endswith("/")]
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


def cut_at(service: Service, cuts: list[str]) -> Ranges:
    starts = [Range({}, "", None), *(Range(service.after(cut), cut + "\0", None) for cut in cuts)]
    return Ranges([one._replace(until=end) for one, end in zip(starts, [*cuts, None], strict=True)], pages_a_run=0)


def interleaved(shared: Ranges, page, draw: Callable[[int], int]) -> tuple[list[Run], list[str]]:
    """Runs that begin and go on in an order that `draw` decides, object by object; and all that they list."""
    runs: list[Run] = []
    open_: list[tuple[Iterator[Seen], list[str]]] = []
    found: list[list[str]] = []
    may_begin = True
    while may_begin or open_:
        choice = draw(len(open_) + may_begin)
        if choice == len(open_):
            run = shared.begin()
            may_begin = run is not None
            if run is not None:
                runs.append(run)
                found.append([])
                open_.append((run.objects(page), found[-1]))
            continue
        objects, keys = open_[choice]
        one = next(objects, None)
        if one is None:
            open_.pop(choice)
        else:
            keys.append(one.pinned.key)
    order = sorted(range(len(runs)), key=lambda number: runs[number].index)
    return [runs[number] for number in order], [key for number in order for key in found[number]]


def drawn(data) -> Callable[[int], int]:
    return lambda count: data.draw(st.integers(0, count - 1))


def objects_of(keys) -> list[str]:
    return sorted(key for key in keys if not key.endswith("/"))


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_runs_are_the_whole_listing(keys, cuts, size, data):
    """Every object is pinned exactly once and in order, wherever the listing is cut and whoever comes first."""
    service = Service(keys, size)
    runs, found = interleaved(cut_at(service, cuts), service.page, drawn(data))
    assert found == objects_of(keys)
    assert contiguous(runs)


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_another_order_is_noticed(keys, cuts, size, data):
    """A service that does not list in S3's order never costs an object: what is not noticed is complete."""
    service = Service(keys, size, by_directories)
    try:
        runs, found = interleaved(cut_at(service, cuts), service.page, drawn(data))
    except UnorderedListingError:
        return
    if contiguous(runs):
        assert sorted(found) == objects_of(keys)


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_a_change_meanwhile_loses_nothing_that_stays(keys, cuts, size, data):
    """Objects that come and go while their prefix is listed do not hide one that was there all along."""
    service, stayed = Service(keys, size), set(keys)

    def page(at: Position) -> Page:
        if keys and data.draw(st.booleans()):
            service.keys = sorted(data.draw(st.lists(st.sampled_from(keys), unique=True)))
            stayed.intersection_update(service.keys)
        return service.page(at)

    runs, found = interleaved(cut_at(service, cuts), page, drawn(data))
    assert len(found) == len(set(found))
    if contiguous(runs):
        assert set(objects_of(stayed)) <= set(found)


def test_a_service_that_skips_is_noticed():
    """SeaweedFS passes over what is below `a/` when asked for what follows `a`."""
    service = Service(["Z", "a", "a/b", "b"], 10)

    def page(at: Position) -> Page:
        full = service.page(at)
        kept = [one for one in full.objects if at.get("after") != "a" or one.pinned.key != "a/b"]
        return full._replace(objects=kept, keys=[one.pinned.key for one in kept])

    runs, found = interleaved(cut_at(service, ["a"]), page, lambda count: count - 1)
    assert found == ["Z", "a", "b"]
    assert not contiguous(runs)


def test_runs_begin_as_pages_come():
    """Each run may list a page twice: a listing that turns out small is not worth many of them."""
    service = Service([f"{number:02}/x" for number in range(40)], 1)
    shared = Ranges(ranges(service, [service.page({})]), pages_a_run=4)
    first = shared.begin()
    listed = first.objects(service.page)
    beginners = [threading.Thread(target=shared.begin, daemon=True) for _ in range(2)]
    for one in beginners:
        one.start()
    for _ in range(3):
        next(listed)
    assert all(one.is_alive() for one in beginners)
    next(listed)
    deadline = time.monotonic() + 5
    while all(one.is_alive() for one in beginners) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert sum(one.is_alive() for one in beginners) == 1
    shared.close()
    for one in beginners:
        one.join(timeout=5)
    assert not any(one.is_alive() for one in beginners)
    with pytest.raises(UnorderedListingError):
        next(listed)


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
    assert [one.until for one in ranges(service, [service.page({})])] == ends


def test_cuts_are_cheap():
    """However deep the prefixes are, few requests look for cuts."""
    deep = Service(["a/" * 100 + str(number) for number in range(20)], 10)
    ranges(deep, [deep.page({})])
    assert deep.looks <= 4


def test_a_head_out_of_order_is_not_cut():
    """What has been listed already could come again in a range."""
    service = Service(["a/1", "a-b", "c/1", "d/1"], 2, by_directories)
    assert ranges(service, [service.page({})]) == []


def test_all_of_it_from_the_first_pages():
    """The first pages and the runs after them are together the listing."""
    service = Service([f"{number % 7}/{number}" for number in range(100)], 9)
    first = service.page({})
    head = [first, service.page(first.next)]
    runs, found = interleaved(Ranges(ranges(service, head), pages_a_run=0), service.page, lambda count: count - 1)
    assert [one.pinned.key for page in head for one in page.objects] + found == sorted(service.keys)
    assert contiguous(runs)
    assert len(runs) > 2
