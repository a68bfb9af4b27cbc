"""List a large prefix by several at once: its keys are cut into ranges, and each range is listed by itself.

A cut is any key: a bad one costs balance, nothing else. That the ranges together are the whole listing is not believed
but checked. Each range is listed up to the first key beyond its end, and that key must be the very first that the next
range lists. If a service's answer to "what follows this key" is a rest of its one listing, then the ranges that meet
so cover all of it, in whatever order it lists; and where every range's keys are sorted and within their bounds, no key
comes twice. A service that lists otherwise, or a bucket that changes meanwhile, is noticed (`Disordered`,
`meet`), and listed serially.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from modelops.store.pages import Page, Pages, Position, Seen

MOST_CUTS = 32
_ENOUGH_CUTS = 16
_MOST_LOOKS = 8
"""Requests for cuts: as many as a listing of a few thousand objects can spare."""


class Disordered(Exception):
    """Keys that do not come in S3's order, by which a range could be told."""


class Range(NamedTuple):
    """The entries from a position on, up to and including the key `until`; None: up to the end."""

    at: Position
    least: str
    """No key from the position on is less than this."""
    until: str | None


class Stretch:
    """One range, gone through once: its objects; then `first` and `beyond` tell whether it meets its neighbours."""

    def __init__(self, page: Callable[[Position], Page], range_: Range) -> None:
        self._page = page
        self._range = range_
        self.first: str | None = None
        """The first key that was listed, within the range or not."""
        self.beyond: str | None = None
        """The first key after the range's end."""

    def objects(self) -> Iterator[Seen]:
        """The current objects in the range. Raises Disordered and S3Problem."""
        at: Position | None = self._range.at
        last, until = self._range.least, self._range.until
        while at is not None and self.beyond is None:
            page = self._page(at)
            if page.keys:
                if not page.in_order or page.keys[0] < last:
                    raise Disordered
                self.first = self.first if self.first is not None else page.keys[0]
                last = page.keys[-1]
            if until is not None and last > until:
                self.beyond = next(key for key in page.keys if key > until)
            yield from (one for one in page.objects if until is None or one.pinned.key <= until)
            at = page.next


def meet(stretches: Sequence[Stretch]) -> bool:
    """Whether neighbours, gone through, join without a gap: where one was left is where the next began."""
    return all(left.beyond == right.first for left, right in pairwise(stretches))


def ranges(pages: Pages, head: Page) -> list[Range]:
    """What follows the listing's first page, in ranges to list at once. Raises S3Problem."""
    if head.next is None:
        return []
    seen = head.keys[-1] if head.keys else ""
    cuts = [cut for cut in _cuts(pages) if cut > seen]
    cuts = cuts[:: -(-len(cuts) // MOST_CUTS) or 1]
    ends = [*cuts, None]
    first = Range(head.next, seen, ends[0])
    return [first, *(Range(pages.after(cut), cut + "\0", end) for cut, end in zip(cuts, ends[1:], strict=True))]


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
