"""Rows for tests of a Dataset's plan: a situation, and the plan that must follow from it.

Data is named by the hex digit that fills its digest: `a` is the data of the current snapshot, `b` is newer data, `c` is
newer still, and `0` is a source without objects.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from modelops.api.annotations import REFRESH
from modelops.api.contract.reports import Failure, SnapshotReport, Violations
from modelops.api.dataset import Dataset, DatasetStatus
from modelops.controllers.dataset import children
from modelops.controllers.dataset.checks_digest import checks_of
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probe_result import ProbeResult, SourceProblem
from modelops.controllers.jobs import JobState
from modelops.machinery.plan import Plan
from modelops.store.listing import ListingSummary, TooManyObjects
from support.builders.common import NOW, ago, digest, settings
from support.builders.datasets import CLAIM, dataset, snapshot
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import condition_of, deleted, names, reason

Json = dict[str, Any]

SHORTLY = 2
"""Seconds until the next reconcile that evaluates what this one has done."""
SOON = 30
"""Seconds until a problem that can pass by itself is looked at again."""
PROBE_TIMEOUT = 300
"""Seconds after which a probe that never ends does not keep the Dataset waiting."""
_INTERVAL = 300
_SETTLE = 30

SCHEMA: Json = {"columns": [{"name": "lvr", "type": "number", "max": 2}]}
WARN: Json = {**SCHEMA, "onViolation": "Warn"}
CHECKS = checks_of(dataset().spec)
VIOLATIONS = Violations(total=12, examples=['column "lvr": 12 of 30 values are above max 2'])
GOOD: Json = {"snapshot": snapshot("a", checkedWith=CHECKS)}
"""Status with a current snapshot."""
ON_CLAIM: Json = {"snapshot": snapshot("a", checkedWith=CHECKS, source=CLAIM, versioned=False, changeToken="t1")}
"""Status with a current snapshot of a claim."""
PROBED: Json = {"probedAt": ago(minutes=1), "probedGeneration": 1}
"""Part of a status: a probe Job ended a minute ago."""
PROBE_DUE: Json = {**ON_CLAIM, "probedAt": ago(minutes=6), "probedGeneration": 1}
"""Status of a Dataset on a claim whose last probe Job ended longer than an interval ago."""
LOST_ACCESS: Json = {
    "digest": digest("b"),
    "objects": 3,
    "bytes": 300,
    "since": ago(minutes=1),
    "state": "Failed",
    "checkedWith": CHECKS,
    "reason": "AccessDenied",
    "message": "allow it",
    "endedAt": ago(),
}
"""Candidate whose Job could not read the data."""
STAYS_CURRENT: Json = {"ready": "True SnapshotCurrent", "valid": "True Checked", "snapshot": "a"}
"""Expectation: the current snapshot stays, and newer data is not known to be bad."""
BECOMES_CURRENT: Json = {
    "ready": "True SnapshotCurrent",
    "valid": "True Checked",
    "snapshot": "b",
    "events": ["SnapshotTaken"],
}
"""Expectation: the newer data becomes the current snapshot."""


def interval_minus(*, age: float = 1) -> float:
    """Return the seconds until the next regular probe, `age` seconds after the last one."""
    return _INTERVAL - age


def settle_minus(*, age: float = 1) -> float:
    """Return the seconds until data that was first seen `age` seconds ago has settled."""
    return _SETTLE - age


def soon_minus(*, age: float) -> float:
    """Return the seconds until a problem is looked at again, `age` seconds after it was seen."""
    return SOON - age


def probe(letter: str = "a", objects: int = 3, versioned: bool = True, newest: str | None = None) -> ListingSummary:
    """Build what a listing of the source finds."""
    return ListingSummary(digest(letter), objects, 100 * objects, versioned, newest)


def probe_result(
    outcome: ListingSummary | TooManyObjects | SourceProblem, *, seconds_ago: float = 1, failures: int = 0
) -> ProbeResult:
    """Build the result of a probe by the operator."""
    return ProbeResult(NOW - timedelta(seconds=seconds_ago), "uid-of-mortgage", 1, outcome, failures)


def candidate(letter: str, state: str, **more: Any) -> Json:
    """Build a candidate as the status has it."""
    return {"digest": digest(letter), "objects": 3, "bytes": 300, "since": ago(minutes=1), "state": state, **more}


def report(letter: str = "b", **more: Any) -> SnapshotReport:
    """Build the report of a Job that has read data."""
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


ACCESS_DENIED = SnapshotReport(failure=Failure(reason="AccessDenied", message="allow it"))
CHANGED_TO_C = report("c", failure=Failure(reason="SourceChanged", message="it changed"))
"""Report of a Job under which the data changed."""


UNCHANGED = report("a", unchanged=True, versioned=False, manifest=None, profile=None)
"""Report of a probe Job that found the data of the current snapshot of a claim."""


def snapshot_job_name(letter: str, **spec: Any) -> str:
    """Return the name of the Job that reads a digest. test_children pins what such a name looks like."""
    return children.snapshot_job_name(dataset(**spec), digest(letter))


def probe_job_name(status: Json | None = None, refresh: str | None = None, **spec: Any) -> str:
    """Return the name of the next probe Job. test_children pins what such a name looks like."""
    return children.probe_job_name(dataset(status=status, **spec), refresh)


def ended(name: str, said: SnapshotReport | None, code: int = 0, reason: str = "") -> JobState:
    """Build a Job that has ended with a report, or without."""
    state = pod("Failed" if code else "Succeeded", snapshot=terminated(code, said, reason))
    return job(name, state, ended="Failed" if code else "Complete", because="PodFailurePolicy")


def finished(letter: str, said: SnapshotReport | None, code: int = 0, reason: str = "", **spec: Any) -> JobState:
    """Build the Job that has read a digest."""
    return ended(snapshot_job_name(letter, **spec), said, code, reason)


def active(letter: str, state: Json = RUNNING) -> JobState:
    """Build the Job that reads a digest, its container in a state."""
    return job(snapshot_job_name(letter), pod(snapshot=state))


PROBE_JOB = probe_job_name(PROBE_DUE, source=CLAIM)
"""Name of the probe Job that follows PROBE_DUE."""


def ended_probe(said: SnapshotReport | None = None, code: int = 0, name: str = PROBE_JOB) -> JobState:
    """Build a probe Job that has ended."""
    return ended(name, said, code)


def running_probe(state: Json = RUNNING, name: str = PROBE_JOB) -> JobState:
    """Build a probe Job whose container is in a state."""
    return job(name, pod(snapshot=state))


def observe(
    *,
    status: Json | None = None,
    seen: ProbeResult | None = None,
    jobs: tuple[JobState, ...] = (),
    due: Literal["InProcess", "Job"] | None = None,
    obstacle: SourceProblem | None = None,
    now: timedelta = timedelta(),
    generation: int = 1,
    refresh: str | None = None,
    **spec: Any,
) -> Observation:
    """Build the Observation of a Dataset. `refresh` is the value of its annotation."""
    annotations = {REFRESH: refresh} if refresh is not None else {}
    about = dataset(status=status, generation=generation, annotations=annotations, **spec)
    return Observation(about, settings(), NOW + now, jobs, seen, due, obstacle)


def checking_b(
    *jobs: JobState,
    said: SnapshotReport | None = None,
    code: int = 0,
    reason: str = "",
    current: bool = True,
    **spec: Any,
) -> Observation:
    """Build the Observation of a Dataset whose Job for the data `b` has ended, or of the given `jobs`.

    `current`: whether the data `a` is the current snapshot. Without a report `said`, the Job left none.
    """
    return observe(
        seen=probe_result(probe("b")),
        status={**(GOOD if current else {}), "candidate": candidate("b", "Checking")},
        jobs=jobs or (finished("b", said, code, reason, **spec),),
        **spec,
    )


def status_of(done: Plan) -> DatasetStatus:
    """Return the status that a plan writes."""
    assert isinstance(done.status, DatasetStatus)
    return done.status


def carried_out(seen: Observation, done: Plan) -> Observation:
    """Return the Observation after the status is written: a probe that was due has begun, unless it could not."""
    written = seen.dataset.model_copy(update={"status": status_of(done)})
    due = seen.due if seen.obstacle is not None else None
    return replace(seen, dataset=Dataset.model_construct(**dict(written)), due=due)


@dataclass(frozen=True)
class Case:
    """A situation, and the plan that must follow. The name is the sentence that the documentation would have."""

    name: str
    given: Observation
    ready: str
    valid: str | None = None
    stalled: bool = False
    reconciling: str | None = None
    """Reason of Reconciling."""
    candidate: str | None = None
    """State of the candidate, and the letter of its digest."""
    snapshot: str | None = None
    """Letter of the current snapshot's digest."""
    applies: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    requeue_after: float | None = None
    """Seconds until the next reconcile; None: an event wakes the Dataset."""


def check(case: Case) -> None:
    """Assert that the plan is the one that the row expects."""
    done = plan(case.given)
    status = status_of(done)
    assert reason(done) == case.ready
    assert (condition_of(done, "Stalled") is not None) == case.stalled
    reconciling = condition_of(done, "Reconciling")
    assert (reconciling.reason if reconciling is not None else None) == case.reconciling
    assert reason(done, "Valid") == case.valid
    found = status.candidate
    assert (f"{found.state} {(found.digest or '?')[-1]}" if found else None) == case.candidate
    assert (status.snapshot.digest[-1] if status.snapshot else None) == case.snapshot
    assert names(done.apply) == case.applies
    assert deleted(done) == case.deletes
    assert [event.reason for event in done.events] == case.events
    assert (done.requeue_after.total_seconds() if done.requeue_after is not None else None) == case.requeue_after


def check_same_again(case: Case) -> None:
    """Assert that the written status leads to the same status, except where it holds a new report of a Job."""
    done = plan(case.given)
    if any(job.finished for job in case.given.jobs):
        return
    again = plan(carried_out(case.given, done))
    assert again.status == done.status
    assert again.conditions == done.conditions or done.apply or case.given.jobs
