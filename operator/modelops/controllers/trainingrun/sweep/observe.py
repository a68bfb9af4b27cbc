"""What a sweep's decisions rest on, beside what every run's do."""

import asyncio
from dataclasses import dataclass, field, replace
from functools import lru_cache

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.sweep.child import Child, child_of
from modelops.controllers.trainingrun.sweep.identity import outcome_holds
from modelops.controllers.trainingrun.sweep.plan import SweepObservation
from modelops.controllers.trainingrun.sweep.suggestions import suggest
from modelops.controllers.trainingrun.sweep.trials import trials_due
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import Body


async def observe(run: TrainingRun, resolved: ResolvedInputs, context: ReconcileContext) -> SweepObservation:
    """A run's trials, and parameters for those that are to begin. Suggesting them takes a thread's time."""
    bodies = context.cache.bodies("owner", run.metadata.uid, kind=TrainingRun.__name__)
    seen = SweepObservation(run, resolved, context.now, tuple(_child(_Version.of(body)) for body in bodies))
    sweep = run.spec.sweep
    if sweep is None or outcome_holds(run, resolved):
        return seen
    trials = seen.trials
    numbers = trials_due(sweep, trials)
    if not numbers:
        return seen
    tried = {one.number: one.as_earlier_trial for one in trials}
    return replace(seen, suggested=await asyncio.to_thread(suggest, sweep, numbers, tried))


@dataclass(frozen=True)
class _Version:
    """A run as it was written once: the same version is the same run."""

    uid: str
    version: str
    body: Body = field(compare=False)

    @classmethod
    def of(cls, body: Body) -> "_Version":
        return cls(body["metadata"]["uid"], body["metadata"]["resourceVersion"], body)


@lru_cache(maxsize=512)
def _child(version: _Version) -> Child:
    """Of the hundreds of runs of a large sweep few have changed since it was looked at last."""
    return child_of(version.body)
