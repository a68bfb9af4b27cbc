"""A listing in ranges has every object exactly once, or the failure is noticed, for all keys, cuts and services."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.digests import PinnedObject
from modelops.store.pages import ListedObject, Page, Pages, Position
from modelops.store.ranges import KeyRange, KeyRanges, Segment, UnorderedListingError, contiguous, key_ranges

KEYS = st.lists(st.text(alphabet="ab-/.é", min_size=1, max_size=5), max_size=30, unique=True)
CUTS = st.lists(st.text(alphabet="ab-/.é", min_size=1, max_size=5), max_size=6, unique=True).map(sorted)


class Service:
    """Service that lists `keys` in the order of `rank`, with `size` entries a page."""

    prefix = ""

    def __init__(self, keys: list[str], size: int, rank: Callable[[str], Any] = str) -> None:
        self.keys = sorted(keys, key=rank)
        self.size = size
        self._rank = rank
        self.cut_requests = 0

    def page(self, at: Position) -> Page:
        start = bisect_right(self.keys, self._rank(at["after"]), key=self._rank) if "after" in at else 0
        keys = self.keys[start : start + self.size]
        more = start + self.size < len(self.keys)
        objects = [
            ListedObject(PinnedObject(key=key, version_id="v", size=1, etag="e"), modified="")
            for key in keys
            if not key.endswith("/")
        ]
        return Page(objects, sorted(keys), keys == sorted(keys), {"after": keys[-1]} if more else None)

    def after(self, key: str) -> Position:
        return {"after": key}

    def sub_prefixes(self, prefix: str) -> list[str]:
        self.cut_requests += 1
        rests = [key.removeprefix(prefix) for key in self.keys if key.startswith(prefix)]
        return sorted({prefix + rest.partition("/")[0] + "/" for rest in rests if "/" in rest})


def by_directories(key: str) -> list[str]:
    """Return the sort key of a service that stores keys as paths, such as SeaweedFS: `a/b` comes before `a-b`."""
    return key.split("/")


def ranges_of(service: Service, head: list[Page]) -> list[KeyRange]:
    return key_ranges(cast(Pages, service), head)


def cut_at(service: Service, cuts: list[str]) -> KeyRanges:
    starts = [KeyRange({}, "", None), *(KeyRange(service.after(cut), cut + "\0", None) for cut in cuts)]
    return KeyRanges(
        [start._replace(until=end) for start, end in zip(starts, [*cuts, None], strict=True)], pages_per_segment=0
    )


def interleave(
    shared: KeyRanges, page: Callable[[Position], Page], draw: Callable[[int], int]
) -> tuple[list[Segment], list[str]]:
    """List segments object by object in an order that `draw` decides. Return them and all keys that they list."""
    segments: list[Segment] = []
    open_: list[tuple[Iterator[ListedObject], list[str]]] = []
    key_lists: list[list[str]] = []
    may_begin = True
    while may_begin or open_:
        choice = draw(len(open_) + may_begin)
        if choice == len(open_):
            segment = shared.begin_segment()
            may_begin = segment is not None
            if segment is not None:
                segments.append(segment)
                key_lists.append([])
                open_.append((segment.objects(page), key_lists[-1]))
            continue
        objects, keys = open_[choice]
        item = next(objects, None)
        if item is None:
            open_.pop(choice)
        else:
            keys.append(item.pinned.key)
    order = sorted(range(len(segments)), key=lambda number: segments[number].index)
    return [segments[number] for number in order], [key for number in order for key in key_lists[number]]


def drawn(data: st.DataObject) -> Callable[[int], int]:
    return lambda count: data.draw(st.integers(0, count - 1))


def objects_of(keys: Iterable[str]) -> list[str]:
    return sorted(key for key in keys if not key.endswith("/"))


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_segments_together_are_the_whole_listing(
    keys: list[str], cuts: list[str], size: int, data: st.DataObject
) -> None:
    """Every object is pinned exactly once and in order, wherever the listing is cut and whichever segment is first."""
    service = Service(keys, size)
    segments, listed = interleave(cut_at(service, cuts), service.page, drawn(data))
    assert listed == objects_of(keys)
    assert contiguous(segments)


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_a_service_with_another_order_never_loses_an_object(
    keys: list[str], cuts: list[str], size: int, data: st.DataObject
) -> None:
    """If a service does not list in S3's order, either that is noticed, or the listing is complete."""
    service = Service(keys, size, by_directories)
    try:
        segments, listed = interleave(cut_at(service, cuts), service.page, drawn(data))
    except UnorderedListingError:
        return
    if contiguous(segments):
        assert sorted(listed) == objects_of(keys)


@given(KEYS, CUTS, st.integers(1, 4), st.data())
def test_changes_during_a_listing_hide_no_object_that_stays(
    keys: list[str], cuts: list[str], size: int, data: st.DataObject
) -> None:
    """Objects that are written and deleted during a listing do not hide an object that exists all the time."""
    service, stayed = Service(keys, size), set(keys)

    def page(at: Position) -> Page:
        if bool(keys) and data.draw(st.booleans()):
            service.keys = sorted(data.draw(st.lists(st.sampled_from(keys), unique=True)))
            stayed.intersection_update(service.keys)
        return service.page(at)

    segments, listed = interleave(cut_at(service, cuts), page, drawn(data))
    assert len(listed) == len(set(listed))
    if contiguous(segments):
        assert set(objects_of(stayed)) <= set(listed)


def test_a_service_that_skips_keys_is_noticed() -> None:
    """SeaweedFS skips keys below `a/` in a listing of the keys after `a`."""
    service = Service(["Z", "a", "a/b", "b"], 10)

    def page(at: Position) -> Page:
        full = service.page(at)
        kept = [item for item in full.objects if at.get("after") != "a" or item.pinned.key != "a/b"]
        return full._replace(objects=kept, keys=[item.pinned.key for item in kept])

    segments, listed = interleave(cut_at(service, ["a"]), page, lambda count: count - 1)
    assert listed == ["Z", "a", "b"]
    assert not contiguous(segments)


def test_the_number_of_segments_grows_with_the_pages_listed() -> None:
    """Each segment may list a page twice, so that a small listing is not worth many segments."""
    service = Service([f"{number:02}/x" for number in range(40)], 1)
    shared = KeyRanges(ranges_of(service, [service.page({})]), pages_per_segment=4)
    first = shared.begin_segment()
    assert first is not None
    listed = first.objects(service.page)
    beginners = [threading.Thread(target=shared.begin_segment, daemon=True) for _ in range(2)]
    for thread in beginners:
        thread.start()
    for _ in range(3):
        next(listed)
    assert all(thread.is_alive() for thread in beginners)
    next(listed)
    deadline = time.monotonic() + 5
    while all(thread.is_alive() for thread in beginners) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert sum(thread.is_alive() for thread in beginners) == 1
    shared.close()
    for thread in beginners:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in beginners)
    with pytest.raises(UnorderedListingError):
        next(listed)


@pytest.mark.parametrize(
    ("keys", "page_size", "ends"),
    [
        pytest.param(["a/1", "b/1"], 10, [], id="a listing of one page needs no range"),
        pytest.param(
            ["a/1", "a/2", "b/1", "c/1"], 1, ["b/", "c/", None], id="each prefix after the first page is a range"
        ),
        pytest.param(
            ["x/y/a/1", "x/y/a/2", "x/y/b/1", "x/y/c/1"],
            1,
            ["x/y/b/", "x/y/c/", None],
            id="a level with a single prefix is descended",
        ),
        pytest.param(["1", "2", "3"], 1, [None], id="keys without a slash are one range"),
    ],
)
def test_a_listing_is_cut_where_its_prefixes_begin(keys: list[str], page_size: int, ends: list[str | None]) -> None:
    """Large folders of a bucket are listed in parallel."""
    service = Service(keys, page_size)
    assert [key_range.until for key_range in ranges_of(service, [service.page({})])] == ends


def test_a_few_requests_find_the_cuts() -> None:
    """A bucket with deep folders costs no more than four requests for cuts."""
    deep = Service(["a/" * 100 + str(number) for number in range(20)], 10)
    ranges_of(deep, [deep.page({})])
    assert deep.cut_requests <= 4


def test_a_listing_whose_first_page_is_out_of_order_is_not_cut() -> None:
    """An object of the first page could appear again in a range."""
    service = Service(["a/1", "a-b", "c/1", "d/1"], 2, by_directories)
    assert ranges_of(service, [service.page({})]) == []


def test_the_first_pages_and_the_segments_are_the_whole_listing() -> None:
    """The pages that were listed before the cut, and the segments after them, have every object once."""
    service = Service([f"{number % 7}/{number}" for number in range(100)], 9)
    first = service.page({})
    assert first.next is not None
    head = [first, service.page(first.next)]
    segments, listed = interleave(
        KeyRanges(ranges_of(service, head), pages_per_segment=0), service.page, lambda count: count - 1
    )
    assert [item.pinned.key for page in head for item in page.objects] + listed == sorted(service.keys)
    assert contiguous(segments)
    assert len(segments) > 2
