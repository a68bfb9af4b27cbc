"""What a Dataset needs: its newest good data pinned, and every other state of it told apart."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from modelops.api.dataset import Candidate, DatasetStatus, PastSnapshot, Snapshot
from modelops.api.reports import SnapshotReport
from modelops.api.types import length_of
from modelops.controllers.dataset import children
from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.outcome import Failure, Lost, Moved, Taken, Unusable, outcome
from modelops.controllers.dataset.sighting import Problem, next_look, undecided
from modelops.controllers.jobs import JobState
from modelops.machinery.conditions import (
    READY,
    RECONCILING,
    Wanted,
    condition,
    in_progress,
    moment,
    ready,
    stalled,
    timestamp,
    waiting,
)
from modelops.machinery.plan import Event, Plan, first_answer
from modelops.store.listing import Probe

_HISTORY = 10
_EXAMPLES = 10
_EXAMPLE_CHARACTERS = 1024
_BLIPS = 2
"""So many transient problems in a row are nobody's business yet."""
_SHORTLY = timedelta(seconds=2)
_LOOK_TAKES_AT_MOST = timedelta(minutes=5)


@dataclass(frozen=True)
class Case:
    """An observation, and what follows from it at once."""

    seen: Observation
    status: DatasetStatus
    """The status as it is."""
    checks: str
    """What the spec wants data to be checked with."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The current snapshot."""
        return self.status.snapshot

    @property
    def candidate(self) -> Candidate | None:
        """What was known of the data that is not current."""
        return self.status.candidate

    @property
    def probe(self) -> Probe:
        """What the source holds. The steps before those that ask for it answer where it could not be seen."""
        assert self.seen.sighting is not None
        assert isinstance(self.seen.sighting.found, Probe)
        return self.seen.sighting.found

    @property
    def known(self) -> Candidate | None:
        """The candidate, if it is what the source holds now."""
        return self.candidate if self.candidate is not None and self.candidate.digest == self.probe.digest else None

    @property
    def decided(self) -> Candidate | None:
        """The same, if it has been checked against what the spec wants."""
        return self.known if self.known is not None and self.known.checked_with == self.checks else None


def plan(seen: Observation) -> Plan:
    """Decide what a Dataset needs now. Pure."""
    case = Case(seen, seen.dataset.status, checks_of(seen.dataset.spec))
    decision = first_answer(
        case,
        (
            _suspended,
            _being_checked,
            _checked,
            _not_seen,
            _source_problem,
            _empty,
            _up_to_date,
            _rejected,
            _check_failed,
            _settling,
            _settled,
        ),
    )
    return _tidied(case, decision)


def _suspended(case: Case) -> Plan | None:
    """Nobody looks. What was under way is given up, and what is known stays."""
    if not case.seen.dataset.spec.suspend:
        return None
    given_up = case.candidate is not None and undecided(case.candidate.state)
    status = case.status.model_copy(update={"candidate": None}) if given_up else case.status
    message = "spec.suspend is true: the source is not looked at"
    summary = condition(READY, case.snapshot is not None, "Suspended", message)
    return Plan(status=status, conditions=_conditions(status, summary))


def _being_checked(case: Case) -> Plan | None:
    """A Job reads the data. What happens to the source meanwhile is its next question, not this one."""
    job, candidate = case.seen.job, case.candidate
    if job is None or candidate is None or not undecided(candidate.state) or job.finished:
        return None
    status = _with(case, candidate.model_copy(update={"state": "Checking"}))
    return Plan(status=status, conditions=_conditions(status, *_progress(case, job)))


def _checked(case: Case) -> Plan | None:
    """The Job has ended: a snapshot, or a reason why there is none. Its report is kept here before the Job may go."""
    job, candidate = case.seen.job, case.candidate
    if job is None or candidate is None or not undecided(candidate.state) or not job.finished:
        return None
    match outcome(job):
        case Taken(report):
            return _read(case, candidate, report)
        case Unusable(reason, message):
            return _reject(case, candidate, reason, message)
        case Moved(message, digest):
            return _moved(case, candidate, job, message, digest)
        case Lost(message):
            status = case.status
            shown = _working(case, "ReportLost", f"{message}: the data is checked again")
            return Plan(
                delete=(job.delete,),
                status=status,
                conditions=_conditions(status, *shown),
                events=(Event("ReportLost", message, warning=True),),
                again_in=_SHORTLY,
            )
        case Failure(reason, message):
            failed = candidate.model_copy(
                update={
                    "state": "Failed",
                    "checked_with": case.checks,
                    "ended_at": timestamp(case.seen.now),
                    "reason": reason,
                    "message": message,
                }
            )
            return _could_not_check(case, failed)


def _not_seen(case: Case) -> Plan | None:
    """The first look at the source is under way: what is known goes on to hold, unless the spec has changed."""
    if case.seen.sighting is not None:
        return None
    if case.status.observed_generation == case.seen.dataset.metadata.generation and case.status.conditions:
        conditions = _as_before(case)
    else:
        conditions = _conditions(case.status, *_working(case, "Probing", "the source is looked at"))
    return Plan(status=case.status, conditions=conditions, again_in=_LOOK_TAKES_AT_MOST)


def _source_problem(case: Case) -> Plan | None:
    """The source, or what is needed to look at it, is not there. The last good snapshot stays."""
    sighting = case.seen.sighting
    assert sighting is not None
    found = sighting.found
    if not isinstance(found, Problem):
        return None
    again_in = _until_next_look(case, case.status)
    match found.kind:
        case "Waiting":
            shown = waiting(found.reason, found.message)
        case "Stalled":
            shown = stalled(found.reason, found.message)
        case "Transient":
            if sighting.failures <= _BLIPS and case.status.conditions:
                return Plan(status=case.status, conditions=_as_before(case), again_in=again_in)
            shown = in_progress(found.reason, f"{found.message} ({sighting.failures} times in a row)")
    return Plan(status=case.status, conditions=_conditions(case.status, *shown), again_in=again_in)


def _empty(case: Case) -> Plan | None:
    """No data is no snapshot: more often a wrong prefix than an empty one."""
    if case.probe.objects:
        return None
    if case.decided is not None and case.decided.state == "Rejected":
        return _stays_rejected(case, case.decided)
    source = case.seen.dataset.spec.source.s3
    where = f"s3://{source.bucket}/{source.prefix}"
    message = f"there is no object below {where}; upload data or correct the prefix"
    return _reject(case, _candidate(case, "Settling"), "EmptyPrefix", message)


def _up_to_date(case: Case) -> Plan | None:
    """What the source holds is the current snapshot, and it was checked with what the spec wants."""
    snapshot = case.snapshot
    if snapshot is None or snapshot.digest != case.probe.digest or snapshot.checked_with != case.checks:
        return None
    # The same objects by another way, such as a new endpoint or Secret: those who fetch them must take that way.
    snapshot = snapshot.model_copy(
        update={"source": case.seen.dataset.spec.source.s3, "versioned": case.probe.versioned}
    )
    status = case.status.model_copy(update={"snapshot": snapshot, "candidate": None})
    return _good(case, status)


def _rejected(case: Case) -> Plan | None:
    """What was rejected stays so until the data or the checks change."""
    if case.decided is None or case.decided.state != "Rejected":
        return None
    return _stays_rejected(case, case.decided)


def _check_failed(case: Case) -> Plan | None:
    """The check could not be done. It is tried again after the interval, by a Job that starts anew."""
    candidate = case.decided
    if candidate is None or candidate.state != "Failed":
        return None
    if case.seen.now < _retry_at(case, candidate):
        return _could_not_check(case, candidate)
    job = case.seen.job
    if job is None:
        return None
    shown = _working(case, "Retrying", f"the check is done again; it failed before: {candidate.message}")
    return Plan(
        delete=(job.delete,), status=case.status, conditions=_conditions(case.status, *shown), again_in=_SHORTLY
    )


def _settling(case: Case) -> Plan | None:
    """A change must hold still for `settle` before it counts: uploads are rarely one object."""
    assert case.seen.sighting is not None
    candidate = _candidate(case, "Settling")
    settled = moment(candidate.since) + length_of(case.seen.dataset.spec.settle)
    if case.seen.sighting.at >= settled or _held_still_before(case):
        return None
    status = _with(case, candidate)
    what = f"{_objects(candidate.objects)}, {candidate.bytes} bytes"
    shown = _working(case, "ChangeSettling", f"{what}: must hold still until {timestamp(settled)}")
    return Plan(status=status, conditions=_conditions(status, *shown), again_in=_until_next_look(case, status))


def _settled(case: Case) -> Plan | None:
    """The data has held still: a Job reads it."""
    candidate = _candidate(case, "Checking")
    status = _with(case, candidate)
    dataset = case.seen.dataset
    job = case.seen.job_for(candidate.digest)
    message = f"Job {children.job_name(dataset, candidate.digest)} reads {_objects(candidate.objects)}"
    return Plan(
        # One that is there already was started before the status could be written.
        apply=() if job is not None else (children.job(dataset, candidate.digest, case.seen.settings),),
        status=status,
        conditions=_conditions(status, *_working(case, "Checking", message)),
        again_in=_SHORTLY if job is not None else None,
    )


def _read(case: Case, candidate: Candidate, report: SnapshotReport) -> Plan:
    """The data has been read, and the schema has been held against it."""
    schema = case.seen.dataset.spec.schema_
    bad = report.violations
    if report.profile is None:
        first = f": {bad.examples[0]}" if bad is not None and bad.examples else ""
        return _reject(case, candidate, "Unreadable", f"the data cannot be read as {_format(case)}{first}", report)
    if bad is not None and (schema is None or schema.on_violation == "Reject"):
        return _reject(case, candidate, "SchemaViolated", _violated(bad.total, bad.examples), report)
    return _take(case, report)


def _take(case: Case, report: SnapshotReport) -> Plan:
    assert report.digest is not None
    assert report.manifest is not None
    assert report.profile is not None
    taken_at = timestamp(case.seen.now)
    snapshot = Snapshot(
        digest=report.digest,
        objects=report.objects,
        bytes=report.bytes,
        rows=report.rows,
        manifest=report.manifest,
        profile=report.profile,
        taken_at=taken_at,
        source=case.seen.dataset.spec.source.s3,
        versioned=report.versioned,
        checked_with=case.checks,
        object_versions=report.object_versions,
        violations=report.violations.total if report.violations else 0,
        examples=_examples(report),
    )
    past = PastSnapshot(digest=snapshot.digest, manifest=snapshot.manifest, rows=snapshot.rows, taken_at=taken_at)
    older = case.status.history
    if older and older[0].digest == past.digest:
        older = older[1:]
    status = case.status.model_copy(
        update={"snapshot": snapshot, "candidate": None, "history": [past, *older][:_HISTORY]}
    )
    message = f"{snapshot.digest}: {_objects(snapshot.objects)}, {snapshot.rows} rows"
    return replace(_good(case, status), events=(Event("SnapshotTaken", message),))


def _good(case: Case, status: DatasetStatus) -> Plan:
    snapshot = status.snapshot
    assert snapshot is not None
    message = f"{_objects(snapshot.objects)}, {snapshot.rows} rows, digest {snapshot.digest}"
    return Plan(
        status=status,
        conditions=_conditions(status, *ready("SnapshotCurrent", message)),
        again_in=_until_next_look(case, status),
    )


def _reject(case: Case, candidate: Candidate, reason: str, message: str, report: SnapshotReport | None = None) -> Plan:
    rejected = candidate.model_copy(
        update={
            "state": "Rejected",
            "checked_with": case.checks,
            "ended_at": timestamp(case.seen.now),
            "reason": reason,
            "message": message,
            "violations": report.violations.total if report is not None and report.violations else None,
            "examples": _examples(report) if report is not None else [],
        }
    )
    event = Event("CandidateRejected", f"{reason}: {message}", warning=True)
    return replace(_stays_rejected(case, rejected), events=(event,))


def _stays_rejected(case: Case, rejected: Candidate) -> Plan:
    """With a good snapshot the Dataset is of use all the same; without one a person must change something."""
    status = _with(case, rejected)
    reason, message = rejected.reason or "Rejected", rejected.message or ""
    if status.snapshot is not None:
        shown = ready("CandidateRejected", f"the last good snapshot stays; newer data was rejected: {message}")
    else:
        shown = stalled(reason, message)
    return Plan(status=status, conditions=_conditions(status, *shown), again_in=_until_next_look(case, status))


def _could_not_check(case: Case, failed: Candidate) -> Plan:
    status = _with(case, failed)
    left = _retry_at(case, failed) - case.seen.now
    looks_in = _until_next_look(case, status)
    return Plan(
        status=status,
        conditions=_conditions(status, *stalled(failed.reason or "CheckFailed", failed.message or "")),
        again_in=min(left, looks_in) if looks_in is not None else left,
    )


def _moved(case: Case, candidate: Candidate, job: JobState, message: str, digest: str | None) -> Plan:
    """The change starts anew. In the next second, so that no look that has begun already can settle it."""
    again = candidate.model_copy(
        update={
            "state": "Settling",
            "digest": digest or candidate.digest,
            "since": timestamp(case.seen.now + timedelta(seconds=1)),
            "checked_with": None,
            "ended_at": None,
            "reason": None,
            "message": None,
        }
    )
    status = _with(case, again)
    return Plan(
        delete=(job.delete,),
        status=status,
        conditions=_conditions(status, *_working(case, "SourceChanged", f"{message}: it must hold still first")),
        again_in=_SHORTLY,
    )


def _tidied(case: Case, decision: Plan) -> Plan:
    """Jobs that neither the status nor the decision speaks of go: what they had to say is kept, or of no use."""
    if case.seen.sighting is None and not case.seen.dataset.spec.suspend:
        return decision
    assert isinstance(decision.status, DatasetStatus)
    dataset, after = case.seen.dataset, decision.status.candidate
    kept = set()
    if case.candidate is not None and case.candidate.state != "Failed" and not dataset.spec.suspend:
        kept.add(children.job_name(dataset, case.candidate.digest))
    if after is not None and after.state != "Failed":
        kept.add(children.job_name(dataset, after.digest))
    going = {one.key for one in decision.delete}
    strays = tuple(job.delete for job in case.seen.jobs if job.key.name not in kept and job.key not in going)
    return replace(decision, delete=(*decision.delete, *strays))


def _progress(case: Case, job: JobState) -> tuple[Wanted, ...]:
    pod = job.pod
    if pod is None:
        return _working(case, "Checking", f"Job {job.key.name} exists, its Pod does not yet")
    if pod.pull_problem is not None:
        return stalled("ImagePullFailed", pod.pull_problem.waits_message or pod.pull_problem.waits_because)
    if pod.start_problem is not None:
        return stalled(pod.start_problem.waits_because, pod.start_problem.waits_message)
    if pod.unschedulable:
        return _working(case, "Unschedulable", pod.unschedulable)
    return _working(case, "Checking", f"Pod {pod.name} reads the data (attempt {max(job.attempts, 1)})")


def _working(case: Case, reason: str, message: str) -> tuple[Wanted, ...]:
    """Something new is under way. With a good snapshot the Dataset is Ready all the while."""
    if case.snapshot is None:
        return in_progress(reason, message)
    current = f"snapshot {case.snapshot.digest} is current"
    return (condition(READY, True, "SnapshotCurrent", current), condition(RECONCILING, True, reason, message))


def _as_before(case: Case) -> tuple[Wanted, ...]:
    return tuple(Wanted(one.type, one.status, one.reason, one.message) for one in case.status.conditions)


def _conditions(status: DatasetStatus, *summary: Wanted) -> tuple[Wanted, ...]:
    """The summary, and what there is to say of the newest data and of the snapshot."""
    return *summary, *_valid(status), *_reproducible(status)


def _valid(status: DatasetStatus) -> tuple[Wanted, ...]:
    """Of the newest data that was checked."""
    candidate, snapshot = status.candidate, status.snapshot
    if candidate is not None and candidate.state == "Rejected":
        return (condition("Valid", False, candidate.reason or "Rejected", candidate.message or ""),)
    if snapshot is None:
        return ()
    if snapshot.violations:
        message = _violated(snapshot.violations, snapshot.examples)
        return (condition("Valid", False, "SchemaViolated", message),)
    return (condition("Valid", True, "Checked", f"{snapshot.rows} rows are what they must be"),)


def _reproducible(status: DatasetStatus) -> tuple[Wanted, ...]:
    """Honesty: data that can be overwritten for good says so."""
    snapshot = status.snapshot
    if snapshot is None:
        return ()
    if not snapshot.versioned:
        bucket = f'bucket "{snapshot.source.bucket}" keeps no versions'
        message = f"{bucket}, so these bytes may not be had again: turn versioning on"
        return (condition("Reproducible", False, "BucketNotVersioned", message),)
    return (condition("Reproducible", True, "Pinned", "every object is pinned by its version"),)


def _candidate(case: Case, state: str) -> Candidate:
    """What the source holds, as a candidate: since when it has held still is kept."""
    assert case.seen.sighting is not None
    probe, known = case.probe, case.known
    since = known.since if known is not None else timestamp(case.seen.sighting.at)
    return Candidate.model_validate(
        {"digest": probe.digest, "objects": probe.objects, "bytes": probe.bytes, "since": since, "state": state}
    )


def _held_still_before(case: Case) -> bool:
    """Data that was given to a check once, and is to be checked again, need not hold still another time."""
    was_checked = case.known is not None and case.known.state != "Settling"
    return was_checked or (case.snapshot is not None and case.snapshot.digest == case.probe.digest)


def _with(case: Case, candidate: Candidate) -> DatasetStatus:
    return case.status.model_copy(update={"candidate": candidate})


def _until_next_look(case: Case, status: DatasetStatus) -> timedelta | None:
    dataset = case.seen.dataset.model_copy(update={"status": status})
    due = next_look(dataset, case.seen.sighting, None)
    if due is None:
        return None
    if due > case.seen.now:
        return due - case.seen.now
    # Where one was due already it has been started with this observation, and its end wakes the Dataset.
    was_due = next_look(case.seen.dataset, case.seen.sighting, case.seen.job)
    return _LOOK_TAKES_AT_MOST if was_due is not None and was_due <= case.seen.now else _SHORTLY


def _retry_at(case: Case, failed: Candidate) -> datetime:
    ended = moment(failed.ended_at) if failed.ended_at else case.seen.now
    return ended + length_of(case.seen.dataset.spec.interval)


def _violated(total: int, examples: list[str]) -> str:
    shown = "; ".join(examples)
    return f"{total} violation{'s' if total != 1 else ''}: {shown}" if shown else f"{total} violations"


def _examples(report: SnapshotReport) -> list[str]:
    found = report.violations.examples if report.violations is not None else []
    return [one[:_EXAMPLE_CHARACTERS] for one in found[:_EXAMPLES]]


def _objects(count: int) -> str:
    return f"{count} object{'s' if count != 1 else ''}"


def _format(case: Case) -> str:
    return case.seen.dataset.spec.format.type
