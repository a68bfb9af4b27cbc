"""Checks of a snapshot as a whole: bounds on its rows, columns, change and bias."""

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
    """Bounds on the number of rows."""

    model_config = rules(*_bounded("rows"))

    min: Annotated[int, Field(ge=0)] | None = None
    """Least number of rows that passes."""
    max: Annotated[int, Field(ge=0)] | None = None
    """Greatest number of rows that passes."""


class ChangeBounds(Model):
    """Bounds on a relative change: -0.1 is a decrease by 10 percent, 0.5 an increase by 50 percent."""

    model_config = rules(*_bounded("rowsChange"))

    min: Annotated[float, Field(ge=-1)] | None = None
    """Greatest decrease that passes, such as -0.1."""
    max: float | None = None
    """Greatest increase that passes, such as 0.5."""


class ShareBounds(Model):
    """Bounds on a share, from 0 to 1."""

    model_config = rules(*_bounded("a share"))

    min: Annotated[float, Field(ge=0, le=1)] | None = None
    """Least share that passes."""
    max: Annotated[float, Field(ge=0, le=1)] | None = None
    """Greatest share that passes."""


class DriftMetric(StrEnum):
    """Measure of the distance of two distributions."""

    PSI = "PSI"
    JENSEN_SHANNON = "JensenShannon"


class DriftBound(Model):
    """Bound on the distance of a column's distribution from that of the current snapshot."""

    metric: DriftMetric = DriftMetric.PSI
    """PSI: population stability index; below 0.1 is little drift, above 0.2 is much. JensenShannon: Jensen-Shannon
    distance with logarithms to base 2, from 0 (equal) to 1 (disjoint)."""
    max: Annotated[float, Field(gt=0)]
    """Greatest distance that passes."""


class BiasMetric(StrEnum):
    """Measure of bias in data before training, as defined by SageMaker Clarify."""

    CLASS_IMBALANCE = "ClassImbalance"
    LABEL_PROPORTIONS = "DifferenceInProportionsOfLabels"
    KL_DIVERGENCE = "KLDivergence"
    JS_DIVERGENCE = "JSDivergence"


class BiasBound(Model):
    """Bounds on the bias in a protected column."""

    model_config = rules(*_bounded("bias"))

    metric: BiasMetric
    """Each metric compares a group with all other rows. ClassImbalance: difference in the share of all rows, from -1 to
    1, positive if the group has fewer. DifferenceInProportionsOfLabels: difference in the share of positive labels,
    from -1 to 1, positive if the group has the lower share. KLDivergence, JSDivergence: divergence of the distribution
    of labels outside the group from that inside, in nats."""
    group: CellText | None = None
    """Value of the column that defines the group. Absent: every group must be within the bounds."""
    min: float | None = None
    """Least value that passes."""
    max: float | None = None
    """Greatest value that passes."""


class DataCheck(Model):
    """Check that a snapshot must pass. Set exactly one of the fields other than column and onViolation."""

    model_config = rules(
        (
            f"[{', '.join(f'has(self.{name})' for name in (*_OF_ALL, *_OF_A_COLUMN))}].filter(x, x).size() == 1",
            f"set exactly one of {', '.join((*_OF_ALL, *_OF_A_COLUMN))}",
        ),
        (
            f"has(self.column) == ({' || '.join(f'has(self.{name})' for name in _OF_A_COLUMN)})",
            f"column must be set with {', '.join(_OF_A_COLUMN)}, and only with these",
        ),
        (
            "!has(self.freshWithin) || !self.freshWithin.matches('^([0-9]{1,5}([.][0-9]{1,3})?(ms|s|m|h))+$')"
            " || duration(self.freshWithin) >= duration('1s')",
            "freshWithin must be at least 1s",
        ),
    )

    column: ColumnName | None = None
    """Column that is checked."""
    rows: RowBounds | None = None
    """Number of rows."""
    rows_change: ChangeBounds | None = None
    """Change of the number of rows since the current snapshot. Skipped if there is no current snapshot."""
    fresh_within: DurationText | None = None
    """Greatest age of the newest object, such as 24h. A current snapshot that becomes older shows Fresh=False."""
    completeness: ShareBounds | None = None
    """Share of the column's values that are present."""
    distinct_share: ShareBounds | None = None
    """Number of distinct values of the column, as a share of the values that are present."""
    allowed_values: Annotated[list[CellText], Field(min_length=1, max_length=100), list_set()] | None = None
    """Only values that the column may have, as text."""
    drift: DriftBound | None = None
    """Drift of the column from the current snapshot. Skipped if there is no current snapshot."""
    bias: BiasBound | None = None
    """Bias in the column, which must be in schema.protected."""
    on_violation: OnViolation = "Reject"
    """Reject: data that fails the check does not become current. Warn: the data becomes current, with Valid=False."""


class DataCheckResult(Model):
    """Result of a check, at the place of the check in spec.checks."""

    value: float | None = None
    """Measured value; of several groups that of the worst. Absent: there was nothing to measure."""
    outcome: Literal["Passed", "Failed", "Skipped"]
    """Passed, Failed, or Skipped: there is no current snapshot to compare with."""
