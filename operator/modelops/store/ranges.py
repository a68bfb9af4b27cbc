"""List a large prefix with several threads: keys are cut into ranges, and segments of ranges are listed in parallel.

A cut is any key: a bad cut costs balance, nothing else. That the segments together are the whole listing is verified,
not assumed. Each segment is listed up to the first key beyond its end, and that key must be the very first key that the
next segment lists. If a service answers "entries after this key" with the rest of its one listing, then contiguous
segments cover all of the listing, in whatever order the service lists. If the keys of every segment are sorted and
within its bounds, no key comes twice. Any other service, or a bucket that changes meanwhile, is noticed
(`UnorderedListingError`, `contiguous`), and the caller lists serially.

A segment continues into the next range as long as no other segment has begun there, so the end of a range costs no
request. Only where two segments meet, one page is listed twice. The number of segments that may begin grows with the
number of pages listed so far, so that pages listed twice stay a small part of all, however small the listing is.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import NamedTuple

from modelops.store.pages import ListedObject, Page, Pages, Position

_MIN_CUTS = 16
_MAX_CUT_REQUESTS = 4
_PAGES_PER_SEGMENT = 4


class UnorderedListingError(Exception):
    """The keys are not in S3's order, so that they cannot be divided into ranges."""


class KeyRange(NamedTuple):
    """Entries from a position on, up to and including the key `until`, or to the end if that is None."""

    at: Position
    lower_bound: str
    """No key from the position on is less than this key."""
    until: str | None


class KeyRanges:
    """Ranges of one listing, in order, and which of them have begun. Safe for threads."""

    def __init__(self, ranges: Sequence[KeyRange], *, pages_per_segment: int = _PAGES_PER_SEGMENT) -> None:
        self._ranges = ranges
        self._begun = [False] * len(ranges)
        self._pages_per_segment = pages_per_segment
        self._segments = 0
        self._pages = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._ranges)

    def begin_segment(self) -> "Segment | None":
        """Begin a segment where it helps most, in the middle of the longest free stretch.

        Wait until enough pages are listed for one more segment. Return None if no range is left.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._all_begun() or self._pages >= self._segments * self._pages_per_segment)
            if self._all_begun():
                return None
            index = self._middle_of_longest_free_stretch() if self._segments else 0
            self._segments += 1
            self._take(index)
            return Segment(self, index, self._ranges[index])

    def extend(self, index: int) -> KeyRange | None:
        """Take the range at an index for the segment before it. Return None if it has begun, or if there is none."""
        with self._changed:
            if index >= len(self._ranges) or self._begun[index]:
                return None
            self._take(index)
            return self._ranges[index]

    def page_listed(self) -> None:
        """Count a page. Raises UnorderedListingError after `close`, when the listing is no longer of use."""
        with self._changed:
            if self._closed:
                raise UnorderedListingError
            self._pages += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let no segment begin or continue."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, index: int) -> None:
        self._begun[index] = True
        self._changed.notify_all()

    def _all_begun(self) -> bool:
        return self._closed or all(self._begun)

    def _middle_of_longest_free_stretch(self) -> int:
        start, length, best_start = 0, 0, 0
        for index, begun in enumerate([*self._begun, True]):
            if begun:
                if index - start > length:
                    length, best_start = index - start, start
                start = index + 1
        return best_start + length // 2


class Segment:
    """Adjacent ranges that one thread lists."""

    def __init__(self, ranges: KeyRanges, index: int, begin: KeyRange) -> None:
        self._ranges = ranges
        self._begin = begin
        self.index = index
        """Index of the range that the segment began with."""
        self.first: str | None = None
        """First key that was listed, within the range or not."""
        self.beyond: str | None = None
        """First key after the end of the segment."""

    def objects(self, page: Callable[[Position], Page]) -> Iterator[ListedObject]:
        """Yield the current objects in the segment. Raises UnorderedListingError and S3Error."""
        at: Position | None = self._begin.at
        last, until, index = self._begin.lower_bound, self._begin.until, self.index
        while at is not None and self.beyond is None:
            listed = page(at)
            self._ranges.page_listed()
            if listed.keys:
                if not listed.in_order or listed.keys[0] < last:
                    raise UnorderedListingError
                self.first = self.first if self.first is not None else listed.keys[0]
                last = listed.keys[-1]
            at = listed.next
            while until is not None and (last > until or at is None):
                index += 1
                extension = self._ranges.extend(index)
                if extension is None:
                    self.beyond = next((key for key in listed.keys if key > until), None)
                    break
                until = extension.until
            yield from (item for item in listed.objects if until is None or item.pinned.key <= until)


def contiguous(segments: Sequence[Segment]) -> bool:
    """Return True if adjacent segments, fully listed, meet without a gap: each ends where the next begins."""
    return all(left.beyond == right.first for left, right in pairwise(segments))


def key_ranges(pages: Pages, head: Sequence[Page]) -> list[KeyRange]:
    """Return the ranges of the rest of a listing after its first pages. Raises S3Error.

    Empty if nothing follows, or if the first pages are not in order.
    """
    keys = [key for page in head for key in page.keys]
    following = head[-1].next
    if following is None or keys != sorted(keys) or not all(page.in_order for page in head):
        return []
    last = keys[-1] if keys else ""
    cuts = [cut for cut in _cuts(pages) if cut > last]
    first = KeyRange(following, last, next(iter(cuts), None))
    return [first, *(KeyRange(pages.after(cut), cut + "\0", end) for cut, end in zip_longest(cuts, cuts[1:]))]


def _cuts(pages: Pages) -> list[str]:
    """Return prefixes that end with a slash, sorted: those of the first levels, until there are enough."""
    cuts: list[str] = []
    levels = [pages.prefix]
    for _ in range(_MAX_CUT_REQUESTS):
        if not levels or len(cuts) >= _MIN_CUTS:
            break
        below = pages.sub_prefixes(levels.pop(0))
        cuts += below
        levels += below
    return sorted(cuts)
