"""Figures, printed as a table and written to build/bench.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.cluster import places

RESULT = places.CHECKOUT / "build" / "bench.json"


@dataclass(frozen=True)
class Figure:
    """Measured value, with its target as text."""

    name: str
    value: float
    unit: str
    target: str


def keep(figures: list[Figure], file: Path = RESULT) -> None:
    """Write the figures to a file, in place of older figures of the same names."""
    file.parent.mkdir(exist_ok=True)
    before = json.loads(file.read_text()) if file.exists() else []
    new = {figure.name: asdict(figure) for figure in figures}
    file.write_text(
        json.dumps([*(figure for figure in before if figure["name"] not in new), *new.values()], indent=1) + "\n"
    )


def table(figures: list[Figure]) -> str:
    """Return a text with a line for each figure, in aligned columns."""
    rows = [("name", "value", "unit", "target")]
    rows += [(figure.name, _shown(figure.value), figure.unit, figure.target) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _shown(value: float) -> str:
    decimals = 2 if abs(value) >= 1 else 4
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".")
