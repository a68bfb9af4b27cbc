"""The end of a rollout: promote the candidate, or delete it. Pure."""

from dataclasses import replace

from modelops.api.inferenceservice_status import CandidateVersion, FailedVersion, InferenceServiceStatus
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.rollout.status import build_status, failure_conditions
from modelops.controllers.inferenceservice.rollout.steady_state import steady_state
from modelops.controllers.inferenceservice.rollout.transitions import DISCARDED, Cause
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Event, Plan


def promote(seen: Observation, candidate: CandidateVersion) -> Plan:
    """Make the candidate the stable revision: the Service selects it, then the former stable revision is deleted."""
    update = {"candidate": None, "last_handled_requests": seen.requests.handled}
    status = seen.service.status.model_copy(update=update)
    after = replace(_with_status(seen, status), stable=candidate.revision, recorded=None)
    return steady_state(after, events=(Event("Promoted", f"ModelVersion {candidate.version} serves all requests"),))


def remove(seen: Observation, candidate: CandidateVersion, cause: Cause) -> Plan:
    """Delete the candidate and keep the cause in the status. No request is forwarded to it from now on."""
    failed = FailedVersion(
        version=candidate.version,
        digest=candidate.digest,
        revision=candidate.revision,
        attempt=candidate.attempt,
        at=format_timestamp(seen.now),
        step=candidate.step,
        weight=candidate.weight,
        reason=cause.reason,
        message=cause.message,
        analysis=candidate.analysis,
    )
    after = _with_status(seen, build_status(seen, None, failed))
    discarded = cause.reason == DISCARDED
    reason = "Discarded" if discarded else "RolledBack"
    event = Event(reason, f"ModelVersion {candidate.version}: {cause.message}", warning=not discarded)
    return steady_state(after, failure_conditions(after, failed), failed, (event,))


def _with_status(seen: Observation, status: InferenceServiceStatus) -> Observation:
    return replace(seen, service=seen.service.model_copy(update={"status": status}))
