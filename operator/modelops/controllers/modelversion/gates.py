"""Gates: bounds on metrics. A metric that cannot be compared fails its gate. Pure."""

import math

from modelops.api.modelversion import Gate, GateResult


def evaluate(gate: Gate, metrics: dict[str, float]) -> GateResult:
    """Return the result of a gate. A metric that is missing or not finite is Missing, which fails."""
    value = metrics.get(gate.metric)
    if value is None or not math.isfinite(value):
        return GateResult(metric=gate.metric, min=gate.min, max=gate.max, outcome="Missing")
    within = (gate.min is None or value >= gate.min) and (gate.max is None or value <= gate.max)
    return GateResult(
        metric=gate.metric, value=value, min=gate.min, max=gate.max, outcome="Passed" if within else "Failed"
    )


def describe(result: GateResult) -> str:
    """Return a sentence that says why a gate failed."""
    if result.outcome == "Missing":
        return f'metric "{result.metric}" is missing: a missing metric fails its gate'
    bounds = [f"at least {result.min:g}"] if result.min is not None else []
    bounds += [f"at most {result.max:g}"] if result.max is not None else []
    return f'metric "{result.metric}" is {result.value:g} and must be {" and ".join(bounds)}'
