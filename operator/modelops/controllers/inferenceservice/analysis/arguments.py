"""Arguments of the user's own checks. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckArguments:
    """A candidate in its rollout, and the version it is compared with."""

    namespace: str
    inferenceservice: str
    stable: str
    """Name of the ModelVersion that serves."""
    candidate: str
    """Name of the ModelVersion being rolled out."""
    weight: int
    """Percent of the traffic that the candidate gets in this step."""
    stable_url: str
    """URL of the stable version inside the cluster, whatever the weight."""
    candidate_url: str
    """URL of the candidate inside the cluster, whatever the weight."""
