"""An InferenceService's story: what shall serve, what serves, and how the one becomes the other.

Whatever keeps a new revision from serving, what serves goes on as it is.
"""

from datetime import timedelta

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.pod.names import service_name
from modelops.controllers.inferenceservice.revisions.version_selection import Refusal
from modelops.controllers.inferenceservice.rollout.context import case_of
from modelops.controllers.inferenceservice.rollout.initial import first
from modelops.controllers.inferenceservice.rollout.rolling_update import pod_by_pod
from modelops.controllers.inferenceservice.rollout.status import failed_before, going_on, shown
from modelops.controllers.inferenceservice.rollout.steady_state import serving_now
from modelops.controllers.inferenceservice.rollout.stepped import in_steps
from modelops.machinery.conditions import DesiredCondition, in_progress, stalled, waiting
from modelops.machinery.ownership import is_owned_by
from modelops.machinery.plan import Plan, first_plan

_STRANGER_AGAIN = timedelta(minutes=1)
"""Services of strangers are not watched."""
_FORMER_AGAIN = timedelta(seconds=5)


def plan(seen: Observation) -> Plan:
    """Decide what an InferenceService needs now. Pure."""
    return first_plan(
        seen, (_former_service, _service_name_taken, _refused, _already_stable, _failed_before, _on_the_way)
    )


def _former_service(seen: Observation) -> Plan | None:
    """The Service of an InferenceService of this name that was deleted goes with it, in a moment."""
    if not _of_namesake(seen):
        return None
    message = f"Service {service_name(seen.service)} of an InferenceService that was deleted is still there"
    return _untouched(seen, *waiting("ServiceTerminating", message), requeue_after=_FORMER_AGAIN)


def _service_name_taken(seen: Observation) -> Plan | None:
    """A stranger's Service is not taken over: what it leads to may be in use."""
    if seen.endpoint is None or _is_ours(seen):
        return None
    message = (
        f"Service {service_name(seen.service)} exists and does not belong to this InferenceService: "
        "delete it, or give the InferenceService another name"
    )
    return _untouched(seen, *stalled("ServiceNameTaken", message), requeue_after=_STRANGER_AGAIN)


def _refused(seen: Observation) -> Plan | None:
    """Nothing new can be served. A candidate that was on its way is withdrawn: gates fail closed."""
    if not isinstance(seen.wanted, Refusal):
        return None
    message = going_on(seen, seen.wanted.message)
    told = stalled(seen.wanted.reason, message) if seen.wanted.stalled else waiting(seen.wanted.reason, message)
    return _untouched(seen, *told) if seen.stable_template is None else serving_now(seen, told)


def _already_stable(seen: Observation) -> Plan | None:
    """What shall serve does, or did until a moment ago: back to it at once."""
    return serving_now(seen) if seen.stable is not None and seen.target == seen.stable else None


def _failed_before(seen: Observation) -> Plan | None:
    """It has been tried, and nothing has changed since."""
    failed = failed_before(seen)
    return serving_now(seen, failed.conditions) if failed is not None and seen.stable_template is not None else None


def _on_the_way(seen: Observation) -> Plan:
    """The wanted revision does not serve yet."""
    case = case_of(seen)
    if seen.stable is None or seen.stable_template is None:
        return first(case)
    if case.rolls and (seen.spanning or not case.others):
        return pod_by_pod(case)
    if case.rolls:
        # Requests may still be passed on to it by the share that it had.
        return serving_now(seen, in_progress("RollingOut", "a former candidate goes first"))
    if seen.spanning:
        # The way was changed in the middle of another one, which is taken back first.
        return serving_now(seen, in_progress("RollingOut", "the Pods of the stable version come back first"))
    return in_steps(case)


def _untouched(seen: Observation, *conditions: DesiredCondition, requeue_after: timedelta | None = None) -> Plan:
    """Nothing is made or changed."""
    return Plan(status=shown(seen), conditions=conditions, requeue_after=requeue_after)


def _is_ours(seen: Observation) -> bool:
    """Return whether the Service is this object's, also where a person removed the owner reference."""
    return is_owned_by(seen.endpoint, seen.service, by_label="WithoutOwner")


def _of_namesake(seen: Observation) -> bool:
    if seen.endpoint is None or _is_ours(seen):
        return False
    return any(
        owner["kind"] == InferenceService.__name__ and owner["name"] == seen.service.metadata.name
        for owner in seen.endpoint["metadata"].get("ownerReferences") or []
    )
