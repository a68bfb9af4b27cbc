"""Tell which fields of a sweep change its result, and which only its trials. Pure."""

from typing import Any

from modelops.api.sweep import Algorithm, Sweep


def result_fields(sweep: Sweep | None) -> dict[str, Any]:
    """Return the fields that decide the model: the sweep's part of the input key. Empty without a sweep.

    `maxFailedTrials` never does. `parallelism` does for tpe alone, which learns from the trials that have ended.
    """
    if sweep is None:
        return {}
    learns = sweep.algorithm is Algorithm.TPE
    excluded = {"maxFailedTrials"} if learns else {"maxFailedTrials", "parallelism"}
    return {name: value for name, value in sweep.wire().items() if name not in excluded}


def search_fields(sweep: Sweep) -> dict[str, Any]:
    """Return the fields that decide what each trial is, but neither the number of trials nor the target."""
    ending = {"maxTrials", "objective"}
    fields = {name: value for name, value in result_fields(sweep).items() if name not in ending}
    return fields | {"objective": {"metric": sweep.objective.metric, "goal": sweep.objective.goal}}
