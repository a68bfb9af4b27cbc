"""What of a sweep is part of the input key. Pure."""

from typing import Any

from modelops.api.sweep import Algorithm, Sweep


def decides(sweep: Sweep | None) -> dict[str, Any]:
    """What of a sweep decides which model comes out; empty where there is none.

    How many trials run at once does so for tpe alone, which learns from those that have ended. How many may fail never
    does.
    """
    if sweep is None:
        return {}
    learns = sweep.algorithm is Algorithm.TPE
    unimportant = {"maxFailedTrials"} if learns else {"maxFailedTrials", "parallelism"}
    return {name: value for name, value in sweep.wire().items() if name not in unimportant}
