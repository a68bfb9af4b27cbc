"""What the status tells of what serves and of what did not make it. Pure."""

from dataclasses import dataclass

from modelops.api.inferenceservice_status import (
    CandidateVersion,
    FailedVersion,
    InferenceServiceStatus,
    ServingVersion,
)
from modelops.api.rollout import Rollout, Strategy
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.pod.names import url
from modelops.controllers.inferenceservice.pod.scaling import replicas_of
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.rollout.annotations import requests_of
from modelops.lineage.digests import json_digest, short
from modelops.machinery.conditions import DesiredCondition, condition, ready, stalled

ROLLED_BACK = "RolledBack"
DISCARDED = "Discarded"
_KEPT_FAILURES = 5
_POD_BY_POD = Rollout(strategy=Strategy.ROLLING, deadline="10m")


@dataclass(frozen=True)
class Failed:
    """A try that has ended without promotion, and what the conditions say of it."""

    version: FailedVersion
    conditions: tuple[DesiredCondition, ...]


def rollout_of(seen: Observation) -> Rollout:
    """How a new version replaces the one that serves: without a word of it, Pod by Pod."""
    return seen.service.spec.rollout or _POD_BY_POD


def attempt_of(seen: Observation, revision: str) -> str:
    """Names a try of a revision: another one where the way or a request for a retry is another."""
    rollout = seen.service.spec.rollout
    decides = {
        "revision": revision,
        "rollout": rollout.wire() if rollout is not None else None,
        "retry": requests_of(seen.service).handled.retry,
    }
    return short(json_digest(decides), 10)


def full_size(seen: Observation) -> int:
    """How many Pods all of the requests take now."""
    wanted, stable = seen.service.spec.replicas, seen.member(seen.stable)
    if seen.spanning and seen.service.status.stable is not None:
        # The Deployment that is being replaced has fewer by now, and no autoscaler.
        return min(max(seen.service.status.stable.replicas, wanted.min), wanted.max or wanted.min)
    return replicas_of(wanted.min, wanted.max, stable.body if stable is not None else None)


def shown(
    seen: Observation, candidate: CandidateVersion | None = None, failed: FailedVersion | None = None
) -> InferenceServiceStatus:
    """The status but for its conditions. `failed` has just come about."""
    before = seen.service.status
    former = [one for one in before.failed if failed is None or one.attempt != failed.attempt]
    stable = _stable(seen)
    there = stable is not None or candidate is not None
    return InferenceServiceStatus(
        url=url(seen.service, seen.settings.cluster_domain) if there else None,
        stable=stable,
        candidate=candidate,
        failed=[*([failed] if failed is not None else []), *former][:_KEPT_FAILURES],
        handled=requests_of(seen.service).handled,
    )


def failed_before(seen: Observation) -> Failed | None:
    """The try of the wanted revision that has ended, if that is how it was."""
    if seen.target is None:
        return None
    attempt = attempt_of(seen, seen.target)
    found = next((one for one in seen.service.status.failed if one.attempt == attempt), None)
    return Failed(found, _told(seen, found)) if found is not None else None


def going_on(seen: Observation, message: str) -> str:
    """The message, and what serves meanwhile."""
    stable = _stable(seen)
    if stable is None or not stable.ready:
        return message
    return f"{message}; ModelVersion {stable.version} goes on serving"


def _told(seen: Observation, failed: FailedVersion) -> tuple[DesiredCondition, ...]:
    if failed.reason == DISCARDED:
        stable = _stable(seen)
        whole = stable is not None and stable.ready >= stable.replicas
        return ready(DISCARDED, going_on(seen, f"ModelVersion {failed.version}: {failed.message}")) if whole else ()
    message = going_on(seen, f"ModelVersion {failed.version} was rolled back: {failed.message}")
    again = "; it is tried again once it, the spec or the annotation modelops.dev/retry changes"
    return (*stalled(failed.reason, message + again), condition(ROLLED_BACK, True, failed.reason, failed.message))


def _stable(seen: Observation) -> ServingVersion | None:
    template, member = seen.stable_template, seen.member(seen.stable)
    if template is None:
        return None
    serving = serving_of(template)
    return ServingVersion(
        version=serving.version,
        digest=serving.digest,
        revision=serving.revision,
        replicas=full_size(seen),
        ready=member.ready if member is not None else 0,
    )
