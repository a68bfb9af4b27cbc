"""Sweep: the search for the best parameters, in the terms of Katib's experiments."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_map, list_set, rules
from modelops.api.types import CellText, StringMap


class Algorithm(StrEnum):
    """How parameters are suggested."""

    GRID = "grid"
    RANDOM = "random"
    TPE = "tpe"


class ParameterType(StrEnum):
    """What a parameter's values are."""

    DOUBLE = "double"
    INT = "int"
    CATEGORICAL = "categorical"


class SweptParameter(Model):
    """A parameter and where its values come from."""

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
    """The parameter's name, as the trainer finds it in hyperparameters.json."""
    type: ParameterType
    """double, int or categorical."""
    min: Annotated[float, Field(ge=-1e18, le=1e18)] | None = None
    """The least value of a double or int."""
    max: Annotated[float, Field(ge=-1e18, le=1e18)] | None = None
    """The greatest value of a double or int."""
    step: Annotated[float, Field(gt=0)] | None = None
    """The distance between two values. A grid needs it for a double; an int has 1."""
    log: bool = False
    """Whether values are spread evenly over their logarithms."""
    values: Annotated[list[CellText], Field(min_length=1, max_length=100), list_set()] | None = None
    """The values of a categorical parameter."""


class Objective(Model):
    """What makes one trial better than another."""

    metric: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """The metric's name in the trainer's metrics.json, and in metrics.jsonl for early stopping."""
    goal: Literal["Maximize", "Minimize"] = "Maximize"
    """Whether the greatest value is the best or the least."""
    target: float | None = None
    """A trial that is as good as this ends the sweep. Absent: every trial is made."""


class MedianStopping(Model):
    """Stop a trial whose best value so far is worse than the median of the others' means up to the same step (Golovin
    et al., Google Vizier, KDD 2017).
    """

    start_step: Annotated[int, Field(ge=0)] = 4
    """Trials are judged from this step on."""
    min_trials: Annotated[int, Field(ge=1)] = 3
    """So many trials must have succeeded before one is stopped."""


class EarlyStopping(Model):
    """When trials that will not be the best are stopped."""

    median: MedianStopping
    """By the median stopping rule."""


_LENGTHS = "has(p.values) ? p.values.map(v, size(v)).max() : 24"
_TABLE = f"self.maxTrials * (160 + self.parameters.map(p, size(p.name) + 8 + ({_LENGTHS})).sum())"
"""At most so many characters has the table of trials."""


class Sweep(Model):
    """Train with many parameters, and keep the best model. Each trial is a TrainingRun of its own."""

    model_config = rules(
        (
            "self.algorithm != 'grid' || self.parameters.all(p, p.type != 'double' || has(p.step))",
            "a grid needs a step for each double parameter",
        ),
        (
            "self.algorithm != 'grid' || self.parameters.all(p, !has(p.log) || !p.log)",
            "a grid takes every value once: it has no log",
        ),
        (
            f"{_TABLE} <= 1000000",
            "the table of trials would be too large for a status: set a smaller maxTrials, or shorten names and values",
        ),
    )

    algorithm: Algorithm = Algorithm.TPE
    """grid: every combination. random: independent draws. tpe: draws that learn from the trials before, by a
    tree-structured Parzen estimator."""
    parameters: Annotated[list[SweptParameter], Field(min_length=1, max_length=16), list_map("name")]
    """What is varied."""
    objective: Objective
    """What makes one trial better than another."""
    parallelism: Annotated[int, Field(ge=1, le=100)] = 1
    """How many trials run at the same time, at most."""
    max_trials: Annotated[int, Field(ge=1, le=500)] = 10
    """How many trials there are at most. A grid ends when all its points are tried."""
    max_failed_trials: Annotated[int, Field(ge=0, le=500)] = 3
    """When more trials than this have failed, the sweep has."""
    early_stopping: EarlyStopping | None = None
    """When trials that will not be the best are stopped. Absent: never."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """The same seed gives the same suggestions, whatever happens to the operator. tpe learns from results, so they must
    be the same as well; and no trial begins before all those up to `parallelism` before it have ended."""


class Trial(Model):
    """One run of a sweep."""

    number: Annotated[int, Field(ge=0)]
    """Counted from 0."""
    run: Annotated[str, StringConstraints(max_length=253)]
    """Its TrainingRun."""
    parameters: StringMap = Field(default_factory=dict)
    """What it was given."""
    state: Literal["Running", "Succeeded", "Failed", "Stopped"]
    """Running, Succeeded, Failed, or Stopped: early, since it was worse than the median."""
    objective: float | None = None
    """The objective's value."""


class SweepStatus(Model):
    """The trials of a sweep."""

    trials: Annotated[list[Trial], Field(max_length=500), list_map("number")] = Field(default_factory=list)
    """Every trial."""
    best: Annotated[int, Field(ge=0)] | None = None
    """The number of the best one."""
