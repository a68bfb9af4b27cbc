"""Checks on a whole snapshot: what its rows, its columns, its change and its bias must be."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from modelops.api.base import Model
from modelops.api.markers import Rule, list_set, rules
from modelops.api.types import CellText, ColumnName, DurationText, OnViolation

_OF_A_COLUMN = ("completeness", "distinctShare", "allowedValues", "drift", "bias")
_OF_ALL = ("rows", "rowsChange", "freshWithin")


def _bounded(what: str) -> tuple[Rule, Rule]:
    return (
        ("has(self.min) || has(self.max)", f"{what} needs a bound: set min, max or both"),
        ("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max"),
    )


class RowBounds(Model):
    """How many rows there may be."""

    model_config = rules(*_bounded("rows"))

    min: Annotated[int, Field(ge=0)] | None = None
    """The fewest."""
    max: Annotated[int, Field(ge=0)] | None = None
    """The most."""


class ChangeBounds(Model):
    """How much a number may change, relative to what it was: -0.1 is a tenth less, 0.5 is half as much again."""

    model_config = rules(*_bounded("rowsChange"))

    min: Annotated[float, Field(ge=-1)] | None = None
    """The greatest loss, such as -0.1."""
    max: float | None = None
    """The greatest growth, such as 0.5."""


class ShareBounds(Model):
    """Which share there may be, from 0 to 1."""

    model_config = rules(*_bounded("a share"))

    min: Annotated[float, Field(ge=0, le=1)] | None = None
    """The least."""
    max: Annotated[float, Field(ge=0, le=1)] | None = None
    """The greatest."""


class DriftMetric(StrEnum):
    """How far two distributions are from each other."""

    PSI = "PSI"
    JENSEN_SHANNON = "JensenShannon"


class DriftBound(Model):
    """How far a column's distribution may be from that of the current snapshot."""

    metric: DriftMetric = DriftMetric.PSI
    """PSI: the population stability index; below 0.1 is little, above 0.2 much. JensenShannon: the Jensen-Shannon
    distance with logarithms to base 2, from 0 (the same) to 1 (nothing in common)."""
    max: Annotated[float, Field(gt=0)]
    """The greatest distance."""


class BiasMetric(StrEnum):
    """A measure of bias in data before training, as SageMaker Clarify defines it."""

    CLASS_IMBALANCE = "ClassImbalance"
    LABEL_PROPORTIONS = "DifferenceInProportionsOfLabels"
    KL_DIVERGENCE = "KLDivergence"
    JS_DIVERGENCE = "JSDivergence"


class BiasBound(Model):
    """How much bias there may be in a protected column."""

    model_config = rules(*_bounded("bias"))

    metric: BiasMetric
    """ClassImbalance: how many more rows the others have than the group, from -1 to 1. DifferenceInProportionsOfLabels:
    how much greater the share of positive labels is among the others, from -1 to 1. KLDivergence, JSDivergence: how far
    the distribution of labels among the others is from that in the group, in nats."""
    group: CellText | None = None
    """The value of the column whose group is meant. Absent: every group must keep the bound."""
    min: float | None = None
    """The least value."""
    max: float | None = None
    """The greatest value."""


class DataCheck(Model):
    """One thing that a snapshot must keep. Set exactly one of the fields beside column and onViolation."""

    model_config = rules(
        (
            f"[{', '.join(f'has(self.{name})' for name in (*_OF_ALL, *_OF_A_COLUMN))}].filter(x, x).size() == 1",
            f"set exactly one of {', '.join((*_OF_ALL, *_OF_A_COLUMN))}",
        ),
        (
            f"has(self.column) == ({' || '.join(f'has(self.{name})' for name in _OF_A_COLUMN)})",
            f"column goes with {', '.join(_OF_A_COLUMN)}, and with nothing else",
        ),
        (
            "!has(self.freshWithin) || !self.freshWithin.matches('^([0-9]{1,5}([.][0-9]{1,3})?(ms|s|m|h))+$')"
            " || duration(self.freshWithin) >= duration('1s')",
            "freshWithin must be at least 1s",
        ),
    )

    column: ColumnName | None = None
    """The column that is checked."""
    rows: RowBounds | None = None
    """How many rows there are."""
    rows_change: ChangeBounds | None = None
    """How much the number of rows has changed since the current snapshot. Passed where there is none."""
    fresh_within: DurationText | None = None
    """How long ago the newest object was written, such as 24h. A snapshot that grows older shows Fresh=False."""
    completeness: ShareBounds | None = None
    """Which share of the column's values is there."""
    distinct_share: ShareBounds | None = None
    """How many different values the column has, as a share of all that are there."""
    allowed_values: Annotated[list[CellText], Field(min_length=1, max_length=100), list_set()] | None = None
    """The only values that the column may have, as text."""
    drift: DriftBound | None = None
    """How far the column has drifted from the current snapshot. Passed where there is none."""
    bias: BiasBound | None = None
    """How much bias there is in the column, which must be in schema.protected."""
    on_violation: OnViolation = "Reject"
    """Reject: data that is not so does not become current. Warn: it does, and the condition Valid says so."""


class DataCheckResult(Model):
    """What a check found, at the place of the check in spec.checks."""

    value: float | None = None
    """What was measured; of several groups the worst. Absent: there was nothing to measure."""
    outcome: Literal["Passed", "Failed", "Skipped"]
    """Passed, Failed, or Skipped: there is no snapshot to compare with."""
