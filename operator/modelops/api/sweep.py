"""Sweep: search for the best parameters, in the terms of Katib's experiments."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_map, list_set, rules
from modelops.api.types import CellText, ObjectName, StringMap, Uid


class Algorithm(StrEnum):
    """Algorithm that suggests parameters."""

    GRID = "grid"
    RANDOM = "random"
    TPE = "tpe"


class ParameterType(StrEnum):
    """Type of a parameter's values."""

    DOUBLE = "double"
    INT = "int"
    CATEGORICAL = "categorical"


class SweptParameter(Model):
    """Parameter that the sweep varies, and its values."""

    model_config = rules(
        (
            "self.type == 'categorical' ? (has(self.values) && !has(self.min) && !has(self.max) && !has(self.step))"
            " : (has(self.min) && has(self.max) && !has(self.values))",
            "a categorical parameter needs values, a double or int needs min and max",
        ),
        ("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max"),
        ("!has(self.log) || !self.log || (has(self.min) && self.min > 0.0)", "log needs a min above 0"),
        (
            "!has(self.log) || !self.log || !has(self.step)",
            "set log or step, not both",
        ),
        (
            "self.type != 'int' || [has(self.min) ? self.min : 0.0, has(self.max) ? self.max : 0.0,"
            " has(self.step) ? self.step : 1.0].all(n, n >= -9007199254740992.0 && n <= 9007199254740992.0"
            " && double(int(n)) == n)",
            "min, max and step of an int must be whole numbers of at most 53 bits",
        ),
        (
            "!has(self.step) || self.step <= 0.0 || !has(self.min) || !has(self.max)"
            " || self.max - self.min <= self.step * 1000000000.0",
            "step is too small: there must be at most 1000000000 steps from min to max",
        ),
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    """Name of the parameter in hyperparameters.json."""
    type: ParameterType
    """Type of the values: double, int or categorical."""
    min: Annotated[float, Field(ge=-1e18, le=1e18)] | None = None
    """Least value of a double or int."""
    max: Annotated[float, Field(ge=-1e18, le=1e18)] | None = None
    """Greatest value of a double or int."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between two values. Required for a double in a grid. Absent for an int: 1."""
    log: bool = False
    """Whether the logarithms of the values are spread evenly, instead of the values."""
    values: Annotated[list[CellText], Field(min_length=1, max_length=100), list_set()] | None = None
    """Values of a categorical parameter."""


class Objective(Model):
    """Metric by which trials are compared."""

    metric: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """Name of the metric in the trainer's metrics.json and, for early stopping, in metrics.jsonl."""
    goal: Literal["Maximize", "Minimize"] = "Maximize"
    """Whether the greatest or the least value is the best."""
    target: float | None = None
    """Value at which a trial ends the sweep. Absent: every trial is run."""


class MedianStopping(Model):
    """Median stopping rule (Golovin et al., Google Vizier, KDD 2017).

    A trial is stopped if its best value so far is worse than the median of the other trials' means up to the same step.
    """

    start_step: Annotated[int, Field(ge=0)] = 4
    """First step at which a trial may be stopped."""
    min_trials: Annotated[int, Field(ge=1)] = 3
    """Number of trials that must have succeeded before a trial may be stopped."""


class EarlyStopping(Model):
    """Rule that stops trials which will not be the best."""

    median: MedianStopping
    """Median stopping rule."""


_LENGTHS = "has(p.values) ? p.values.map(v, size(v)).max() : 24"
_TABLE = f"self.maxTrials * (208 + self.parameters.map(p, size(p.name) + 8 + ({_LENGTHS})).sum())"
"""Upper bound of the characters in the table of trials, as a CEL expression."""


class Sweep(Model):
    """Search for the best parameters. Each trial is a TrainingRun of its own, and the best model is kept."""

    model_config = rules(
        (
            "self.algorithm != 'grid' || self.parameters.all(p, p.type != 'double' || has(p.step))",
            "a grid needs a step for each double parameter",
        ),
        (
            "self.algorithm != 'grid' || self.parameters.all(p, !has(p.log) || !p.log)",
            "a grid runs every value once: log has no effect, leave it out",
        ),
        (
            f"{_TABLE} <= 1000000",
            "the table of trials would be too large for a status: set a smaller maxTrials, or shorten names and values",
        ),
    )

    algorithm: Algorithm = Algorithm.TPE
    """grid: every combination. random: independent draws. tpe: draws that learn from earlier trials, by a
    tree-structured Parzen estimator."""
    parameters: Annotated[list[SweptParameter], Field(min_length=1, max_length=16), list_map("name")]
    """Parameters that the sweep varies."""
    objective: Objective
    """Metric by which trials are compared."""
    parallelism: Annotated[int, Field(ge=1, le=100)] = 1
    """Most trials that run at the same time."""
    max_trials: Annotated[int, Field(ge=1, le=500)] = 10
    """Most trials of the sweep. A grid ends when all its points were run."""
    max_failed_trials: Annotated[int, Field(ge=0, le=500)] = 3
    """Most trials that may fail. If more fail, the sweep fails."""
    early_stopping: EarlyStopping | None = None
    """Rule that stops trials which will not be the best. Absent: no trial is stopped."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the suggestions. The same seed gives the same suggestions, also after restarts of the operator. Those of
    tpe also depend on results; a trial of tpe starts once all trials up to `parallelism` before it have ended."""


class Trial(Model):
    """Trial of a sweep."""

    number: Annotated[int, Field(ge=0)]
    """Number of the trial, from 0."""
    run: ObjectName
    """TrainingRun of the trial."""
    uid: Uid | None = None
    """UID of that TrainingRun, once it is known. Another TrainingRun of its name is not believed, and is deleted."""
    parameters: StringMap = Field(default_factory=dict)
    """Values of the swept parameters."""
    state: Literal["Running", "Succeeded", "Failed", "Stopped"]
    """Running, Succeeded, Failed, or Stopped early by the median stopping rule."""
    objective: float | None = None
    """Value of the objective."""


class SweepStatus(Model):
    """Trials of a sweep."""

    trials: Annotated[list[Trial], Field(max_length=500), list_map("number")] = Field(default_factory=list)
    """Every trial, by number."""
    best: Annotated[int, Field(ge=0)] | None = None
    """Number of the best trial."""
