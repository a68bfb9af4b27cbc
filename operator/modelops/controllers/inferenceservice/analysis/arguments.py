"""Whom a judgement is about, as checks of the user's own are told. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckArguments:
    """A candidate on its way, and what it is compared with."""

    namespace: str
    inferenceservice: str
    stable: str
    """The ModelVersion that serves."""
    candidate: str
    """The ModelVersion that is about to."""
    weight: int
    """How many percent of the requests the candidate shall answer."""
    stable_url: str
    candidate_url: str
    """Where each of the two answers, whatever the weight."""
