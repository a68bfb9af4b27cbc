"""Profile of a snapshot: the distribution of each column, and the baseline that later snapshots are compared with.

A numeric column has frozen `edges`: bin i of `counts` holds the values v with edges[i-1] <= v < edges[i], the first bin
everything below edges[0] and the last bin everything from edges[-1] on. So `bisect_right(edges, v)` is a value's bin.
`std` is the population standard deviation. A categorical column has its most frequent `values`, and the count of all
`other` values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelops.api.checks import DataCheck
from modelops.api.types import ColumnType, Schema
from modelops.worker.quality.bias import FacetCounts
from modelops.worker.quality.distributions import CategoricalDistribution, NumericDistribution
from modelops.worker.tabular.canonical_text import NUMERIC, canonical_texts
from modelops.worker.tabular.column_values import ColumnValues, ValueKind
from modelops.worker.tabular.readers import Batch

SCHEMA_VERSION = 2


class Profile:
    """Profile that is built batch by batch. Memory grows with the number of columns, not with the rows.

    `checks` decide what is counted beyond what every profile has.
    """

    def __init__(self, schema: Schema | None = None, checks: Sequence[DataCheck] = ()) -> None:
        self.rows = 0
        self.declared = {column.name: column.type for column in schema.columns} if schema else {}
        self.facets = FacetCounts(schema, self.declared, checks) if schema and schema.protected else None
        """None if the schema has no protected columns."""
        self._listed = {check.column for check in checks if check.allowed_values is not None}
        self._columns: dict[str, ColumnProfile] = {}

    def add(self, batch: Batch) -> None:
        """Add the rows of a batch."""
        self.rows += batch.rows
        for name, values in batch.columns.items():
            if name not in self._columns:
                self._columns[name] = ColumnProfile(self.declared.get(name), count_values=name in self._listed)
            self._columns[name].add(values)
        if self.facets is not None:
            self.facets.add(batch)

    @property
    def columns(self) -> Mapping[str, "ColumnProfile"]:
        """Columns of all batches, by name."""
        return self._columns

    def document(self, digest: str, format_type: str) -> dict[str, Any]:
        """Build the JSON object that is stored. `digest` is the snapshot's."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "digest": digest,
            "format": format_type,
            "rows": self.rows,
            "columns": [{"name": name, **column.document(self.rows)} for name, column in self._columns.items()],
            **({"bias": self.facets.document()} if self.facets is not None else {}),
        }


class ColumnProfile:
    """Profile of one column. Without a declared type, a column is numeric if every value that is present is a number.

    `count_values`: count each value, also in a column that is declared numeric.
    """

    def __init__(self, declared: ColumnType | None, *, count_values: bool) -> None:
        self._declared = declared
        self._kinds = np.zeros(len(ValueKind), np.int64)
        self.numeric = NumericDistribution() if declared is None or declared in NUMERIC else None
        """None if the column is declared with another type."""
        self.categorical = CategoricalDistribution() if declared not in NUMERIC or count_values else None
        """None if the column is declared numeric, and no check needs its values."""

    def add(self, values: ColumnValues) -> None:
        """Add the column's values of a batch."""
        self._kinds += np.bincount(values.kinds, minlength=len(ValueKind))
        if self.numeric is not None:
            self.numeric.add(values.numbers[values.kinds == ValueKind.NUMBER])
        if self.categorical is not None:
            self.categorical.add(canonical_texts(values, self._declared))

    @property
    def present(self) -> int:
        """Number of values that are not missing, of whatever kind."""
        return int(self._kinds.sum() - self._kinds[ValueKind.NULL])

    @property
    def distribution(self) -> NumericDistribution | CategoricalDistribution:
        """Distribution that the profile shows: numeric for a numeric column, else categorical."""
        distribution = self.numeric if self._type in NUMERIC else self.categorical
        assert distribution is not None, "the distribution of a column's own type is always counted"
        return distribution

    def document(self, rows: int) -> dict[str, Any]:
        """Build the column's entry of a profile of `rows` rows."""
        return {
            "type": self._type.value,
            "count": self.distribution.count,
            "nulls": rows - self.present,
            "distinct": self.distribution.distinct,
            **self.distribution.document(),
        }

    @property
    def _type(self) -> ColumnType:
        if self._declared is not None:
            return self._declared
        if self._kinds[ValueKind.NUMBER] and not self._kinds[ValueKind.TEXT] and not self._kinds[ValueKind.BOOLEAN]:
            return ColumnType.NUMBER
        if self._kinds[ValueKind.BOOLEAN] == self.present > 0:
            return ColumnType.BOOLEAN
        return ColumnType.STRING
