"""What a snapshot's columns hold, in numbers: the baseline that drift is measured against later.

A numeric column has `edges`, frozen: bin i of `counts` holds the values v with edges[i-1] <= v < edges[i], the first
one everything below edges[0] and the last one everything from edges[-1] on: `bisect_right(edges, v)` is a value's bin.
`std` is that of the population. A categorical column has its most frequent `values`, and the count of all `other`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelops.api.checks import DataCheck
from modelops.api.types import ColumnType, Schema
from modelops.worker.quality.bias import Groups
from modelops.worker.quality.distributions import Numbers, Values
from modelops.worker.tabular.canonical_text import NUMERIC, texts
from modelops.worker.tabular.column_values import Cells, Kind
from modelops.worker.tabular.readers import Batch

SCHEMA_VERSION = 2


class Profile:
    """Takes in batches; tells the profile in the end. Memory grows with the number of columns, not of rows.

    `checks` say what must be counted beyond what every profile has.
    """

    def __init__(self, schema: Schema | None = None, checks: Sequence[DataCheck] = ()) -> None:
        self.rows = 0
        self.declared = {column.name: column.type for column in schema.columns} if schema else {}
        self.groups = Groups(schema, self.declared, checks) if schema and schema.protected else None
        self._listed = {check.column for check in checks if check.allowed_values is not None}
        self._columns: dict[str, ColumnProfile] = {}

    def add(self, batch: Batch) -> None:
        """Take in a batch."""
        self.rows += batch.rows
        for name, cells in batch.columns.items():
            if name not in self._columns:
                self._columns[name] = ColumnProfile(self.declared.get(name), by_value=name in self._listed)
            self._columns[name].add(cells)
        if self.groups is not None:
            self.groups.add(batch)

    @property
    def columns(self) -> Mapping[str, "ColumnProfile"]:
        """Every column that was in any batch."""
        return self._columns

    def document(self, digest: str, format_type: str) -> dict[str, Any]:
        """The profile as JSON."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "digest": digest,
            "format": format_type,
            "rows": self.rows,
            "columns": [{"name": name, **column.document(self.rows)} for name, column in self._columns.items()],
            **({"bias": self.groups.document()} if self.groups is not None else {}),
        }


class ColumnProfile:
    """One column. Without a declared type, it is numeric if every value that is there is a number.

    `by_value`: count its values one by one even if it is numeric.
    """

    def __init__(self, declared: ColumnType | None, *, by_value: bool) -> None:
        self._declared = declared
        self._kinds = np.zeros(len(Kind), np.int64)
        self.numbers = Numbers() if declared is None or declared in NUMERIC else None
        """Absent where the column is declared to be something else."""
        self.values = Values() if declared not in NUMERIC or by_value else None
        """Absent where the column is declared numeric and nobody asks for its values."""

    def add(self, cells: Cells) -> None:
        """Take in the column's part of a batch."""
        self._kinds += np.bincount(cells.kinds, minlength=len(Kind))
        if self.numbers is not None:
            self.numbers.add(cells.numbers[cells.kinds == Kind.NUMBER])
        if self.values is not None:
            self.values.add(texts(cells, self._declared))

    @property
    def there(self) -> int:
        """How many values are not missing, whatever they are."""
        return int(self._kinds.sum() - self._kinds[Kind.NULL])

    @property
    def told(self) -> Numbers | Values:
        """What the profile tells of the column: its numbers where it is numeric, else its values."""
        told = self.numbers if self._type in NUMERIC else self.values
        assert told is not None, "what a column is told by is always counted"
        return told

    def document(self, rows: int) -> dict[str, Any]:
        """The column's part of the profile of so many rows."""
        return {
            "type": self._type.value,
            "count": self.told.count,
            "nulls": rows - self.there,
            "distinct": self.told.distinct,
            **self.told.document(),
        }

    @property
    def _type(self) -> ColumnType:
        if self._declared is not None:
            return self._declared
        if self._kinds[Kind.NUMBER] and not self._kinds[Kind.TEXT] and not self._kinds[Kind.BOOLEAN]:
            return ColumnType.NUMBER
        if self._kinds[Kind.BOOLEAN] == self.there > 0:
            return ColumnType.BOOLEAN
        return ColumnType.STRING
