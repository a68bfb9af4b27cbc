"""When a candidate is judged, by what, and what is told of it. Pure."""

from datetime import timedelta

from modelops.api.inferenceservice_status import AnalysisCheckResult, AnalysisResult, CandidateVersion
from modelops.api.rollout import Analysis, AnalysisCheck, Rollout
from modelops.api.types import length_of
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job, check_job_name, check_job_result
from modelops.controllers.inferenceservice.analysis.evaluation import evaluate
from modelops.controllers.inferenceservice.analysis.evidence import Evidence
from modelops.controllers.inferenceservice.analysis.reports import distributions
from modelops.controllers.inferenceservice.analysis.results import describe_checks
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.traffic.steps import Stage
from modelops.machinery.conditions import moment
from modelops.machinery.plan import Event
from modelops.machinery.resources import Body

_ALL = 100


def judged(seen: Observation, rollout: Rollout, candidate: CandidateVersion, stage: Stage | None) -> CandidateVersion:
    """The candidate with a new judgement, where one is due. `stage` is the one whose share it has."""
    spec, left = rollout.analysis, until_due(seen, rollout, candidate, stage)
    if spec is None or stage is None or left is None or left > timedelta(0):
        return candidate
    result = evaluate(
        spec,
        seen.windows.candidate,
        seen.windows.stable,
        Evidence(
            distributions(seen.windows.stable_contents, seen.windows.candidate_contents, mirrored=_copies(seen, stage)),
            _custom(seen, spec, candidate),
        ),
        candidate.analysis,
        seen.now,
        all_traffic=stage.weight == _ALL,
    )
    return candidate.model_copy(update={"analysis": result})


def until_due(
    seen: Observation, rollout: Rollout, candidate: CandidateVersion, stage: Stage | None
) -> timedelta | None:
    """How long until the next judgement; None where none will be made as things are.

    One that has failed and waits for a person is judged no more: a judgement that passes must not let it go on.
    """
    spec, judged = rollout.analysis, candidate.analysis
    last = judged.at if judged is not None else candidate.step_since
    if spec is None or stage is None or last is None:
        return None
    if rollout.on_failure == "Pause" and judged is not None and judged.failures >= spec.failure_threshold:
        return None
    return moment(last) + length_of(spec.interval) - seen.now


def check_jobs(seen: Observation, spec: Analysis | None, candidate: CandidateVersion) -> tuple[Body, ...]:
    """The Jobs that judge the step that the candidate is in."""
    if spec is None or candidate.step_since is None:
        return ()
    about = seen.check_arguments(candidate)
    return tuple(
        check_job(seen.service, check, about, candidate.attempt, candidate.step, seen.settings)
        for check in spec.checks
        if check.job is not None
    )


def verdict_events(before: AnalysisResult | None, after: AnalysisResult | None) -> tuple[Event, ...]:
    """A failure each time, anything else when it is something new."""
    if after is None or (before is not None and before.at == after.at and before.outcome == after.outcome):
        return ()
    failed = after.outcome == "Failed"
    if not failed and before is not None and before.outcome == after.outcome:
        return ()
    message = describe_checks(after.checks, after.outcome)
    return (Event(f"Analysis{after.outcome}", message, warning=failed or after.outcome == "Error"),)


def _copies(seen: Observation, stage: Stage) -> bool:
    """Whether the candidate is judged by the copies that it gets. A Gateway does not mark those."""
    return stage.weight == 0 and seen.service.spec.gateway is None


def _custom(seen: Observation, spec: Analysis, candidate: CandidateVersion) -> dict[str, AnalysisCheckResult]:
    found: dict[str, AnalysisCheckResult] = {}
    if seen.answers is not None and seen.answers.holds_for(seen.check_arguments(candidate), candidate.step_since):
        found |= seen.answers.results
    for check in spec.checks:
        if check.job is not None and (result := _of_job(seen, check, candidate)) is not None:
            found[check.name] = result
    return found


def _of_job(seen: Observation, check: AnalysisCheck, candidate: CandidateVersion) -> AnalysisCheckResult | None:
    name = check_job_name(seen.service, check, candidate.attempt, candidate.step)
    job = next((job for job in seen.check_jobs if job.key.name == name), None)
    return check_job_result(check, job) if job is not None else None
