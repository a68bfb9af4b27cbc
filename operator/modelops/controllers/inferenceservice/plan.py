"""Decide what an InferenceService needs: which version is selected, which one serves, and how one replaces the other.

Whatever keeps a new revision from serving, the stable revision keeps serving. Pure.
"""

from dataclasses import replace
from datetime import timedelta

from modelops.api.inferenceservice import InferenceService
from modelops.api.rollout import Strategy
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod.names import service_name
from modelops.controllers.inferenceservice.revisions.version_selection import NotServable
from modelops.controllers.inferenceservice.rollout.annotations import requested
from modelops.controllers.inferenceservice.rollout.initial import initial
from modelops.controllers.inferenceservice.rollout.rolling_update import rolling_update
from modelops.controllers.inferenceservice.rollout.state import rollout_state
from modelops.controllers.inferenceservice.rollout.status import (
    build_status,
    failed_before,
    failure_conditions,
    with_serving_suffix,
)
from modelops.controllers.inferenceservice.rollout.steady_state import steady_state
from modelops.controllers.inferenceservice.rollout.stepped_update import stepped
from modelops.machinery.conditions import DesiredCondition, in_progress, stalled, waiting
from modelops.machinery.ownership import is_owned_by
from modelops.machinery.plan import Plan, first_plan

_FOREIGN_SERVICE_POLL = timedelta(minutes=1)
"""Services of other owners are not watched."""
_TERMINATING_SERVICE_POLL = timedelta(seconds=5)


def plan(seen: Observation) -> Plan:
    """Decide what an InferenceService needs now. Pure: the same observation gives the same plan."""
    decided = first_plan(
        seen,
        (_service_terminating, _service_name_taken, _not_servable, _already_stable, _already_failed, _rolling_out),
    )
    return replace(decided, events=(*requested(seen.requests), *decided.events))


def _service_terminating(seen: Observation) -> Plan | None:
    """Wait for the Service of a deleted namesake, which is about to be garbage-collected."""
    if not _belongs_to_namesake(seen):
        return None
    message = f"Service {service_name(seen.service)} of a deleted InferenceService of this name still exists"
    return _unchanged(seen, *waiting("ServiceTerminating", message), requeue_after=_TERMINATING_SERVICE_POLL)


def _service_name_taken(seen: Observation) -> Plan | None:
    """Stop at the Service of another owner. It is never taken over: clients may use it."""
    if seen.stable_service is None or _owns_service(seen):
        return None
    message = (
        f"Service {service_name(seen.service)} exists and does not belong to this InferenceService: "
        "delete it, or give the InferenceService another name"
    )
    return _unchanged(seen, *stalled("ServiceNameTaken", message), requeue_after=_FOREIGN_SERVICE_POLL)


def _not_servable(seen: Observation) -> Plan | None:
    """Keep the stable version where no new version can serve. A candidate is deleted: gates fail closed."""
    selected = seen.selected
    if not isinstance(selected, NotServable):
        return None
    message = with_serving_suffix(seen, selected.message)
    conditions = stalled(selected.reason, message) if selected.stalled else waiting(selected.reason, message)
    return _unchanged(seen, *conditions) if seen.stable_template is None else steady_state(seen, conditions)


def _already_stable(seen: Observation) -> Plan | None:
    """Keep the selected revision where it is the stable one. All traffic of a candidate shifts back at once."""
    return steady_state(seen) if seen.stable is not None and seen.target == seen.stable else None


def _already_failed(seen: Observation) -> Plan | None:
    """Keep the stable revision where the selected one has failed and nothing has changed since."""
    failed = failed_before(seen)
    if failed is None or seen.stable_template is None:
        return None
    return steady_state(seen, failure_conditions(seen, failed))


def _rolling_out(seen: Observation) -> Plan:
    """Roll out the selected revision."""
    if seen.stable is None or seen.stable_template is None:
        return initial(seen, rollout_state(seen))
    if seen.rollout.strategy is not Strategy.ROLLING:
        if seen.selects_all_revisions:
            # The strategy changed during a rolling update, which is taken back first.
            return steady_state(seen, in_progress("RollingOut", "waiting for the Pods of the stable version to return"))
        return stepped(seen, rollout_state(seen))
    if seen.former_revisions and not seen.selects_all_revisions:
        # Proxies may still forward requests to a former candidate.
        return steady_state(seen, in_progress("RollingOut", "waiting for the former candidate to be deleted"))
    return rolling_update(seen, rollout_state(seen))


def _unchanged(seen: Observation, *conditions: DesiredCondition, requeue_after: timedelta | None = None) -> Plan:
    """Create and change nothing."""
    return Plan(status=build_status(seen), conditions=conditions, requeue_after=requeue_after)


def _owns_service(seen: Observation) -> bool:
    """Return whether the Service belongs to the InferenceService: by owner, or by label if all owners are removed."""
    return is_owned_by(seen.stable_service, seen.service, by_label="WithoutOwner")


def _belongs_to_namesake(seen: Observation) -> bool:
    if seen.stable_service is None or _owns_service(seen):
        return False
    return any(
        owner["kind"] == InferenceService.__name__ and owner["name"] == seen.service.metadata.name
        for owner in seen.stable_service["metadata"].get("ownerReferences") or []
    )
