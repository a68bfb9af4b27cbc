"""Validate rows against `spec.schema`: count every violation, and describe the first of each kind in a sentence."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from modelops.api.contract.reports import Violations
from modelops.api.types import Column, ColumnType, Quote, Schema
from modelops.worker.tabular.canonical_text import FALSE, TRUE, canonical_text, canonical_texts
from modelops.worker.tabular.column_values import ColumnValues, ValueKind
from modelops.worker.tabular.readers import Batch
from modelops.worker.tabular.row_locations import RowLocations
from modelops.worker.tabular.uniqueness import RECORDS_IN_MEMORY, Uniqueness

MAX_EXAMPLES = 10
MAX_EXAMPLE_LENGTH = 200
_MAX_COLUMN_LENGTH = 80
_MAX_NAME_LENGTH = 60
_BOOLEANS = pa.array([*TRUE, *FALSE])


class _Predicate(NamedTuple):
    """The kind of a violation, as the end of a sentence about one value or several."""

    singular: str
    plural: str


_NOT_OF_TYPE = {
    ColumnType.NUMBER: _Predicate("is not a number", "are not numbers"),
    ColumnType.INTEGER: _Predicate("is not an integer", "are not integers"),
    ColumnType.STRING: _Predicate("is not a string", "are not strings"),
    ColumnType.BOOLEAN: _Predicate("is neither true nor false", "are neither true nor false"),
}
_MISSING = _Predicate("is missing", "are missing")
_NOT_IN_ENUM = _Predicate("is not in the enum", "are not in the enum")
_DUPLICATE = _Predicate("is a duplicate", "are duplicates")


@dataclass
class _ValueViolations:
    """Violations of one kind in one column."""

    count: int = 0
    first: str = ""


@dataclass
class _ColumnState:
    column: Column
    quote: Quote
    """Which values messages may quote: none of a protected column."""
    allowed: Any = None
    """Arrow array of the enum's canonical texts; None if the column has no enum."""
    uniqueness: Uniqueness | None = None
    rows: int = 0
    violations: dict[_Predicate, _ValueViolations] = field(default_factory=dict)
    seen_in_object: bool = False
    absent_rows: int = 0
    """Rows of the current object before the first row that has the column."""


class SchemaValidator:
    """Validator of batches, one object after the other. Values that must be unique are kept in files in `scratch`."""

    def __init__(self, schema: Schema, scratch: Path) -> None:
        unique = [column.name for column in schema.columns if column.unique]
        self._locations = RowLocations(scratch / "objects") if unique else None
        self._states: list[_ColumnState] = []
        for column in schema.columns:
            state = _ColumnState(column, "None" if column.name in schema.protected else column.quote)
            if column.enum:
                state.allowed = pa.array([canonical_text(value, column.type) for value in column.enum], pa.string())
            if column.unique:
                file = scratch / f"values-{len(self._states)}"
                state.uniqueness = Uniqueness(file, RECORDS_IN_MEMORY // len(unique))
            self._states.append(state)
        self._file_violations = 0
        self._file_examples: list[str] = []

    def add(self, name: str, batch: Batch) -> None:
        """Validate a batch of the object that messages call `name`."""
        locations = self._locations.locate(batch) if self._locations is not None else np.zeros(0)
        for state in self._states:
            values = batch.columns.get(state.column.name)
            if values is not None:
                state.seen_in_object = True
                state.rows += batch.rows
                _validate(state, values, name, batch, locations)
            elif state.seen_in_object:
                state.rows += batch.rows
                _count_missing(state, batch.rows, f"{name} row {batch.row_number(0)}")
            else:
                state.absent_rows += batch.rows

    def end_object(self, name: str) -> None:
        """Finish an object after its last batch.

        A column that no row had is missing in the object. A column that appeared late lacks values in earlier rows.
        """
        for state in self._states:
            if not state.seen_in_object:
                self.add_file_violation(f'column "{_clip(state.column.name, _MAX_COLUMN_LENGTH)}" is missing in {name}')
            elif state.absent_rows:
                state.rows += state.absent_rows
                _count_missing(state, state.absent_rows, f"{name} row 1")
        self._next_object(name)

    def abandon_object(self, name: str) -> None:
        """Finish an object that cannot be read to its end: columns that have not appeared do not count as missing."""
        self._next_object(name)

    def add_file_violation(self, sentence: str, count: int = 1) -> None:
        """Count violations of a file's structure rather than of a value."""
        self._file_violations += count
        if len(self._file_examples) < MAX_EXAMPLES:
            self._file_examples.append(_clip(sentence, MAX_EXAMPLE_LENGTH))

    def result(self) -> Violations | None:
        """Return all violations, None if there are none. Nothing can be added afterwards."""
        for state in self._states:
            self._count_duplicates(state)
        kinds = [
            (state, predicate, violations)
            for state in self._states
            for predicate, violations in state.violations.items()
        ]
        total = self._file_violations + sum(violations.count for _, _, violations in kinds)
        if not total:
            return None
        examples = [*self._file_examples, *(_sentence(*kind) for kind in kinds)]
        return Violations(total=total, examples=examples[:MAX_EXAMPLES])

    def _next_object(self, name: str) -> None:
        if self._locations is not None:
            self._locations.end_object(name)
        for state in self._states:
            state.seen_in_object, state.absent_rows = False, 0

    def _count_duplicates(self, state: _ColumnState) -> None:
        duplicates = state.uniqueness.finish() if state.uniqueness is not None else None
        if duplicates is not None and self._locations is not None:
            first, original = self._locations.describe(duplicates.first), self._locations.describe(duplicates.original)
            _count(state, _DUPLICATE, duplicates.repeated, f"{first}, as in {original}")


def display_name(key: str) -> str:
    """Return an object's key as messages show it; of a long key only the end."""
    return key if len(key) <= _MAX_NAME_LENGTH else "…" + key[-_MAX_NAME_LENGTH + 1 :]


def _validate(state: _ColumnState, values: ColumnValues, name: str, batch: Batch, locations: np.ndarray) -> None:
    column = state.column
    null = values.kinds == ValueKind.NULL
    fits = _has_type(column.type, values)
    masks = {_NOT_OF_TYPE[column.type]: ~fits & ~null}
    if not column.nullable:
        masks[_MISSING] = null
    if column.min is not None:
        masks[_beyond(f"below min {column.min:g}")] = fits & (values.numbers < column.min)
    if column.max is not None:
        masks[_beyond(f"above max {column.max:g}")] = fits & (values.numbers > column.max)
    if state.allowed is not None or state.uniqueness is not None:
        texts = canonical_texts(values, column.type)
        if state.allowed is not None:
            allowed = pc.is_in(texts, value_set=state.allowed).to_numpy(zero_copy_only=False)
            masks[_NOT_IN_ENUM] = fits & ~allowed
        if state.uniqueness is not None:
            state.uniqueness.add(texts.filter(pa.array(fits)), locations[fits])
    for predicate, violates in masks.items():
        count = int(np.count_nonzero(violates))
        if count:
            first = int(np.argmax(violates))
            _count(state, predicate, count, f"{name} row {batch.row_number(first)}{_quoted(state, values, first)}")


def _quoted(state: _ColumnState, values: ColumnValues, row: int) -> str:
    """Return a value as the end of a sentence, empty where it must not be quoted: text may be about a person.

    A column of numbers can hold text too, for instance where the cells of a row are shifted.
    """
    kind = values.kinds[row]
    is_number = kind == ValueKind.NUMBER and state.column.type is not ColumnType.STRING
    if kind == ValueKind.NULL or state.quote == "None" or (state.quote == "Numbers" and not is_number):
        return ""
    return f": {values.text_at(row)}"


def _has_type(kind: ColumnType, values: ColumnValues) -> np.ndarray:
    """Return which values have the type, as booleans. NULL has none."""
    result: np.ndarray
    if kind is ColumnType.NUMBER:
        result = values.kinds == ValueKind.NUMBER
    elif kind is ColumnType.INTEGER:
        result = (values.kinds == ValueKind.NUMBER) & (np.floor(values.numbers) == values.numbers)
    elif kind is ColumnType.STRING:
        result = values.kinds == ValueKind.TEXT if values.typed else values.kinds != ValueKind.NULL
    elif values.typed:
        result = values.kinds == ValueKind.BOOLEAN
    else:
        normalized = pc.utf8_lower(pc.utf8_trim_whitespace(values.texts()))
        result = pc.is_in(normalized, value_set=_BOOLEANS).to_numpy(zero_copy_only=False)
    return result


def _beyond(bound: str) -> _Predicate:
    return _Predicate(f"is {bound}", f"are {bound}")


def _count_missing(state: _ColumnState, count: int, first: str) -> None:
    if not state.column.nullable:
        _count(state, _MISSING, count, first)


def _count(state: _ColumnState, predicate: _Predicate, count: int, first: str) -> None:
    violations = state.violations.setdefault(predicate, _ValueViolations(first=first))
    violations.count += count


def _sentence(state: _ColumnState, predicate: _Predicate, violations: _ValueViolations) -> str:
    wording = predicate.singular if violations.count == 1 else predicate.plural
    column = _clip(state.column.name, _MAX_COLUMN_LENGTH)
    return _clip(
        f'column "{column}": {violations.count} of {state.rows} values {wording} (first in {violations.first})',
        MAX_EXAMPLE_LENGTH,
    )


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
