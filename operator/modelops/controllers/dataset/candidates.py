"""What the operator has seen in the source itself: nothing new, or a candidate. Pure."""

from datetime import datetime

from modelops.api.dataset import Candidate
from modelops.api.durations import parse_duration
from modelops.controllers.dataset import children, ready_condition
from modelops.controllers.dataset.context import SHORTLY, Case
from modelops.controllers.dataset.job_result import current, reject, stays_rejected
from modelops.controllers.sources import words_for
from modelops.machinery.conditions import format_timestamp, parse_timestamp
from modelops.machinery.plan import Plan


def empty(case: Case) -> Plan | None:
    """No data is no snapshot: more often a wrong prefix than an empty one."""
    if case.probe.objects:
        return None
    if case.decided is not None and case.decided.state == "Rejected":
        return stays_rejected(case, case.decided)
    where = words_for(case.seen.dataset.spec.source)
    message = f"there is no object below {where}; upload data or correct the prefix"
    return reject(case, _candidate(case, "Settling"), "EmptyPrefix", message)


def up_to_date(case: Case) -> Plan | None:
    """What the source holds is the current snapshot, and it was checked with what the spec wants."""
    snapshot, probe = case.snapshot, case.probe
    if snapshot is None or snapshot.digest != probe.digest or snapshot.checked_with != case.checks:
        return None
    # The same objects by another way, such as a new endpoint or Secret: those who fetch them must take that way.
    found = {
        "source": case.seen.dataset.spec.source,
        "versioned": probe.versioned,
        "newest": probe.newest or snapshot.newest,
    }
    return current(case, snapshot.model_copy(update=found))


def rejected(case: Case) -> Plan | None:
    """What was rejected stays so until the data or the checks change."""
    if case.decided is None or case.decided.state != "Rejected":
        return None
    return stays_rejected(case, case.decided)


def check_failed(case: Case) -> Plan | None:
    """The check could not be done. It is tried again after the interval, by a Job that starts anew."""
    candidate = case.known
    if candidate is None or candidate.state != "Failed":
        return None
    retry_at = _retry_at(case, candidate)
    if case.decided is not None and case.seen.now < retry_at:
        status, left = case.with_candidate(candidate), retry_at - case.seen.now
        look_in = case.until_next_look(status)
        requeue_after = min(left, look_in) if look_in is not None else left
        return Plan(status=status, conditions=ready_condition.failed(candidate), requeue_after=requeue_after)
    job = case.seen.job
    if job is None:
        return None
    message = f"the check is done again; it failed before: {candidate.message}"
    return Plan(
        delete=(job.delete,),
        status=case.status,
        conditions=ready_condition.working(case, "Retrying", message),
        requeue_after=SHORTLY,
    )


def settling(case: Case) -> Plan | None:
    """A change must hold still for `settle` before it counts: uploads are rarely one object."""
    assert case.seen.sighting is not None
    candidate = _candidate(case, "Settling")
    settled = parse_timestamp(candidate.since) + parse_duration(case.seen.dataset.spec.settle)
    if case.seen.sighting.at >= settled or _held_still_before(case):
        return None
    status = case.with_candidate(candidate)
    what = f"{ready_condition.objects(candidate.objects)}, {candidate.bytes} bytes"
    shown = ready_condition.working(
        case, "ChangeSettling", f"{what}: must hold still until {format_timestamp(settled)}"
    )
    return Plan(status=status, conditions=shown, requeue_after=case.until_next_look(status))


def settled(case: Case) -> Plan | None:
    """The data has held still: a Job reads it."""
    candidate, dataset, digest = _candidate(case, "Checking"), case.seen.dataset, case.probe.digest
    job = case.seen.job_for(digest)
    message = f"Job {children.job_name(dataset, digest)} reads {ready_condition.objects(candidate.objects)}"
    return Plan(
        # One that is there already was started before the status could be written.
        apply=() if job is not None else (children.job(dataset, digest, case.seen.settings),),
        status=case.with_candidate(candidate),
        conditions=ready_condition.working(case, "Checking", message),
        requeue_after=SHORTLY if job is not None else None,
    )


def _candidate(case: Case, state: str) -> Candidate:
    """What the source holds, as a candidate: since when it has held still is kept."""
    assert case.seen.sighting is not None
    probe, known = case.probe, case.known
    since = known.since if known is not None else format_timestamp(case.seen.sighting.at)
    return Candidate.model_validate(
        {"digest": probe.digest, "objects": probe.objects, "bytes": probe.bytes, "since": since, "state": state}
    )


def _held_still_before(case: Case) -> bool:
    """Data that was given to a check once, and is to be checked again, need not hold still another time."""
    was_checked = case.known is not None and case.known.state != "Settling"
    return was_checked or (case.snapshot is not None and case.snapshot.digest == case.probe.digest)


def _retry_at(case: Case, failed: Candidate) -> datetime:
    ended = parse_timestamp(failed.ended_at) if failed.ended_at else case.seen.now
    return ended + parse_duration(case.seen.dataset.spec.interval)
