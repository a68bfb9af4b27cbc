"""Steps of the plan after the operator has listed the source: nothing new, or a candidate snapshot. Pure."""

from datetime import datetime

from modelops.api.dataset import Candidate
from modelops.api.durations import parse_duration
from modelops.controllers.dataset import children, ready_condition
from modelops.controllers.dataset.context import SHORTLY, Context
from modelops.controllers.dataset.job_result import reject, snapshot_current, still_rejected
from modelops.controllers.requeue import earliest
from modelops.controllers.sources import describe_source
from modelops.machinery.conditions import format_timestamp, parse_timestamp
from modelops.machinery.plan import Plan


def empty(context: Context) -> Plan | None:
    """Reject a source without objects: the cause is more often a wrong prefix than an empty one."""
    if context.probe.objects:
        return None
    if context.decided_candidate is not None and context.decided_candidate.state == "Rejected":
        return still_rejected(context, context.decided_candidate)
    where = describe_source(context.seen.dataset.spec.source)
    message = f"no objects below {where}; upload data or correct the prefix"
    return reject(context, _candidate(context, "Settling"), "EmptyPrefix", message)


def up_to_date(context: Context) -> Plan | None:
    """Keep the current snapshot if the source holds the same data and the spec the same checks."""
    snapshot, probe = context.snapshot, context.probe
    if snapshot is None or snapshot.digest != probe.digest or snapshot.checked_with != context.checks:
        return None
    # The same objects may have another address, such as a new endpoint or Secret: runs fetch by what the status says.
    update = {
        "source": context.seen.dataset.spec.source,
        "versioned": probe.versioned,
        "last_modified": probe.newest or snapshot.last_modified,
    }
    return snapshot_current(context, snapshot.model_copy(update=update))


def rejected(context: Context) -> Plan | None:
    """Keep a candidate rejected until the data or the checks change."""
    if context.decided_candidate is None or context.decided_candidate.state != "Rejected":
        return None
    return still_rejected(context, context.decided_candidate)


def check_failed(context: Context) -> Plan | None:
    """Check a candidate again, in a new Job, once the interval has passed since its Job failed."""
    candidate = context.probed_candidate
    if candidate is None or candidate.state != "Failed":
        return None
    retry_at = _retry_at(context, candidate)
    if context.decided_candidate is not None and context.seen.now < retry_at:
        status = context.with_candidate(candidate)
        return Plan(
            status=status,
            conditions=ready_condition.candidate_failed(candidate),
            requeue_after=earliest(retry_at - context.seen.now, context.until_next_probe(status)),
        )
    job = context.seen.snapshot_job
    if job is None:
        return None
    message = f"checking the data again; the last check failed: {candidate.message}"
    return Plan(
        delete=(job.delete,),
        status=context.status,
        conditions=ready_condition.progressing(context, "Retrying", message),
        requeue_after=SHORTLY,
    )


def settling(context: Context) -> Plan | None:
    """Wait until the data has not changed for `settle`: an upload is rarely a single object."""
    assert context.seen.probe_result is not None
    candidate = _candidate(context, "Settling")
    settled_at = parse_timestamp(candidate.since) + parse_duration(context.seen.dataset.spec.settle)
    if context.seen.probe_result.at >= settled_at or _settled_before(context):
        return None
    status = context.with_candidate(candidate)
    size = f"{ready_condition.objects(candidate.objects)}, {candidate.bytes} bytes"
    message = f"{size}: settling until {format_timestamp(settled_at)} unless the data changes"
    return Plan(
        status=status,
        conditions=ready_condition.progressing(context, "ChangeSettling", message),
        requeue_after=context.until_next_probe(status),
    )


def settled(context: Context) -> Plan | None:
    """Create the Job that reads the data, and show the candidate as Checking."""
    candidate, dataset, digest = _candidate(context, "Checking"), context.seen.dataset, context.probe.digest
    job = context.seen.snapshot_job_for(digest)
    name = children.snapshot_job_name(dataset, digest)
    message = f"{ready_condition.objects(candidate.objects)}: Job {name} reads the data"
    return Plan(
        # The operator may have stopped after it created the Job and before it wrote the status.
        apply=() if job is not None else (children.snapshot_job(dataset, digest, context.seen.settings),),
        status=context.with_candidate(candidate),
        conditions=ready_condition.progressing(context, "Checking", message),
        requeue_after=SHORTLY if job is not None else None,
    )


def _candidate(context: Context, state: str) -> Candidate:
    """Return the probed data as a candidate. One that is in the status already keeps its `since`."""
    assert context.seen.probe_result is not None
    probe, known = context.probe, context.probed_candidate
    since = known.since if known is not None else format_timestamp(context.seen.probe_result.at)
    return Candidate.model_validate(
        {"digest": probe.digest, "objects": probe.objects, "bytes": probe.bytes, "since": since, "state": state}
    )


def _settled_before(context: Context) -> bool:
    """Return whether the same data had settled before: a repeated check does not wait again."""
    candidate = context.probed_candidate
    was_checked = candidate is not None and candidate.state != "Settling"
    return was_checked or (context.snapshot is not None and context.snapshot.digest == context.probe.digest)


def _retry_at(context: Context, failed: Candidate) -> datetime:
    ended = parse_timestamp(failed.ended_at) if failed.ended_at else context.seen.now
    return ended + parse_duration(context.seen.dataset.spec.interval)
