"""Quantities as the API server writes them back, so that an applied object equals the stored one. Pure.

The rules are those of Kubernetes' `resource.Quantity`
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/): no fraction, and the largest suffix
that loses no precision.
"""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Any

_QUANTITY = re.compile(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d{1,2})?$")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS = {suffix: power for power, suffix in _DECIMAL.items()}


def canonical(quantity: str | int) -> str:
    """Return a quantity in canonical form. Any other text is returned as it is, for the API server to reject."""
    parsed = _parse(quantity)
    if parsed is None:
        return str(quantity).strip()
    number, suffix = parsed
    value = _value(number, suffix)
    if suffix in _BINARY[1:] and abs(value) >= 1024:
        return _binary(value)
    if suffix in _POWERS or suffix in _BINARY:
        return _decimal(value, _DECIMAL)
    exponents = {power: f"e{power}" if power else "" for power in _DECIMAL}
    return _decimal(value, exponents)


def to_integer(quantity: str | int) -> int:
    """Return a quantity as a whole number, rounded up.

    Raises ValueError for any other text.
    """
    parsed = _parse(quantity)
    if parsed is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    return _round_up(_value(*parsed))


def greatest(*quantities: str | int) -> str | int:
    """Return the greatest quantity, or any other text, for the API server to reject."""
    others = [quantity for quantity in quantities if _parse(quantity) is None]
    return others[0] if others else max(quantities, key=to_integer)


def canonical_resources(resources: dict[str, Any]) -> dict[str, Any]:
    """Return a container's requests and limits with canonical quantities."""
    return {
        part: {name: canonical(quantity) for name, quantity in quantities.items()}
        for part, quantities in resources.items()
    }


def _parse(quantity: str | int) -> tuple[Decimal, str] | None:
    """Return number and suffix; None for text that is not a quantity."""
    match = _QUANTITY.match(str(quantity).strip())
    return (Decimal(match[1]), match[2] or "") if match is not None else None


def _value(number: Decimal, suffix: str) -> Decimal:
    if suffix in _BINARY[1:]:
        return number * Decimal(1024) ** _BINARY.index(suffix)
    return number.scaleb(_POWERS[suffix] if suffix in _POWERS else int(suffix[1:]))


def _round_up(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING))


def _binary(number: Decimal) -> str:
    whole = _round_up(number)
    power = 0
    while whole % 1024 == 0 and power < len(_BINARY) - 1:
        whole //= 1024
        power += 1
    return f"{whole}{_BINARY[power]}"


def _decimal(number: Decimal, suffixes: dict[int, str]) -> str:
    nanos = _round_up(number.scaleb(9))
    if nanos == 0:
        return "0"
    power = -9
    while nanos % 1000 == 0 and power < max(suffixes):
        nanos //= 1000
        power += 3
    return f"{nanos}{suffixes[power]}"
