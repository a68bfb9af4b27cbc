"""What a look at a source has brought."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from modelops.store.listing import ListingSummary, TooManyObjects


@dataclass(frozen=True)
class Problem:
    """Why a look brought nothing.

    Waiting: a Secret or a claim is not there yet. Transient: it passes by itself. Stalled: a person must change
    something.
    """

    kind: Literal["Waiting", "Transient", "Stalled"]
    reason: str
    message: str


@dataclass(frozen=True)
class Sighting:
    """One look of the operator's own at a Dataset's source."""

    at: datetime
    """When it began: what was there then is in it."""
    uid: str
    generation: int
    found: ListingSummary | TooManyObjects | Problem
    failures: int = 0
    """How many looks in a row have found a transient problem."""
