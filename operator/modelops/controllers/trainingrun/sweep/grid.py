"""Every combination of a sweep's parameters, each once, in an order that the seed decides. Pure."""

import random
from collections.abc import Iterator
from itertools import islice
from math import prod

from modelops.api.sweep import Sweep
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.sweep.space import count, nth

_BITS = 53
"""So many random bits has what `random.random` draws."""


def size(sweep: Sweep) -> int:
    """How many combinations there are."""
    return prod(count(parameter) for parameter in sweep.parameters)


def point(sweep: Sweep, number: int) -> StringMap:
    """The parameters of a trial. No two trials have the same."""
    place = next(islice(_shuffled(size(sweep), sweep.seed), number, None))
    chosen: StringMap = {}
    for parameter in sweep.parameters:
        place, index = divmod(place, count(parameter))
        chosen[parameter.name] = nth(parameter, index)
    return chosen


def _shuffled(length: int, seed: int) -> Iterator[int]:
    """The numbers below `length` in random order, as many as are asked for: Fisher and Yates' shuffle, of which only
    the places that were touched are kept. It draws by `random.random` alone, which every version of Python repeats.
    """
    draw = random.Random(seed)
    moved: dict[int, int] = {}
    for last in range(length - 1, -1, -1):
        chosen = int(draw.random() * 2**_BITS) * (last + 1) >> _BITS
        yield moved.get(chosen, chosen)
        moved[chosen] = moved.pop(last, last)
