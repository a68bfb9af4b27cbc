"""What values a swept parameter can have: as numbers, as the text that a trainer gets, and counted. Pure."""

import math
from fractions import Fraction

from modelops.api.sweep import ParameterType, SweptParameter

Value = float | int | str


def text_of(parameter: SweptParameter, value: Value) -> str:
    """A value as a trainer gets it: an int without a point, a double so that reading it gives the same double."""
    if parameter.type is ParameterType.INT:
        return str(int(value))
    if parameter.type is ParameterType.DOUBLE:
        return repr(_on_step(parameter, float(value)))
    return str(value)


def value_of(parameter: SweptParameter, text: str) -> Value:
    """The value that a text stands for. Raises ValueError."""
    if parameter.type is ParameterType.INT:
        return int(text)
    return float(text) if parameter.type is ParameterType.DOUBLE else text


def bounds(parameter: SweptParameter) -> tuple[float, float]:
    """The least and the greatest value of a double or int that can be had, in whole steps from the least one."""
    low, high = _limits(parameter)
    if step_of(parameter) is None:
        return low, high
    return low, float(_at(parameter, count(parameter) - 1))


def step_of(parameter: SweptParameter) -> float | None:
    """The distance between two values; None for a double without."""
    return 1 if parameter.step is None and parameter.type is ParameterType.INT else parameter.step


def count(parameter: SweptParameter) -> int:
    """How many values there are. Only for what can be counted: a double needs a step."""
    if parameter.values is not None:
        return len(parameter.values)
    low, high = _limits(parameter)
    return int((_exact(high) - _exact(low)) // _exact(_needed(step_of(parameter)))) + 1


def nth(parameter: SweptParameter, index: int) -> str:
    """The text of the value at a place, from 0."""
    if parameter.values is not None:
        return parameter.values[index]
    value = _at(parameter, index)
    return str(int(value)) if parameter.type is ParameterType.INT else repr(float(value))


def _at(parameter: SweptParameter, index: int) -> Fraction:
    low, _ = _limits(parameter)
    return _exact(low) + index * _exact(_needed(step_of(parameter)))


def _on_step(parameter: SweptParameter, value: float) -> float:
    """Three steps of 0.1 are 0.3, and not what binary fractions make of it."""
    if parameter.step is None:
        return value
    low, _ = _limits(parameter)
    return float(_at(parameter, round((_exact(value) - _exact(low)) / _exact(parameter.step))))


def _limits(parameter: SweptParameter) -> tuple[float, float]:
    low, high = _needed(parameter.min), _needed(parameter.max)
    return (math.ceil(low), math.floor(high)) if parameter.type is ParameterType.INT else (low, high)


def _exact(value: float) -> Fraction:
    """The number as it is written."""
    return Fraction(repr(value))


def _needed(value: float | None) -> float:
    assert value is not None, "admission has seen to it"
    return value
