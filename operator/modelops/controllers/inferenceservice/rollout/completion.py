"""The end of a candidate's way: it serves, or it goes. Pure."""

from dataclasses import replace

from modelops.api.inferenceservice_status import FailedVersion, InferenceServiceStatus
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.rollout.annotations import requests_of
from modelops.controllers.inferenceservice.rollout.context import Case
from modelops.controllers.inferenceservice.rollout.state_machine import Verdict
from modelops.controllers.inferenceservice.rollout.status import DISCARDED, failed_before, shown
from modelops.controllers.inferenceservice.rollout.steady_state import serving_now
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Event, Plan


def promoted(case: Case) -> Plan:
    """It is the stable revision from now on: the Service leads to it, and then what served before goes."""
    seen = case.seen
    handled = requests_of(seen.service).handled
    status = seen.service.status.model_copy(update={"candidate": None, "handled": handled})
    after = replace(_with(seen, status), stable=case.candidate.revision, remembered=None)
    return serving_now(after, events=(Event("Promoted", f"ModelVersion {case.candidate.version} serves all requests"),))


def ended(case: Case, verdict: Verdict) -> Plan:
    """It goes, and is remembered with what speaks against it. No request reaches it from now on."""
    seen, candidate = case.seen, case.candidate
    entry = FailedVersion(
        version=candidate.version,
        digest=candidate.digest,
        revision=candidate.revision,
        attempt=candidate.attempt,
        at=format_timestamp(seen.now),
        step=candidate.step,
        weight=candidate.weight,
        reason=verdict.reason,
        message=verdict.message,
        analysis=candidate.analysis,
    )
    after = _with(seen, shown(seen, None, entry))
    known = failed_before(after)
    assert known is not None, "it has just been written down"
    word = "Discarded" if verdict.reason == DISCARDED else "RolledBack"
    event = Event(word, f"ModelVersion {candidate.version}: {verdict.message}", warning=word != "Discarded")
    return serving_now(after, known.conditions, entry, (event,))


def _with(seen: Observation, status: InferenceServiceStatus) -> Observation:
    return replace(seen, service=seen.service.model_copy(update={"status": status}))
