"""Datasets for planners' tests: what is given, and what a plan must come to."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from modelops.api.annotations import REFRESH
from modelops.api.contract.reports import SnapshotReport, Violations
from modelops.api.dataset import Dataset, DatasetStatus
from modelops.controllers.dataset import children
from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probe_result import Problem, Sighting
from modelops.controllers.jobs import JobState
from modelops.machinery.plan import Plan
from modelops.store.listing import Probe, TooMany
from support.builders.common import NOW, ago, digest, settings
from support.builders.datasets import CLAIM, dataset, snapshot
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import deleted, names, reason, shown

Json = dict[str, Any]
SCHEMA: Json = {"columns": [{"name": "lvr", "type": "number", "max": 2}]}
WARN: Json = {**SCHEMA, "onViolation": "Warn"}
CHECKS = checks_of(dataset().spec)
VIOLATIONS = Violations(total=12, examples=['column "lvr": 12 of 30 values are above max 2'])
GOOD: Json = {"snapshot": snapshot("a", checkedWith=CHECKS)}
ON_CLAIM: Json = {"snapshot": snapshot("a", checkedWith=CHECKS, source=CLAIM, versioned=False, changeToken="t1")}
LOOKED: Json = {"probedAt": ago(minutes=1), "probedGeneration": 1}


def probe(letter: str = "a", objects: int = 3, versioned: bool = True, newest: str | None = None) -> Probe:
    """What the operator saw."""
    return Probe(digest(letter), objects, 100 * objects, versioned, newest)


def sighting(found: Probe | TooMany | Problem, seconds_ago: float = 1, failures: int = 0) -> Sighting:
    """A look of the operator's own."""
    return Sighting(NOW - timedelta(seconds=seconds_ago), "uid-of-mortgage", 1, found, failures)


def candidate(letter: str, state: str, **more: Any) -> Json:
    """A candidate as the status has it."""
    return {"digest": digest(letter), "objects": 3, "bytes": 300, "since": ago(minutes=1), "state": state, **more}


def report(letter: str = "b", **more: Any) -> SnapshotReport:
    """What a snapshot Job found."""
    given: Json = {
        "digest": digest(letter),
        "objects": 3,
        "bytes": 300,
        "rows": 30,
        "versioned": True,
        "manifest": f"s3://store/manifests/{letter}",
        "profile": f"s3://store/profiles/{letter}",
    }
    return SnapshotReport.model_validate(given | more)


def name_of(letter: str, **spec: Any) -> str:
    """The name of the Job that reads a digest."""
    return children.job_name(dataset(**spec), digest(letter))


def ended(name: str, said: SnapshotReport | None, code: int = 0, reason: str = "") -> JobState:
    """A Job that has ended, with what it left behind."""
    state = pod("Failed" if code else "Succeeded", snapshot=terminated(code, said, reason))
    return job(name, state, ended="Failed" if code else "Complete", because="PodFailurePolicy")


def finished(letter: str, said: SnapshotReport | None, code: int = 0, reason: str = "", **spec: Any) -> JobState:
    """The Job that has read a digest."""
    return ended(name_of(letter, **spec), said, code, reason)


def active(letter: str, state: Json = RUNNING) -> JobState:
    """The Job that reads a digest."""
    return job(name_of(letter), pod(snapshot=state))


def survey_name(status: Json | None = None, refresh: str | None = None, **spec: Any) -> str:
    """The name of the Job that looks next."""
    return children.survey_name(dataset(status=status, **spec), refresh)


def observe(
    *,
    status: Json | None = None,
    seen: Sighting | None = None,
    jobs: tuple[JobState, ...] = (),
    due: Literal["Probe", "Survey"] | None = None,
    obstacle: Problem | None = None,
    now: timedelta = timedelta(),
    generation: int = 1,
    refresh: str | None = None,
    **spec: Any,
) -> Observation:
    """A Dataset and what was seen of it. `refresh` is the annotation's value."""
    annotations = {REFRESH: refresh} if refresh is not None else {}
    about = dataset(status=status, generation=generation, annotations=annotations, **spec)
    return Observation(about, settings(), NOW + now, jobs, seen, due, obstacle)


def status_of(done: Plan) -> DatasetStatus:
    """The status that a plan wants."""
    assert isinstance(done.status, DatasetStatus)
    return done.status


def carried_out(seen: Observation, done: Plan) -> Observation:
    """The same Dataset once the plan's status is written: what was due has begun, unless it could not."""
    written = seen.dataset.model_copy(update={"status": status_of(done)})
    due = seen.due if seen.obstacle is not None else None
    return replace(seen, dataset=Dataset.model_construct(**dict(written)), due=due)


@dataclass(frozen=True)
class Case:
    """A situation, and what the Dataset is then. The name is the sentence that the documentation would have."""

    name: str
    given: Observation
    ready: str
    valid: str | None = None
    stalled: bool = False
    working: str | None = None
    """The reason of Reconciling."""
    candidate: str | None = None
    """The candidate's state and its digest's letter."""
    snapshot: str | None = None
    """The current snapshot's letter."""
    applies: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    requeue_after: float | None = None
    """In seconds; None: whenever something wakes it."""


def check(case: Case) -> None:
    """The plan is what the case says."""
    done = plan(case.given)
    status = status_of(done)
    assert reason(done) == case.ready
    assert (shown(done, "Stalled") is not None) == case.stalled
    reconciling = shown(done, "Reconciling")
    assert (reconciling.reason if reconciling is not None else None) == case.working
    assert reason(done, "Valid") == case.valid
    found = status.candidate
    assert (f"{found.state} {(found.digest or '?')[-1]}" if found else None) == case.candidate
    assert (status.snapshot.digest[-1] if status.snapshot else None) == case.snapshot
    assert names(done.apply) == case.applies
    assert deleted(done) == case.deletes
    assert [event.reason for event in done.events] == case.events
    assert (done.requeue_after.total_seconds() if done.requeue_after is not None else None) == case.requeue_after


def check_same_again(case: Case) -> None:
    """A status that is written does not by itself lead to another one, but where a Job's report has just been kept."""
    done = plan(case.given)
    if any(one.finished for one in case.given.jobs):
        return
    again = plan(carried_out(case.given, done))
    assert again.status == done.status
    assert again.conditions == done.conditions or done.apply or case.given.jobs
