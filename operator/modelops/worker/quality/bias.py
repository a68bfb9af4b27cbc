"""Bias in a snapshot: how the labels of each group of a protected column differ from the labels of all other groups.

A protected column is what Amazon SageMaker Clarify calls a facet; the metrics are Clarify's pre-training metrics.

Groups and labels are counted exactly, in memory of a fixed size. The first MAX_GROUPS groups and MAX_LABELS labels have
a count each; all further ones share one count (`other`). The metrics of a group that has a count are exact, with one
exception: once labels share a count, the divergences are lower bounds. Groups that a check names and positive labels
always have a count. A row whose protected value is missing is in no group. A row whose label is missing counts for the
class imbalance only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc  # type: ignore[import-untyped]

from modelops.api.checks import BiasMetric, DataCheck
from modelops.api.types import ColumnName, ColumnType, Schema
from modelops.stats.bias import (
    class_imbalance,
    difference_in_proportions_of_labels,
    js_divergence,
    kl_divergence,
)
from modelops.worker.tabular.canonical_text import canonical_text, canonical_texts, truncate
from modelops.worker.tabular.readers import Batch

MAX_GROUPS = 100
MAX_LABELS = 100
_OTHER, _MISSING = -2, -1
"""The last two indices of every axis of a table of counts."""


class FacetMetrics(NamedTuple):
    """One metric for each group of a column, None where nothing can be compared. `complete`: no group is left out."""

    by_group: dict[str, float | None]
    complete: bool


class FacetCounts:
    """Rows by group and label, counted for each protected column."""

    def __init__(self, schema: Schema, declared: Mapping[ColumnName, ColumnType], checks: Sequence[DataCheck]) -> None:
        self._declared = declared
        self._label = schema.label.column if schema.label else None
        positive = schema.label.positive if schema.label else []
        label_type = declared.get(self._label) if self._label is not None else None
        self._positive = list(dict.fromkeys(canonical_text(value, label_type) for value in positive))
        self._labels = _Axis(MAX_LABELS, self._positive)
        self._tables = {
            name: _Table(_Axis(MAX_GROUPS, self._groups_of_checks(name, checks))) for name in schema.protected
        }

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch."""
        labels = self._indices(batch, self._label, self._labels)
        for name, table in self._tables.items():
            table.add(self._indices(batch, name, table.groups), labels)

    def metrics(self, column: str, metric: BiasMetric) -> FacetMetrics:
        """Compute one metric for every group of a column; no group if the column is not protected."""
        table = self._tables.get(column)
        if table is None:
            return FacetMetrics({}, False)
        by_group = {group: self._metrics(table, index).get(metric) for group, index in table.groups_with_rows()}
        return FacetMetrics(by_group, not table.counts[_OTHER].any())

    def document(self) -> dict[str, Any]:
        """Build the profile's `bias` section."""
        columns = [self._column(name, table) for name, table in self._tables.items()]
        return {"columns": columns} if self._label is None else {"label": self._label_document(), "columns": columns}

    def _label_document(self) -> dict[str, Any]:
        # Every column counts the same rows.
        by_label = next(iter(self._tables.values())).counts.sum(axis=0)
        return {
            "column": self._label,
            "positive": self._positive,
            "nulls": int(by_label[_MISSING]),
            "values": _value_counts(by_label, self._labels),
            "other": int(by_label[_OTHER]),
        }

    def _column(self, name: str, table: "_Table") -> dict[str, Any]:
        by_group = table.counts.sum(axis=1)
        groups = []
        for value, index in table.groups_with_rows():
            metrics = {metric.value: result for metric, result in self._metrics(table, index).items()}
            group: dict[str, Any] = {"value": value, "count": int(by_group[index]), "bias": metrics}
            if self._label is not None:
                group["labels"] = _value_counts(table.counts[index], self._labels)
            groups.append(group)
        return {"name": name, "nulls": int(by_group[_MISSING]), "groups": groups, "other": int(by_group[_OTHER])}

    def _metrics(self, table: "_Table", index: int) -> dict[BiasMetric, float | None]:
        in_groups = table.counts[:_MISSING].sum(axis=0)
        group, others = table.counts[index], in_groups - table.counts[index]
        metrics = {BiasMetric.CLASS_IMBALANCE: class_imbalance(int(others.sum()), int(group.sum()))}
        if self._label is None:
            return metrics
        own, rest = group[:_MISSING].tolist(), others[:_MISSING].tolist()
        if self._positive:
            # Positive labels have the first indices.
            end = len(self._positive)
            metrics[BiasMetric.LABEL_PROPORTIONS] = (
                difference_in_proportions_of_labels(sum(rest[:end]), sum(rest), sum(own[:end]), sum(own))
                if in_groups[:end].any()
                # No row is favourable: a misspelt value must not pass as equality.
                else None
            )
        metrics[BiasMetric.KL_DIVERGENCE] = kl_divergence(rest, own)
        metrics[BiasMetric.JS_DIVERGENCE] = js_divergence(rest, own)
        return metrics

    def _indices(self, batch: Batch, column: str | None, axis: "_Axis") -> np.ndarray:
        if column is None or column not in batch.columns:
            return np.full(batch.rows, axis.width + _MISSING)
        return axis.indices(canonical_texts(batch.columns[column], self._declared.get(column)))

    def _groups_of_checks(self, column: str, checks: Sequence[DataCheck]) -> list[str]:
        groups = [check.bias.group for check in checks if check.column == column and check.bias is not None]
        return [canonical_text(group, self._declared.get(column)) for group in groups if group is not None]


class _Axis:
    """One axis of a table of counts: an index for each value, `reserved` values first, then `other` and `missing`."""

    def __init__(self, most: int, reserved: Iterable[str]) -> None:
        self.width = most + 2
        self.index_by_value: dict[str, int] = {}
        self._most = most
        for value in reserved:
            self._index(value)

    def indices(self, texts: Any) -> np.ndarray:
        """Return the index of each value of an Arrow array of strings."""
        encoded = pc.dictionary_encode(truncate(texts))
        by_code = [self._index(value) for value in encoded.dictionary.to_pylist()]
        codes = pc.fill_null(encoded.indices, len(by_code)).to_numpy(zero_copy_only=False)
        indices: np.ndarray = np.array([*by_code, self.width + _MISSING])[codes]
        return indices

    def _index(self, value: str) -> int:
        if value not in self.index_by_value and len(self.index_by_value) < self._most:
            self.index_by_value[value] = len(self.index_by_value)
        return self.index_by_value.get(value, self.width + _OTHER)


class _Table:
    """Contingency table of one protected column: rows by group (first axis) and label (second axis)."""

    def __init__(self, groups: _Axis) -> None:
        self.groups = groups
        self.counts = np.zeros((groups.width, MAX_LABELS + 2), np.int64)

    def add(self, groups: np.ndarray, labels: np.ndarray) -> None:
        flat = np.bincount(groups * self.counts.shape[1] + labels, minlength=self.counts.size)
        self.counts += flat.reshape(self.counts.shape)

    def groups_with_rows(self) -> list[tuple[str, int]]:
        """Return the groups that have rows, sorted by name, each with its index."""
        return sorted((group, index) for group, index in self.groups.index_by_value.items() if self.counts[index].any())


def _value_counts(counts: np.ndarray, axis: _Axis) -> list[dict[str, Any]]:
    pairs = ((value, int(counts[index])) for value, index in axis.index_by_value.items())
    return [{"value": value, "count": count} for value, count in sorted(pairs) if count]
