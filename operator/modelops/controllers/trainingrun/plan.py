"""Decide how a TrainingRun gets a ModelVersion for its inputs: by reuse where safe, else by training. Pure."""

from dataclasses import replace
from datetime import timedelta

from modelops.api.trainingrun_status import CacheResult
from modelops.controllers.requeue import earliest
from modelops.controllers.trainingrun.attempt import retrying
from modelops.controllers.trainingrun.attempt.plan import plan_attempt
from modelops.controllers.trainingrun.caching import CACHE_HIT, cache_miss, find_cached_result
from modelops.controllers.trainingrun.context import SHORTLY, RunContext, run_context
from modelops.controllers.trainingrun.finish import finish, new_outcome
from modelops.controllers.trainingrun.inputs.resolution import MissingInput
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.reproducible import with_reproducible
from modelops.controllers.trainingrun.sweep.garbage_collection import collect_garbage
from modelops.controllers.trainingrun.sweep.plan import plan as plan_sweep
from modelops.controllers.trainingrun.sweep.result import reused_table
from modelops.machinery.conditions import in_progress, waiting
from modelops.machinery.plan import Event, Plan, first_plan

_REFERENCE_AGAIN = timedelta(seconds=30)
"""Requeue while a ConfigMap or Secret is missing. Watching them would need the right to read all of them."""


def plan(seen: Observation) -> Plan:
    """Return what a TrainingRun needs now."""
    if isinstance(seen.inputs, MissingInput):
        return _waiting(seen, seen.inputs)
    steps = (_ended, _stopped, _superseded, _cached, _searching, plan_attempt)
    decision = first_plan(run_context(seen, seen.inputs), steps)
    if seen.sweep is not None:
        decision = collect_garbage(decision, seen.sweep)
    return replace(decision, requeue_after=earliest(decision.requeue_after, seen.inputs.requeue_after))


def _waiting(seen: Observation, missing: MissingInput) -> Plan:
    """Wait for an input: its creation wakes the run."""
    return Plan(
        status=seen.run.status,
        conditions=waiting(missing.reason, missing.message),
        requeue_after=_REFERENCE_AGAIN if missing.reason == "ReferenceNotFound" else None,
    )


def _ended(context: RunContext) -> Plan | None:
    """Keep a run that has ended for these inputs as it ended."""
    outcome = context.status.outcome
    return finish(context, outcome) if outcome is not None else None


def _stopped(context: RunContext) -> Plan | None:
    """Stop a run under way on request."""
    if context.stop is None:
        return None
    outcome = new_outcome(context, "Stopped", "Stopped", f"stopped: {context.stop}")
    if context.seen.run.spec.sweep is not None:
        return finish(context, outcome)
    halted = retrying.halted_attempt(context.attempt, context.job, outcome.message, context.seen.now)
    attempts = retrying.last_attempts([*context.status.failed_attempts, halted])
    return finish(context.with_status(job=context.job_name, failed_attempts=attempts), outcome)


def _superseded(context: RunContext) -> Plan | None:
    """Delete active Jobs for other inputs before the next one starts."""
    others = [job for job in context.seen.jobs if job.key.name != context.job_name and not job.finished]
    if not others:
        return None
    names = ", ".join(job.key.name for job in others)
    message = f"inputs changed: deleting Job {names}"
    return Plan(
        delete=tuple(job.delete for job in others),
        # The miss is explained now: once the new inputs are in the status there is nothing to compare them with.
        status=context.with_status(cache=cache_miss(context)).status,
        conditions=with_reproducible(context, *in_progress("Superseded", message)),
        events=(Event("Superseded", message),),
        requeue_after=SHORTLY,
    )


def _cached(context: RunContext) -> Plan | None:
    """Reuse the model that another run of the namespace has made from the same inputs."""
    result = find_cached_result(context.seen, context.resolved) if context.job is None else None
    if result is None:
        return None
    sweep = context.seen.run.spec.sweep
    hit = context.with_status(
        cache=CacheResult(result="Hit", reason=f"TrainingRun {result.run} has the same inputs"),
        artifact=result.artifact,
        metrics=result.metrics,
        sweep=reused_table(sweep, result.run, result.parameters, result.metrics) if sweep else None,
    )
    message = f"reused the result of TrainingRun {result.run}, nothing was trained"
    return finish(hit, new_outcome(context, "Succeeded", CACHE_HIT, message))


def _searching(context: RunContext) -> Plan | None:
    """Train a sweep by its trials, and end it like every run."""
    if context.seen.sweep is None or context.seen.run.spec.sweep is None:
        return None
    decision = plan_sweep(context.seen.sweep, context.with_status(cache=cache_miss(context)).status)
    if decision.status.outcome is not None:
        return finish(replace(context, status=decision.status), decision.status.outcome)
    return Plan(
        apply=decision.trials,
        status=decision.status,
        conditions=with_reproducible(context, *decision.conditions),
    )
