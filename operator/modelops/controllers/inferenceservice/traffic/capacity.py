"""How many Pods a share of the requests takes. Pure."""

from modelops.controllers.inferenceservice.traffic.steps import Stage


def pods_for(stage: Stage, full: int) -> int:
    """The candidate's Pods for a stage, where all of the requests take `full` Pods. Copies are requests too."""
    hundredths = 100 * stage.weight + (100 - stage.weight) * stage.mirror
    return max(1, -(-full * hundredths // 10_000))


def share_of(ready: int, others: int) -> int:
    """What percentage of the requests Pods get that stand beside others behind one Service."""
    return 100 * ready // (ready + others) if ready else 0
