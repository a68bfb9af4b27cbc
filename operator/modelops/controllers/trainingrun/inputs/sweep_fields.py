"""What of a sweep decides what: which model comes out, and which trials are made. Pure."""

from typing import Any

from modelops.api.sweep import Algorithm, Sweep


def result_fields(sweep: Sweep | None) -> dict[str, Any]:
    """What of a sweep decides which model comes out, its part of the input key; empty where there is none.

    How many trials run at once does so for tpe alone, which learns from those that have ended. How many may fail never
    does.
    """
    if sweep is None:
        return {}
    learns = sweep.algorithm is Algorithm.TPE
    unimportant = {"maxFailedTrials"} if learns else {"maxFailedTrials", "parallelism"}
    return {name: value for name, value in sweep.wire().items() if name not in unimportant}


def search_fields(sweep: Sweep) -> dict[str, Any]:
    """What of a sweep decides what its trials are: not how many there are, nor which result is good enough."""
    when_it_ends = {"maxTrials", "objective"}
    rest = {name: value for name, value in result_fields(sweep).items() if name not in when_it_ends}
    return rest | {"objective": {"metric": sweep.objective.metric, "goal": sweep.objective.goal}}
