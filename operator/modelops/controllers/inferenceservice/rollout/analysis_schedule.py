"""When a candidate is judged, by what, and what is told of it. Pure."""

from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import AnalysisResult, CandidateVersion, CheckResult
from modelops.api.rollout import Analysis, Check, Rollout
from modelops.controllers.inferenceservice.analysis.arguments import Subject
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job, check_job_name, check_job_result
from modelops.controllers.inferenceservice.analysis.check_runner import Answers
from modelops.controllers.inferenceservice.analysis.judge import Evidence, judge
from modelops.controllers.inferenceservice.analysis.reports import distributions
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.pod.names import candidate_url, url
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.traffic.steps import Stage
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Event
from modelops.machinery.resources import Body

_ALL = 100


def judged(seen: Observation, rollout: Rollout, candidate: CandidateVersion, stage: Stage | None) -> CandidateVersion:
    """The candidate with a new judgement, where one is due. `stage` is the one whose share it has."""
    spec, left = rollout.analysis, until_due(seen, rollout, candidate, stage)
    if spec is None or stage is None or left is None or left > timedelta(0):
        return candidate
    result = judge(
        spec,
        seen.windows.candidate,
        seen.windows.stable,
        Evidence(
            distributions(seen.windows.stable_contents, seen.windows.candidate_contents, copies=_copies(seen, stage)),
            _custom(seen, spec, candidate),
        ),
        candidate.analysis,
        seen.now,
        alone=stage.weight == _ALL,
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
    return parse_timestamp(last) + parse_duration(spec.interval) - seen.now


def subject(seen: Observation, candidate: CandidateVersion) -> Subject:
    """Whom checks of the user's own are told of."""
    service, domain = seen.service, seen.settings.cluster_domain
    template = seen.stable_template
    return Subject(
        namespace=service.metadata.namespace,
        inferenceservice=service.metadata.name,
        stable=serving_of(template).version if template is not None else "",
        candidate=candidate.version,
        weight=candidate.weight,
        stable_url=url(service, domain),
        candidate_url=candidate_url(service, domain),
    )


def check_jobs(seen: Observation, spec: Analysis | None, candidate: CandidateVersion) -> tuple[Body, ...]:
    """The Jobs that judge the step that the candidate is in."""
    if spec is None or candidate.step_since is None:
        return ()
    about = subject(seen, candidate)
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
    told = "; ".join(f"{check.name}: {check.message}" for check in after.checks if check.outcome == after.outcome)
    return (Event(f"Analysis{after.outcome}", told, warning=failed or after.outcome == "Error"),)


def _copies(seen: Observation, stage: Stage) -> bool:
    """Whether the candidate is judged by the copies that it gets. A Gateway does not mark those."""
    return stage.weight == 0 and seen.service.spec.gateway is None


def _custom(seen: Observation, spec: Analysis, candidate: CandidateVersion) -> dict[str, CheckResult]:
    found: dict[str, CheckResult] = {}
    if seen.answers is not None and asked_in_this_step(seen.answers, subject(seen, candidate), candidate):
        found |= seen.answers.results
    for check in spec.checks:
        if check.job is not None and (result := _of_job(seen, check, candidate)) is not None:
            found[check.name] = result
    return found


def asked_in_this_step(answers: Answers, about: Subject, candidate: CandidateVersion) -> bool:
    """Whether checks of one's own were asked of the candidate as it is now: what they said in the step before does not
    let it out of this one.
    """
    since = candidate.step_since
    return answers.subject == about and since is not None and answers.asked_at >= parse_timestamp(since)


def _of_job(seen: Observation, check: Check, candidate: CandidateVersion) -> CheckResult | None:
    name = check_job_name(seen.service, check, candidate.attempt, candidate.step)
    job = next((job for job in seen.check_jobs if job.key.name == name), None)
    return check_job_result(check, job) if job is not None else None
