"""Build the status of an InferenceService, and the conditions of a failed rollout. Pure."""

from modelops.api.inferenceservice_status import CandidateVersion, FailedVersion, InferenceServiceStatus
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod.names import url
from modelops.controllers.inferenceservice.rollout.transitions import DISCARDED
from modelops.machinery.conditions import DesiredCondition, condition, ready, stalled

ROLLED_BACK = "RolledBack"
_KEPT_FAILURES = 5


def build_status(
    seen: Observation, candidate: CandidateVersion | None = None, failed: FailedVersion | None = None
) -> InferenceServiceStatus:
    """Build the status without its conditions. `failed` is a version whose rollout has just ended."""
    before, stable = seen.service.status, seen.stable_version
    former = [version for version in before.failed if failed is None or version.attempt != failed.attempt]
    serves = stable is not None or candidate is not None
    return InferenceServiceStatus(
        url=url(seen.service, seen.settings.cluster_domain) if serves else None,
        stable=stable,
        candidate=candidate,
        failed=[*([failed] if failed is not None else []), *former][:_KEPT_FAILURES],
        last_handled_requests=seen.requests.handled,
    )


def failed_before(seen: Observation) -> FailedVersion | None:
    """Return the failure of the present attempt, if the selected revision has been tried."""
    if seen.target is None:
        return None
    return next((version for version in seen.service.status.failed if version.attempt == seen.attempt), None)


def failure_conditions(seen: Observation, failed: FailedVersion) -> tuple[DesiredCondition, ...]:
    """Return the conditions after a rollout without promotion; none where other Pods are the news.

    A discarded shadow is not a failure: the stable version is Ready.
    """
    stable = seen.stable_version
    if failed.reason == DISCARDED:
        if stable is None or stable.ready < stable.replicas:
            return ()
        return ready(DISCARDED, with_serving_suffix(seen, f"ModelVersion {failed.version}: {failed.message}"))
    message = with_serving_suffix(seen, f"ModelVersion {failed.version} was rolled back: {failed.message}")
    remedy = "to try again, change the version, the spec or the annotation modelops.dev/retry"
    return (
        *stalled(failed.reason, f"{message}; {remedy}"),
        condition(ROLLED_BACK, True, failed.reason, failed.message),
    )


def with_serving_suffix(seen: Observation, message: str) -> str:
    """Return the message with the version that keeps serving, if one does."""
    stable = seen.stable_version
    if stable is None or not stable.ready:
        return message
    return f"{message}; ModelVersion {stable.version} keeps serving"
