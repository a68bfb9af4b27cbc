"""List a large prefix by several at once: its keys are cut into ranges, and runs of ranges are listed side by side.

A cut is any key: a bad one costs balance, nothing else. That the runs together are the whole listing is not believed
but checked. Each is listed up to the first key beyond its end, and that key must be the very first that the next run
lists. If a service's answer to "what follows this key" is a rest of its one listing, then runs that meet so cover all
of it, in whatever order it lists; and where every run's keys are sorted and within their bounds, no key comes twice.
Another service, or a bucket that changes meanwhile, is noticed (`Disordered`, `meet`), and listed serially.

A run goes on into the next range as long as nobody has begun that one, so the end of a range costs no request; only
where two runs meet, a page is listed twice. How many may begin follows the number of pages listed so far: what those
pages cost twice stays a small share of all, however small the listing turns out to be.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import NamedTuple

from modelops.store.pages import ListedObject, Page, Pages, Position

_ENOUGH_CUTS = 16
_MOST_LOOKS = 4
_PAGES_PER_SEGMENT = 4


class UnorderedListingError(Exception):
    """Keys that do not come in S3's order, by which a range could be told."""


class KeyRange(NamedTuple):
    """The entries from a position on, up to and including the key `until`; None: up to the end."""

    at: Position
    least: str
    """No key from the position on is less than this."""
    until: str | None


class KeyRanges:
    """The ranges of one listing, in order, and which of them are begun. For many threads."""

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
        """A run at the place where it helps most, once enough pages were listed for one more; None: none is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._all_begun() or self._pages >= self._segments * self._pages_per_segment)
            if self._all_begun():
                return None
            index = self._middle_of_the_longest_rest() if self._segments else 0
            self._segments += 1
            self._take(index)
            return Segment(self, index, self._ranges[index])

    def extend(self, index: int) -> KeyRange | None:
        """Take the range at an index for the run before it; None: it is begun already, or there is none."""
        with self._changed:
            if index >= len(self._ranges) or self._begun[index]:
                return None
            self._take(index)
            return self._ranges[index]

    def page_listed(self) -> None:
        """Count a page. Raises UnorderedListingError once what is listed is of no use any more."""
        with self._changed:
            if self._closed:
                raise UnorderedListingError
            self._pages += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody begin or go on any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, index: int) -> None:
        self._begun[index] = True
        self._changed.notify_all()

    def _all_begun(self) -> bool:
        return self._closed or all(self._begun)

    def _middle_of_the_longest_rest(self) -> int:
        start, longest, where = 0, 0, 0
        for index, begun in enumerate([*self._begun, True]):
            if begun:
                if index - start > longest:
                    longest, where = index - start, start
                start = index + 1
        return where + longest // 2


class Segment:
    """Neighbouring ranges, listed once by one thread."""

    def __init__(self, ranges: KeyRanges, index: int, begin: KeyRange) -> None:
        self._ranges = ranges
        self._begin = begin
        self.index = index
        """Of the range that it began with."""
        self.first: str | None = None
        """The first key that was listed, within the range or not."""
        self.beyond: str | None = None
        """The first key after the run's end."""

    def objects(self, page: Callable[[Position], Page]) -> Iterator[ListedObject]:
        """The current objects in the run. Raises UnorderedListingError and S3Error."""
        at: Position | None = self._begin.at
        last, until, index = self._begin.least, self._begin.until, self.index
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
                taken = self._ranges.extend(index)
                if taken is None:
                    self.beyond = next((key for key in listed.keys if key > until), None)
                    break
                until = taken.until
            yield from (one for one in listed.objects if until is None or one.pinned.key <= until)


def contiguous(segments: Sequence[Segment]) -> bool:
    """Whether neighbours, gone through, join without a gap: where one was left is where the next began."""
    return all(left.beyond == right.first for left, right in pairwise(segments))


def key_ranges(pages: Pages, head: Sequence[Page]) -> list[KeyRange]:
    """What follows a listing's first pages, in ranges; none where nothing does, or not in order. Raises S3Error."""
    keys = [key for page in head for key in page.keys]
    following = head[-1].next
    if following is None or keys != sorted(keys) or not all(page.in_order for page in head):
        return []
    seen = keys[-1] if keys else ""
    cuts = [cut for cut in _cuts(pages) if cut > seen]
    first = KeyRange(following, seen, next(iter(cuts), None))
    return [first, *(KeyRange(pages.after(cut), cut + "\0", end) for cut, end in zip_longest(cuts, cuts[1:]))]


def _cuts(pages: Pages) -> list[str]:
    """Prefixes that end in a slash, sorted: those of the first levels, until there are enough of them."""
    found: list[str] = []
    levels = [pages.prefix]
    for _ in range(_MOST_LOOKS):
        if not levels or len(found) >= _ENOUGH_CUTS:
            break
        below = pages.sub_prefixes(levels.pop(0))
        found += below
        levels += below
    return sorted(found)
