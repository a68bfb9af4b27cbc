"""Does a snapshot look like its schema says? Counts every violation, and tells the first of each sort in a sentence."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from modelops.api.contract.reports import Violations
from modelops.api.types import Column, ColumnType
from modelops.worker.tabular.canonical_text import FALSE, TRUE, text, texts
from modelops.worker.tabular.column_values import Cells, Kind
from modelops.worker.tabular.readers import Batch
from modelops.worker.tabular.row_locations import Positions
from modelops.worker.tabular.uniqueness import RECORDS_IN_MEMORY, Uniqueness

MOST_EXAMPLES = 10
LONGEST_EXAMPLE = 200
_BOOLEANS = pa.array([*TRUE, *FALSE])
_NOT_OF_TYPE = {
    ColumnType.NUMBER: "no number",
    ColumnType.INTEGER: "no integer",
    ColumnType.STRING: "no text",
    ColumnType.BOOLEAN: "neither true nor false",
}


@dataclass
class _Sort:
    """One sort of violation in one column."""

    count: int = 0
    first: str = ""


@dataclass
class _ColumnState:
    column: Column
    allowed: Any = None
    """An Arrow array of the enum; None where there is none."""
    uniqueness: Uniqueness | None = None
    values: int = 0
    sorts: dict[str, _Sort] = field(default_factory=dict)
    seen_in_object: bool = False
    absent: int = 0
    """Rows of the current object so far in which the column has not been seen at all."""


class SchemaCheck:
    """Takes in the batches of one object after the other. What must be unique is kept in files in `scratch`."""

    def __init__(self, columns: list[Column], scratch: Path) -> None:
        unique = [column.name for column in columns if column.unique]
        self._positions = Positions(scratch / "objects") if unique else None
        self._states: list[_ColumnState] = []
        for column in columns:
            state = _ColumnState(column)
            if column.enum:
                state.allowed = pa.array([text(one, column.type) for one in column.enum], pa.string())
            if column.unique:
                file = scratch / f"values-{len(self._states)}"
                state.uniqueness = Uniqueness(file, RECORDS_IN_MEMORY // len(unique))
            self._states.append(state)
        self._structural = 0
        self._structural_examples: list[str] = []

    def add(self, name: str, batch: Batch) -> None:
        """Check a batch of the object that people know as `name`."""
        positions = self._positions.of(batch) if self._positions is not None else np.zeros(0)
        for state in self._states:
            cells = batch.columns.get(state.column.name)
            if cells is not None:
                state.seen_in_object = True
                state.values += batch.rows
                _check(state, cells, name, batch, positions)
            elif state.seen_in_object:
                state.values += batch.rows
                _missing(state, batch.rows, f"{name} row {batch.row_number(0)}")
            else:
                state.absent += batch.rows

    def end_object(self, name: str) -> None:
        """All batches of an object were added: a column never seen in it is missing; one seen late lacked values."""
        for state in self._states:
            if not state.seen_in_object:
                self.structural(f'column "{_clip(state.column.name, 80)}" is missing in {name}')
            elif state.absent:
                state.values += state.absent
                _missing(state, state.absent, f"{name} row 1")
        self._next_object(name)

    def give_up_object(self, name: str) -> None:
        """The object could not be read to its end: say nothing about columns that might have come."""
        self._next_object(name)

    def structural(self, sentence: str, count: int = 1) -> None:
        """Count something that is wrong with a file rather than with a value."""
        self._structural += count
        if len(self._structural_examples) < MOST_EXAMPLES:
            self._structural_examples.append(_clip(sentence, LONGEST_EXAMPLE))

    def result(self) -> Violations | None:
        """Everything that is wrong; None where nothing is. Nothing can be added any more."""
        for state in self._states:
            self._count_duplicates(state)
        found = [(state, what, sort) for state in self._states for what, sort in state.sorts.items()]
        total = self._structural + sum(sort.count for _, _, sort in found)
        if not total:
            return None
        examples = [*self._structural_examples, *(_sentence(state, what, sort) for state, what, sort in found)]
        return Violations(total=total, examples=examples[:MOST_EXAMPLES])

    def _next_object(self, name: str) -> None:
        if self._positions is not None:
            self._positions.end_object(name)
        for state in self._states:
            state.seen_in_object, state.absent = False, 0

    def _count_duplicates(self, state: _ColumnState) -> None:
        found = state.uniqueness.finish() if state.uniqueness is not None else None
        if found is not None and self._positions is not None:
            first, before = self._positions.told(found.first), self._positions.told(found.before)
            _count(state, "{are} there already", found.repeated, f"{first}, as in {before}")


def short_name(key: str) -> str:
    """An object's key as messages show it: its end, where it is long."""
    return key if len(key) <= 60 else "…" + key[-59:]


def _check(state: _ColumnState, cells: Cells, name: str, batch: Batch, positions: np.ndarray) -> None:
    column = state.column
    null = cells.kinds == Kind.NULL
    fits = _fits(column.type, cells)
    found = {f"{{are}} {_NOT_OF_TYPE[column.type]}": ~fits & ~null}
    if not column.nullable:
        found["{are} missing"] = null
    if column.min is not None:
        found[f"{{are}} below min {column.min:g}"] = fits & (cells.numbers < column.min)
    if column.max is not None:
        found[f"{{are}} above max {column.max:g}"] = fits & (cells.numbers > column.max)
    if state.allowed is not None or state.uniqueness is not None:
        values = texts(cells, column.type)
        if state.allowed is not None:
            allowed = pc.is_in(values, value_set=state.allowed).to_numpy(zero_copy_only=False)
            found["{are} not in the enum"] = fits & ~allowed
        if state.uniqueness is not None:
            state.uniqueness.add(values.filter(pa.array(fits)), positions[fits])
    for what, wrong in found.items():
        count = int(np.count_nonzero(wrong))
        if count:
            first = int(np.argmax(wrong))
            value = "" if null[first] else f": {cells.text_at(first)}"
            _count(state, what, count, f"{name} row {batch.row_number(first)}{value}")


def _fits(kind: ColumnType, cells: Cells) -> np.ndarray:
    """Which values are of the type. NULL is of none."""
    if kind is ColumnType.NUMBER:
        return cells.kinds == Kind.NUMBER
    if kind is ColumnType.INTEGER:
        return (cells.kinds == Kind.NUMBER) & (np.floor(cells.numbers) == cells.numbers)
    if kind is ColumnType.STRING:
        return cells.kinds == Kind.TEXT if cells.typed else cells.kinds != Kind.NULL
    if cells.typed:
        return cells.kinds == Kind.BOOLEAN
    spelled = pc.utf8_lower(pc.utf8_trim_whitespace(cells.texts()))
    return pc.is_in(spelled, value_set=_BOOLEANS).to_numpy(zero_copy_only=False)


def _missing(state: _ColumnState, count: int, first: str) -> None:
    if not state.column.nullable:
        _count(state, "{are} missing", count, first)


def _count(state: _ColumnState, what: str, count: int, first: str) -> None:
    sort = state.sorts.setdefault(what, _Sort(first=first))
    sort.count += count


def _sentence(state: _ColumnState, what: str, sort: _Sort) -> str:
    found = what.format(are="is" if sort.count == 1 else "are")
    column = _clip(state.column.name, 80)
    return _clip(
        f'column "{column}": {sort.count} of {state.values} values {found} (first in {sort.first})', LONGEST_EXAMPLE
    )


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
