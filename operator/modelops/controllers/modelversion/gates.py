"""Gates: bounds that metrics must keep. They fail closed."""

import math

from modelops.api.modelversion import Gate, GateResult


def evaluate(gate: Gate, metrics: dict[str, float]) -> GateResult:
    """What a gate finds. A metric that is missing or no number fails."""
    value = metrics.get(gate.metric)
    if value is None or not math.isfinite(value):
        return GateResult(metric=gate.metric, min=gate.min, max=gate.max, outcome="Missing")
    kept = (gate.min is None or value >= gate.min) and (gate.max is None or value <= gate.max)
    return GateResult(
        metric=gate.metric, value=value, min=gate.min, max=gate.max, outcome="Passed" if kept else "Failed"
    )


def in_words(result: GateResult) -> str:
    """Why a gate failed, in a sentence."""
    if result.outcome == "Missing":
        return f'metric "{result.metric}" is missing, and a missing metric fails its gate'
    bounds = [f"at least {result.min:g}"] if result.min is not None else []
    bounds += [f"at most {result.max:g}"] if result.max is not None else []
    return f'metric "{result.metric}" is {result.value:g} and must be {" and ".join(bounds)}'
