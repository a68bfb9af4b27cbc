"""Bias in a snapshot: how the labels of each group of a protected column differ from those of all others.

Groups and labels are counted exactly, in memory of a fixed size: the first MOST_GROUPS groups and MOST_LABELS labels
have counts of their own, further ones share one (`other`). The figures of a group that has its own are exact still,
but for the divergences once labels share a count: then they are lower bounds. Groups that a check names and positive
labels always have their own. Rows whose protected value is missing are in no group; rows whose label is missing count
for the class imbalance only.
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
from modelops.worker.tabular.canonical_text import shortened, text, texts
from modelops.worker.tabular.readers import Batch

MOST_GROUPS = 100
MOST_LABELS = 100
_OTHER, _MISSING = -2, -1
"""The last two places of every count."""


class Measured(NamedTuple):
    """A metric of each group of a column; None where there is nothing to compare. `whole`: no group is left out."""

    by_group: dict[str, float | None]
    whole: bool


class Groups:
    """Counts the labels of each group of each protected column."""

    def __init__(self, schema: Schema, declared: Mapping[ColumnName, ColumnType], checks: Sequence[DataCheck]) -> None:
        self._declared = declared
        self._label = schema.label.column if schema.label else None
        positive = schema.label.positive if schema.label else []
        of_label = declared.get(self._label) if self._label is not None else None
        self._positive = list(dict.fromkeys(text(one, of_label) for one in positive))
        self._labels = _Places(MOST_LABELS, self._positive)
        self._columns = {name: _Counts(_Places(MOST_GROUPS, self._named(name, checks))) for name in schema.protected}

    def add(self, batch: Batch) -> None:
        """Take in a batch."""
        labels = self._places_of(batch, self._label, self._labels)
        for name, counts in self._columns.items():
            counts.add(self._places_of(batch, name, counts.groups), labels)

    def measured(self, column: str, metric: BiasMetric) -> Measured:
        """A metric of every group."""
        counts = self._columns.get(column)
        if counts is None:
            return Measured({}, False)
        by_group = {group: self._metrics(counts, place).get(metric) for group, place in counts.present()}
        return Measured(by_group, not counts.table[_OTHER].any())

    def document(self) -> dict[str, Any]:
        """What the profile says of bias."""
        columns = [self._column(name, counts) for name, counts in self._columns.items()]
        return {"columns": columns} if self._label is None else {"label": self._of_label(), "columns": columns}

    def _of_label(self) -> dict[str, Any]:
        # Every column counts the same rows.
        by_label = next(iter(self._columns.values())).table.sum(axis=0)
        return {
            "column": self._label,
            "positive": self._positive,
            "nulls": int(by_label[_MISSING]),
            "values": _counted(by_label, self._labels),
            "other": int(by_label[_OTHER]),
        }

    def _column(self, name: str, counts: "_Counts") -> dict[str, Any]:
        by_group = counts.table.sum(axis=1)
        groups = []
        for group, place in counts.present():
            metrics = {metric.value: value for metric, value in self._metrics(counts, place).items()}
            told: dict[str, Any] = {"value": group, "count": int(by_group[place]), "bias": metrics}
            if self._label is not None:
                told["labels"] = _counted(counts.table[place], self._labels)
            groups.append(told)
        return {"name": name, "nulls": int(by_group[_MISSING]), "groups": groups, "other": int(by_group[_OTHER])}

    def _metrics(self, counts: "_Counts", place: int) -> dict[BiasMetric, float | None]:
        in_groups = counts.table[:_MISSING].sum(axis=0)
        group, others = counts.table[place], in_groups - counts.table[place]
        metrics = {BiasMetric.CLASS_IMBALANCE: class_imbalance(int(others.sum()), int(group.sum()))}
        if self._label is None:
            return metrics
        mine, theirs = group[:_MISSING].tolist(), others[:_MISSING].tolist()
        if self._positive:
            good = len(self._positive)
            metrics[BiasMetric.LABEL_PROPORTIONS] = (
                difference_in_proportions_of_labels(sum(theirs[:good]), sum(theirs), sum(mine[:good]), sum(mine))
                if in_groups[:good].any()
                # No row is favourable: a misspelt value must not look like equality.
                else None
            )
        metrics[BiasMetric.KL_DIVERGENCE] = kl_divergence(theirs, mine)
        metrics[BiasMetric.JS_DIVERGENCE] = js_divergence(theirs, mine)
        return metrics

    def _places_of(self, batch: Batch, column: str | None, places: "_Places") -> np.ndarray:
        if column is None or column not in batch.columns:
            return np.full(batch.rows, places.width + _MISSING)
        return places.of(texts(batch.columns[column], self._declared.get(column)))

    def _named(self, column: str, checks: Sequence[DataCheck]) -> list[str]:
        named = [check.bias.group for check in checks if check.column == column and check.bias is not None]
        return [text(group, self._declared.get(column)) for group in named if group is not None]


class _Places:
    """Gives each different value a place, the reserved ones first; the last two are for others and for missing ones."""

    def __init__(self, most: int, reserved: Iterable[str]) -> None:
        self.width = most + 2
        self.taken: dict[str, int] = {}
        self._most = most
        for value in reserved:
            self._place(value)

    def of(self, column: Any) -> np.ndarray:
        """The place of each value of an Arrow array of strings."""
        encoded = pc.dictionary_encode(shortened(column))
        places = [self._place(value) for value in encoded.dictionary.to_pylist()]
        indices = pc.fill_null(encoded.indices, len(places)).to_numpy(zero_copy_only=False)
        return np.array([*places, self.width + _MISSING])[indices]

    def _place(self, value: str) -> int:
        if value not in self.taken and len(self.taken) < self._most:
            self.taken[value] = len(self.taken)
        return self.taken.get(value, self.width + _OTHER)


class _Counts:
    """One protected column: how many rows there are of each group and label."""

    def __init__(self, groups: _Places) -> None:
        self.groups = groups
        self.table = np.zeros((groups.width, MOST_LABELS + 2), np.int64)

    def add(self, groups: np.ndarray, labels: np.ndarray) -> None:
        flat = np.bincount(groups * self.table.shape[1] + labels, minlength=self.table.size)
        self.table += flat.reshape(self.table.shape)

    def present(self) -> list[tuple[str, int]]:
        """The groups that have rows, in order of their names, and their places."""
        return sorted((group, place) for group, place in self.groups.taken.items() if self.table[place].any())


def _counted(counts: np.ndarray, places: _Places) -> list[dict[str, Any]]:
    found = ((value, int(counts[place])) for value, place in places.taken.items())
    return [{"value": value, "count": count} for value, count in sorted(found) if count]
