"""Quantities as the API server writes them back, so that what is applied equals what is found. Pure.

The rules are those of Kubernetes' `resource.Quantity`: no fraction, and the largest suffix that loses nothing.
"""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Any

_QUANTITY = re.compile(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d{1,2})?$")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS = {suffix: power for power, suffix in _DECIMAL.items()}


def canonical(quantity: str | int) -> str:
    """A quantity in canonical form. What is none stays, for the API server to refuse."""
    text = str(quantity).strip()
    match = _QUANTITY.match(text)
    if match is None:
        return text
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY[1:]:
        bytes_ = number * 1024 ** _BINARY.index(suffix)
        return _binary(bytes_) if abs(bytes_) >= 1024 else _decimal(bytes_, _DECIMAL)
    if suffix in _POWERS:
        return _decimal(number.scaleb(_POWERS[suffix]), _DECIMAL)
    exponents = {power: f"e{power}" if power else "" for power in _DECIMAL}
    return _decimal(number.scaleb(int(suffix[1:])), exponents)


def whole(quantity: str | int) -> int:
    """A quantity as a number, rounded up. Raises ValueError for what is none."""
    match = _QUANTITY.match(str(quantity).strip())
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY[1:]:
        number *= 1024 ** _BINARY.index(suffix)
    elif suffix in _POWERS:
        number = number.scaleb(_POWERS[suffix])
    else:
        number = number.scaleb(int(suffix[1:]))
    return int(number.to_integral_value(ROUND_CEILING))


def canonical_resources(resources: dict[str, Any]) -> dict[str, Any]:
    """The same for a container's requests and limits."""
    return {
        part: {name: canonical(quantity) for name, quantity in quantities.items()}
        for part, quantities in resources.items()
    }


def _binary(bytes_: Decimal) -> str:
    whole = int(bytes_.to_integral_value(ROUND_CEILING))
    power = 0
    while whole % 1024 == 0 and power < len(_BINARY) - 1:
        whole //= 1024
        power += 1
    return f"{whole}{_BINARY[power]}"


def _decimal(number: Decimal, suffixes: dict[int, str]) -> str:
    nanos = int(number.scaleb(9).to_integral_value(ROUND_CEILING))
    if nanos == 0:
        return "0"
    power = -9
    while nanos % 1000 == 0 and power < max(suffixes):
        nanos //= 1000
        power += 3
    return f"{nanos}{suffixes[power]}"
