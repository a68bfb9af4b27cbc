"""When an analysis of the candidate runs, and on what evidence. Pure."""

from dataclasses import replace
from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import AnalysisCheckResult, AnalysisResult, CandidateVersion
from modelops.api.rollout import Analysis, AnalysisCheck
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job, check_job_name, check_job_result
from modelops.controllers.inferenceservice.analysis.evaluation import evaluate
from modelops.controllers.inferenceservice.analysis.evidence import Evidence
from modelops.controllers.inferenceservice.analysis.reports import distributions
from modelops.controllers.inferenceservice.analysis.results import describe_checks
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.controllers.inferenceservice.traffic.steps import Step
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Event
from modelops.machinery.resources import Body

_ALL = 100


def with_analysis(seen: Observation, state: RolloutState) -> RolloutState:
    """Return the state with a new analysis of the candidate, if one is due."""
    spec, step, left = state.rollout.analysis, state.step_in_effect, until_next_analysis(state)
    if spec is None or step is None or left is None or left > timedelta(0):
        return state
    window = seen.window
    result = evaluate(
        spec,
        window.candidate,
        window.stable,
        Evidence(
            distributions(window.stable_contents, window.candidate_contents, mirrored=_is_mirrored_only(seen, step)),
            _own_checks(seen, spec, state.candidate),
        ),
        state.candidate.analysis,
        seen.now,
        all_traffic=step.weight == _ALL,
    )
    return replace(state, candidate=state.candidate.model_copy(update={"analysis": result}))


def until_next_analysis(state: RolloutState) -> timedelta | None:
    """Return the time until the next analysis; None where none will run as things are.

    After a failure that waits for a person no analysis runs: one that passes must not let the candidate advance.
    """
    spec, analysis = state.rollout.analysis, state.candidate.analysis
    last = analysis.at if analysis is not None else state.candidate.step_since
    if spec is None or state.step_in_effect is None or last is None:
        return None
    if state.rollout.on_failure == "Pause" and analysis is not None and analysis.failures >= spec.failure_threshold:
        return None
    return parse_timestamp(last) + parse_duration(spec.interval) - state.now


def check_jobs(seen: Observation, state: RolloutState) -> tuple[Body, ...]:
    """Return the Jobs that check the candidate in its step, once the step's traffic is in effect."""
    spec, candidate = state.rollout.analysis, state.candidate
    if spec is None or candidate.step_since is None:
        return ()
    arguments = seen.check_arguments(candidate)
    return tuple(
        check_job(seen.service, check, arguments, candidate.attempt, candidate.step, seen.settings)
        for check in spec.checks
        if check.job is not None
    )


def check_job_names(seen: Observation, state: RolloutState) -> frozenset[str]:
    """Return the names of the Jobs of this attempt, in all of its steps."""
    spec = state.rollout.analysis
    return frozenset(
        check_job_name(seen.service, check, state.candidate.attempt, step)
        for check in (spec.checks if spec is not None else [])
        for step in range(1, len(state.steps) + 1)
    )


def analysis_events(before: AnalysisResult | None, after: AnalysisResult | None) -> tuple[Event, ...]:
    """Return an Event for each failed analysis, and for any other outcome that is new."""
    if after is None or (before is not None and before.at == after.at and before.outcome == after.outcome):
        return ()
    failed = after.outcome == "Failed"
    if not failed and before is not None and before.outcome == after.outcome:
        return ()
    message = describe_checks(after.checks, after.outcome)
    return (Event(f"Analysis{after.outcome}", message, warning=failed or after.outcome == "Error"),)


def _is_mirrored_only(seen: Observation, step: Step) -> bool:
    """Return whether the evidence is mirrored requests. A Gateway does not mark those that it mirrors."""
    return step.weight == 0 and seen.service.spec.gateway is None


def _own_checks(seen: Observation, spec: Analysis, candidate: CandidateVersion) -> dict[str, AnalysisCheckResult]:
    """Return the results of the user's own checks in this step, by the check's name."""
    results: dict[str, AnalysisCheckResult] = {}
    run = seen.check_run
    if run is not None and run.holds_for(seen.check_arguments(candidate), candidate.step_since):
        results |= run.results
    for check in spec.checks:
        if check.job is not None and (result := _job_result(seen, check, candidate)) is not None:
            results[check.name] = result
    return results


def _job_result(seen: Observation, check: AnalysisCheck, candidate: CandidateVersion) -> AnalysisCheckResult | None:
    name = check_job_name(seen.service, check, candidate.attempt, candidate.step)
    job = next((job for job in seen.check_jobs if job.key.name == name), None)
    return check_job_result(check, job) if job is not None else None
