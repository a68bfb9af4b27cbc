"""Number of Pods that a weight needs, and greatest weight that a number of Pods can serve. Pure."""

from modelops.controllers.inferenceservice.traffic.steps import Step


def pods_for(step: Step, full_size: int) -> int:
    """Return the candidate's Pods for a step, where all requests take `full_size` Pods.

    Mirrored requests take as much as others.
    """
    ten_thousandths = 100 * step.weight + (100 - step.weight) * step.mirror
    return max(1, -(-full_size * ten_thousandths // 10_000))


def weight_of(ready: int, others: int) -> int:
    """Return the percent of the requests that `ready` Pods get beside `others` behind the same Service."""
    return 100 * ready // (ready + others) if ready else 0
