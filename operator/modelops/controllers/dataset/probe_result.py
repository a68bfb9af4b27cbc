"""Result of a probe by the operator itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from modelops.store.listing import ListingSummary, TooManyObjects


@dataclass(frozen=True)
class SourceProblem:
    """Reason for which a source cannot be probed.

    Waiting: a Secret or a claim does not exist yet. Transient: a retry can help. Stalled: a person must change
    something.
    """

    kind: Literal["Waiting", "Transient", "Stalled"]
    reason: str
    message: str


@dataclass(frozen=True)
class SecretNotReadable:
    """The operator may not read the Secret that the source names: a Job, which mounts the Secret, probes instead."""


ProbeOutcome = ListingSummary | TooManyObjects | SourceProblem | SecretNotReadable


@dataclass(frozen=True)
class ProbeResult:
    """Last probe of a Dataset's source by the operator."""

    at: datetime
    """When the probe began: the outcome shows the source at this time or later."""
    uid: str
    generation: int
    outcome: ProbeOutcome
    failures: int = 0
    """Number of probes in a row that ended with a transient problem."""
