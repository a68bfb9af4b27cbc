"""Read what a sweep's plan rests on, beside what the plan of every run does."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache

from modelops.api.sweep import Algorithm, Sweep
from modelops.api.trainingrun import TrainingRun
from modelops.api.types import StringMap
from modelops.controllers.owned import owned
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.sweep.child import Child, child_of
from modelops.controllers.trainingrun.sweep.identity import outcome_holds
from modelops.controllers.trainingrun.sweep.suggester import Question, Suggester
from modelops.controllers.trainingrun.sweep.suggestions import suggest
from modelops.controllers.trainingrun.sweep.trials import TrialRun, trial_runs, trials_due
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import Body, Key

_UNTAKEN = 100
"""Suggestions that nobody has taken, beyond which those of deleted runs are dropped."""


@dataclass(frozen=True)
class SweepObservation:
    """A run with resolved inputs, and every run that it has created for trials, of this sweep and of earlier ones."""

    run: TrainingRun
    resolved: ResolvedInputs
    now: datetime
    children: tuple[Child, ...] = ()
    suggested: Mapping[int, StringMap] = field(default_factory=dict)
    """Number of a trial that is due → its parameters."""

    @property
    def sweep(self) -> Sweep:
        """The run's sweep. A run without one is observed too, since it may have had one."""
        assert self.run.spec.sweep is not None, "only a sweep is planned as one"
        return self.run.spec.sweep

    @cached_property
    def trials(self) -> list[TrialRun]:
        """The trials that have a run."""
        return trial_runs(self.run, self.resolved, self.children)


def observe(
    run: TrainingRun, resolved: ResolvedInputs, context: ReconcileContext, suggester: Suggester
) -> SweepObservation:
    """Read a run's trials, and the parameters suggested for those that are due.

    Where they are still to be suggested, that begins in the background, and its end enqueues the run.
    """
    bodies = owned(run.metadata.namespace, run.metadata.uid, context.cache, TrainingRun.__name__)
    seen = SweepObservation(run, resolved, context.now, tuple(_child(_Version.of(body)) for body in bodies))
    sweep = run.spec.sweep
    if sweep is None or outcome_holds(run, resolved):
        return seen
    trials = seen.trials
    numbers = trials_due(sweep, trials)
    if not numbers:
        return seen
    if sweep.algorithm is Algorithm.GRID:
        return replace(seen, suggested=suggest(sweep, numbers, {}))
    key = Key(TrainingRun.__name__, run.metadata.namespace, run.metadata.name)
    question = Question.of(sweep, tuple(numbers), {trial.number: trial.as_earlier_trial for trial in trials})
    suggested = suggester.take(key, run.metadata.uid, question)
    if suggested is None:
        if len(suggester) > _UNTAKEN:
            suggester.keep_only(lambda asked: context.cache.body(asked.key) is not None)
        suggester.start(key, run.metadata.uid, question, context.enqueue)
        return seen
    return replace(seen, suggested=suggested)


@dataclass(frozen=True)
class _Version:
    """A version of a run, identified by its UID and resourceVersion."""

    uid: str
    version: str
    body: Body = field(compare=False)

    @classmethod
    def of(cls, body: Body) -> "_Version":
        return cls(body["metadata"]["uid"], body["metadata"]["resourceVersion"], body)


@lru_cache(maxsize=512)
def _child(version: _Version) -> Child:
    """Parse a run, unless this version was parsed lately: few of a large sweep's runs change between two reconciles."""
    return child_of(version.body)
