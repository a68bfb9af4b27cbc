"""Children of the desired revisions, and the deletion of all other children. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod import warm_up
from modelops.controllers.inferenceservice.pod.names import deployment_name, service_name
from modelops.controllers.inferenceservice.pod.scaling import autoscaler, disruption_budget
from modelops.controllers.inferenceservice.pod.template import selector
from modelops.controllers.inferenceservice.revisions import children
from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.traffic.envoy_routes import rendered
from modelops.controllers.inferenceservice.traffic.propagation import pods_to_notify, split_of
from modelops.controllers.inferenceservice.traffic.shift import http_route
from modelops.controllers.inferenceservice.traffic.steps import Step
from modelops.machinery.ownership import is_owned_by
from modelops.machinery.plan import Delete
from modelops.machinery.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTENT_DIGEST,
    CONTROLLER_REVISIONS,
    DISRUPTION_BUDGETS,
    HTTP_ROUTES,
    Body,
    Key,
    content_digest,
)


@dataclass(frozen=True)
class DesiredRevision:
    """Desired state of one revision: its number of Pods, and the split of its traffic."""

    template: RevisionTemplate
    replicas: int
    step: Step | None = None
    """Traffic that the revision's Pods forward and mirror to a candidate."""
    autoscaler_max: int | None = None
    """An autoscaler chooses from `autoscaler_min` to this many Pods. None: the revision has a fixed number of Pods."""
    autoscaler_min: int = 1
    captured: bool = False
    """A candidate is being analysed. The monitor captures contents if the analysis compares them."""


@dataclass(frozen=True)
class DesiredRevisions:
    """Desired revisions, and the revisions that the two Services select."""

    revisions: Sequence[DesiredRevision]
    selected: str | None
    """Name of the revision that clients get. None: all of them."""
    candidate_selected: str
    """Name of the revision that the candidate's Service selects."""
    removed: Sequence[ObservedRevision] = ()
    """Revisions to delete."""
    check_jobs: frozenset[str] = frozenset()
    """Names of the check Jobs that belong to the attempt in progress."""


def objects(seen: Observation, desired: DesiredRevisions) -> tuple[Body, ...]:
    """Return the objects to apply, in order: what a Pod mounts precedes it, and a revision precedes its Services."""
    return (
        *_warm_up(seen, desired),
        *(body for revision in desired.revisions for body in _revision(seen, revision)),
        *_entry_points(seen, desired),
    )


def removals(seen: Observation, desired: DesiredRevisions) -> tuple[Delete, ...]:
    """Return the objects to delete: unneeded ones, removed revisions, and check Jobs of other attempts."""
    return (
        *_unneeded(seen, desired),
        *_of_removed_revisions(seen, desired),
        *(job.delete for job in seen.check_jobs if job.key.name not in desired.check_jobs),
    )


def _unneeded(seen: Observation, desired: DesiredRevisions) -> list[Delete]:
    """Delete autoscalers, the disruption budget and the HTTPRoute where the spec no longer needs them."""
    service = seen.service
    scaled = {
        deployment_name(service, revision.template.revision)
        for revision in desired.revisions
        if revision.autoscaler_max is not None
    }
    unneeded = [key for key in seen.owned if key.kind == AUTOSCALERS.kind and key.name not in scaled]
    if not _several_pods(seen):
        unneeded += [key for key in seen.owned if key.kind == DISRUPTION_BUDGETS.kind]
    deletes = [_delete_owned(seen, key) for key in unneeded]
    if service.spec.gateway is None and seen.http_route is not None and is_owned_by(seen.http_route, service):
        deletes.append(
            Delete(_key(seen, HTTP_ROUTES.kind, service.metadata.name), seen.http_route["metadata"].get("uid"))
        )
    return deletes


def _of_removed_revisions(seen: Observation, desired: DesiredRevisions) -> list[Delete]:
    """Delete all objects of removed revisions. The Deployment comes last, so that an interrupted cleanup can resume."""
    mounted = {warm_up.mounted_config_map(revision.template.body) for revision in desired.revisions}
    deletes: list[Delete] = []
    for revision in desired.removed:
        name = revision.deployment_name
        if _key(seen, AUTOSCALERS.kind, name) in seen.owned:
            deletes.append(_delete_owned(seen, _key(seen, AUTOSCALERS.kind, name)))
        warm_up_requests = warm_up.mounted_config_map(revision.template.body)
        if warm_up_requests is not None and warm_up_requests not in mounted:
            deletes.append(Delete(_key(seen, CONFIG_MAPS.kind, warm_up_requests)))
        deletes += [
            Delete(_key(seen, CONTROLLER_REVISIONS.kind, name)),
            Delete(_key(seen, CONFIG_MAPS.kind, name)),
            revision.delete,
        ]
    return deletes


def _revision(seen: Observation, desired: DesiredRevision) -> list[Body]:
    """Build the objects of one revision, with the notices to its Pods where their routes change."""
    service, serving = seen.service, desired.template.serving
    name, observed = deployment_name(service, serving.revision), seen.revision(serving.revision)
    split = split_of(service, serving, desired.step, captured=desired.captured, token=seen.rollout_token)
    routes = rendered(split)
    config_map = children.routes_config_map(service, serving.revision, routes.text)
    made = [config_map]
    if observed is None:
        made.append(children.revision_record(service, desired.template))
    else:
        known = seen.owned.get(_key(seen, CONFIG_MAPS.kind, name))
        changed = known is not None and known.get(CONTENT_DIGEST) != content_digest(config_map)
        made += pods_to_notify(
            observed.pods,
            seen.proxy_stats,
            routes.name,
            seen.now,
            changed=changed,
            namespace=service.metadata.namespace,
        )
    made.append(children.deployment(service, desired.template, desired.replicas))
    if desired.autoscaler_max is not None:
        made.append(autoscaler(service, name, desired.autoscaler_min, desired.autoscaler_max))
    return made


def _warm_up(seen: Observation, desired: DesiredRevisions) -> list[Body]:
    """Build the warm-up requests of the selected revision. Those of other revisions cannot be built from the spec."""
    if not any(revision.template.revision == seen.target for revision in desired.revisions):
        return []
    config_map = warm_up.config_map(seen.service)
    return [config_map] if config_map is not None else []


def _entry_points(seen: Observation, desired: DesiredRevisions) -> list[Body]:
    """Build the Services, their disruption budget and the HTTPRoute.

    The Services have a port for gRPC while any of the revisions has one: a changed spec must not cut off clients of the
    stable revision.
    """
    service = seen.service
    grpc = any(revision.template.serving.grpc for revision in desired.revisions)
    made = [
        children.candidate_service(service, desired.candidate_selected, grpc=grpc),
        children.stable_service(service, desired.selected, grpc=grpc),
    ]
    if _several_pods(seen):
        made.append(disruption_budget(service, service_name(service), selector(service)))
    if service.spec.gateway is not None:
        steps = (revision.step for revision in desired.revisions if revision.step is not None)
        made.append(http_route(seen, next(steps, None)))
    return made


def _several_pods(seen: Observation) -> bool:
    replicas = seen.service.spec.replicas
    return max(replicas.min, replicas.max or 0) > 1


def _delete_owned(seen: Observation, key: Key) -> Delete:
    return Delete(key, seen.owned[key]["metadata"].get("uid"))


def _key(seen: Observation, kind: str, name: str) -> Key:
    return Key(kind, seen.service.metadata.namespace, name)
