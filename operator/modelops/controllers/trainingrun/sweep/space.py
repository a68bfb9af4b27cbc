"""Count and convert the values of a swept parameter: numbers, and the text that a trainer gets. Pure."""

import math
from fractions import Fraction

from modelops.api.sweep import ParameterType, SweptParameter

Value = float | int | str


def text_of(parameter: SweptParameter, value: Value) -> str:
    """Return a value as a trainer gets it: an int without a point, a double in digits that read as the same double."""
    if parameter.type is ParameterType.INT:
        return str(int(value))
    if parameter.type is ParameterType.DOUBLE:
        return repr(_on_step(parameter, float(value)))
    return str(value)


def value_of(parameter: SweptParameter, text: str) -> Value:
    """Return the value of a text. Raises ValueError."""
    if parameter.type is ParameterType.INT:
        return int(text)
    return float(text) if parameter.type is ParameterType.DOUBLE else text


def bounds(parameter: SweptParameter) -> tuple[float, float]:
    """Return the least and the greatest value of a double or int, a whole number of steps apart."""
    low, high = _limits(parameter)
    if step_of(parameter) is None:
        return low, high
    return low, float(_at(parameter, count(parameter) - 1))


def step_of(parameter: SweptParameter) -> float | None:
    """Return the distance between two values; None for a double without a step."""
    return 1 if parameter.step is None and parameter.type is ParameterType.INT else parameter.step


def count(parameter: SweptParameter) -> int:
    """Return the number of values. The parameter must be countable: a double needs a step."""
    if parameter.values is not None:
        return len(parameter.values)
    low, high = _limits(parameter)
    return int((_exact(high) - _exact(low)) // _exact(_required(step_of(parameter)))) + 1


def nth(parameter: SweptParameter, index: int) -> str:
    """Return the text of the value at an index from 0."""
    if parameter.values is not None:
        return parameter.values[index]
    value = _at(parameter, index)
    return str(int(value)) if parameter.type is ParameterType.INT else repr(float(value))


def _at(parameter: SweptParameter, index: int) -> Fraction:
    low, _ = _limits(parameter)
    return _exact(low) + index * _exact(_required(step_of(parameter)))


def _on_step(parameter: SweptParameter, value: float) -> float:
    """Round a value to whole steps in exact fractions: three steps of 0.1 are 0.3."""
    if parameter.step is None:
        return value
    low, _ = _limits(parameter)
    return float(_at(parameter, round((_exact(value) - _exact(low)) / _exact(parameter.step))))


def _limits(parameter: SweptParameter) -> tuple[float, float]:
    low, high = _required(parameter.min), _required(parameter.max)
    return (math.ceil(low), math.floor(high)) if parameter.type is ParameterType.INT else (low, high)


def _exact(value: float) -> Fraction:
    """Return the decimal number that a float is written as."""
    return Fraction(repr(value))


def _required(value: float | None) -> float:
    assert value is not None, "admission requires it"
    return value
