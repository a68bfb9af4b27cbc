"""Enumerate every combination of a sweep's parameters once, in an order that the seed decides. Pure."""

import random
from collections.abc import Iterator
from itertools import islice
from math import prod

from modelops.api.sweep import Sweep
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.sweep.space import count, nth

_BITS = 53
"""Random bits that one `random.random()` has."""


def size(sweep: Sweep) -> int:
    """Return the number of combinations."""
    return prod(count(parameter) for parameter in sweep.parameters)


def point(sweep: Sweep, number: int) -> StringMap:
    """Return the parameters of a trial. No two trials have the same parameters."""
    place = next(islice(_shuffled(size(sweep), sweep.seed), number, None))
    chosen: StringMap = {}
    for parameter in sweep.parameters:
        place, index = divmod(place, count(parameter))
        chosen[parameter.name] = nth(parameter, index)
    return chosen


def _shuffled(length: int, seed: int) -> Iterator[int]:
    """Yield the numbers below `length` in random order: Fisher and Yates' shuffle, which stores only swapped places.

    The shuffle draws by `random.random()` alone, whose sequence for a seed is the same in every version of Python.
    """
    draw = random.Random(seed)
    moved: dict[int, int] = {}
    for last in range(length - 1, -1, -1):
        chosen = int(draw.random() * 2**_BITS) * (last + 1) >> _BITS
        yield moved.get(chosen, chosen)
        moved[chosen] = moved.pop(last, last)
