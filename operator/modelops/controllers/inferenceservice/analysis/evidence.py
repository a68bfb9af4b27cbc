"""Evidence that an analysis rests on, besides the counts of requests. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from modelops.api.inferenceservice_status import AnalysisCheckResult
from modelops.controllers.inferenceservice.analysis.distances import Sample


@dataclass(frozen=True)
class Pairs:
    """Mirrored requests that both versions answered."""

    compared: int = 0
    agreed: int = 0
    """Requests with the same prediction of both versions."""

    def since(self, before: Self) -> "Pairs":
        """Return what was added after `before`. A count below that of `before` means a restart: then all of it was."""
        later = Pairs(self.compared - before.compared, self.agreed - before.agreed)
        return self if min(later.compared, later.agreed) < 0 else later

    def __add__(self, other: Self) -> "Pairs":
        return Pairs(self.compared + other.compared, self.agreed + other.agreed)


@dataclass(frozen=True)
class Sides:
    """Samples of both versions, of their inputs or of their predictions."""

    candidate: Sample
    stable: Sample


@dataclass(frozen=True)
class Distributions:
    """Reports of the Pods' monitors in a window. A field is None until a Pod has reported it."""

    inputs: Sides | None = None
    predictions: Sides | None = None
    pairs: Pairs | None = None


@dataclass(frozen=True)
class Evidence:
    """Distributions of a window, and results of the user's own checks."""

    distributions: Distributions = field(default_factory=Distributions)
    custom: Mapping[str, AnalysisCheckResult] = field(default_factory=dict)
    """Last result of each of the user's own checks that has one, by its name."""
