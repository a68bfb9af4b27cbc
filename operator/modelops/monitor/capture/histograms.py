"""How often values were seen, by column: within bounds, whatever comes.

Numbers are counted in bins that are the same everywhere, so that the counts of Pods add up: those that share sign,
exponent and the eight leading binary digits, named by the end of theirs that is least. A bin is at most a 256th of its
values wide, and whole numbers up to 512 have one each.

Words are told as hashes: whoever compares counts needs to know which are the same, not what they say.
"""

import bisect
import hashlib
import math
from typing import Any

from modelops.monitor.capture.tables import MOST_COLUMNS, Table, Value

MOST_BINS = 2_048
MOST_LABELS = 256
MOST_COUNTS = 32_768
"""How many bins and labels all columns together may have: what the operator reads of a Pod, four times this, has bounds
as well."""
LONGEST_LABEL = 32
OTHER = "\0other"
"""What is no label of its own: too long, or too many. No text begins like that."""
_HASH_DIGITS = 16
"""64 bits: among 32,768 words two share a hash once in some 30 billion times."""
_STEPS = 512
_FARTHEST = 1e300
"""Numbers beyond count as this one, which has a bin below it."""


def bin_of(number: float) -> float:
    """The lower edge of a finite number's bin."""
    if number == 0:
        return 0.0
    mantissa, exponent = math.frexp(max(-_FARTHEST, min(number, _FARTHEST)))
    return math.ldexp(math.floor(mantissa * _STEPS), exponent - _STEPS.bit_length() + 1)


def told_word(column: str, word: str) -> str:
    """What a word of a column is called where it is told: the same in each Pod, and another one in each column."""
    return hashlib.sha256(f"{column}\0{word}".encode(errors="surrogatepass")).hexdigest()[:_HASH_DIGITS]


class Room:
    """How many more bins and labels there may be."""

    def __init__(self, left: int = MOST_COUNTS) -> None:
        self._left = left

    def take(self) -> bool:
        """Take one, if there is any left."""
        self._left -= self._left > 0
        return self._left > 0


class Column:
    """The counts of one column."""

    def __init__(self, name: str, room: Room) -> None:
        self._name = name
        self._room = room
        self._numbers: dict[float, int] = {}
        self._labels: dict[str, int] = {}
        self._all: list[float] = []
        """All bins in order, once there may be no more of them."""

    def add(self, value: Value) -> None:
        """Count one value."""
        if isinstance(value, str):
            label = value if self._takes(value) else OTHER
            self._labels[label] = self._labels.get(label, 0) + 1
        elif math.isfinite(value):
            edge = self._nearest(bin_of(value))
            self._numbers[edge] = self._numbers.get(edge, 0) + 1
        else:
            self.add(str(value))

    def told(self) -> dict[str, Any]:
        """The counts as JSON has them: pairs, since its keys are text only."""
        labels = {
            label if label == OTHER else told_word(self._name, label): count for label, count in self._labels.items()
        }
        return {"numbers": list(self._numbers.items()), "labels": labels}

    def _takes(self, label: str) -> bool:
        if label in self._labels:
            return True
        fits = len(label) <= LONGEST_LABEL and not label.startswith("\0")
        return fits and len(self._labels) < MOST_LABELS and self._room.take()

    def _nearest(self, edge: float) -> float:
        """The bin, or where there may be no other the one below it, or the first."""
        if edge in self._numbers:
            return edge
        if not self._all and (not self._numbers or (len(self._numbers) < MOST_BINS and self._room.take())):
            return edge
        self._all = self._all or sorted(self._numbers)
        return self._all[max(bisect.bisect_right(self._all, edge) - 1, 0)]


class Counts:
    """The counts of all columns."""

    def __init__(self) -> None:
        self._rows = 0
        self._room = Room()
        self._columns: dict[str, Column] = {}

    def add(self, rows: int, values: Table) -> None:
        """Count the rows of one request or answer."""
        self._rows += rows
        for name, column in values.items():
            known = self._columns.get(name)
            if known is None:
                if len(self._columns) >= MOST_COLUMNS:
                    continue
                known = self._columns[name] = Column(name, self._room)
            for value in column:
                known.add(value)

    def told(self) -> dict[str, Any]:
        """The counts as JSON has them."""
        return {"rows": self._rows, "columns": {name: column.told() for name, column in self._columns.items()}}
