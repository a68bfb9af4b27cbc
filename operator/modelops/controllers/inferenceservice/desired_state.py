"""All children for a number of revisions, and what of those that are there goes. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelops.controllers.inferenceservice.analysis.check_jobs import check_job_name
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.pod import warm_up
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name, service_name
from modelops.controllers.inferenceservice.pod.scaling import autoscaler, disruption_budget
from modelops.controllers.inferenceservice.pod.template import SERVICE_PORT, selector, serving_of
from modelops.controllers.inferenceservice.revisions.children import (
    candidate_endpoint,
    deployment,
    endpoint,
    remembered,
    routes_of,
)
from modelops.controllers.inferenceservice.revisions.observed import Member
from modelops.controllers.inferenceservice.traffic import gateway
from modelops.controllers.inferenceservice.traffic.propagation import follows, split, told
from modelops.controllers.inferenceservice.traffic.routes import name_of, routes
from modelops.controllers.inferenceservice.traffic.steps import Stage
from modelops.machinery.matching import already_applied
from modelops.machinery.ownership import is_owned_by
from modelops.machinery.plan import Delete
from modelops.machinery.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DISRUPTION_BUDGETS,
    HTTP_ROUTES,
    Body,
    Key,
)


@dataclass(frozen=True)
class Revision:
    """A revision that shall be there."""

    template: Body
    replicas: int
    stage: Stage | None = None
    """What of its requests it passes on to a candidate."""
    most: int | None = None
    """An autoscaler decides between `replicas` and this many Pods. None: there is no autoscaler."""
    least: int = 1
    """The fewest Pods that the autoscaler may leave."""
    captured: bool = False
    """A candidate is being judged, by what is in requests and answers too if the analysis says so."""


@dataclass(frozen=True)
class Fleet:
    """The revisions that shall be there, and which of them the Services lead to."""

    revisions: Sequence[Revision]
    selected: str | None
    """The revision that clients get. None: all of them."""
    candidate_selected: str
    """The revision that the candidate's Service leads to."""


def bodies(seen: Observation, fleet: Fleet) -> tuple[Body, ...]:
    """The children, in the order in which they shall come about."""
    return (
        *_warm_up(seen, fleet),
        *(body for revision in fleet.revisions for body in _revision(seen, revision)),
        *_ways_in(seen, fleet),
    )


def unneeded(seen: Observation, fleet: Fleet) -> tuple[Delete, ...]:
    """Children of revisions that stay, and of all of them, that are not wanted any more."""
    service = seen.service
    scaled = {_name(seen, one) for one in fleet.revisions if one.most is not None}
    found = [key for key in seen.owned if key.kind == AUTOSCALERS.kind and key.name not in scaled]
    if not _several(seen):
        found += [key for key in seen.owned if key.kind == DISRUPTION_BUDGETS.kind]
    deletes = [_by_uid(seen, key) for key in found]
    if service.spec.gateway is None and is_owned_by(seen.route, seen.service):
        deletes.append(Delete(_key(seen, HTTP_ROUTES.kind, service.metadata.name), _uid(seen.route)))
    return tuple(deletes)


def gone(seen: Observation, members: Iterable[Member], staying: Sequence[Revision]) -> tuple[Delete, ...]:
    """All that goes with revisions that go: the Deployment last, so that what is left of an interrupted end is found by
    it.
    """
    needed = {warm_up.mounted_by(one.template) for one in staying}
    deletes: list[Delete] = []
    for member in members:
        if (_key(seen, AUTOSCALERS.kind, member.name)) in seen.owned:
            deletes.append(_by_uid(seen, _key(seen, AUTOSCALERS.kind, member.name)))
        warm = warm_up.mounted_by(member.template)
        if warm is not None and warm not in needed:
            deletes.append(Delete(_key(seen, CONFIG_MAPS.kind, warm)))
        deletes += [
            Delete(_key(seen, CONTROLLER_REVISIONS.kind, member.name)),
            Delete(_key(seen, CONFIG_MAPS.kind, member.name)),
            member.delete,
        ]
    return tuple(deletes)


def checks_gone(seen: Observation, attempt: str | None, steps: int) -> tuple[Delete, ...]:
    """Jobs of checks that belong to another attempt than the one under way."""
    analysis = seen.service.spec.analysis
    checks = analysis.checks if analysis is not None else []
    kept = {
        check_job_name(seen.service, check, attempt, step)
        for check in checks
        for step in range(1, steps + 1)
        if attempt is not None
    }
    return tuple(job.delete for job in seen.check_jobs if job.key.name not in kept)


def traffic_follows(seen: Observation, stage: Stage | None) -> bool:
    """Whether requests are seen to be shared out as a stage has it; without one, that none go to a candidate."""
    template, member = seen.stable_template, seen.member(seen.stable)
    if seen.service.spec.gateway is not None:
        wanted = _route(seen, stage)
        if seen.route is None or not already_applied(wanted, seen.route):
            return False
        if stage is None:
            return gateway.share_given_back(seen.route, seen.now)
        return not gateway.objection(seen.route)
    if template is None or member is None:
        return True
    name = name_of(routes(split(seen.service, serving_of(template), stage, captured=stage is not None)))
    return follows(member.pods, seen.looks, name, seen.now)


def route_objection(seen: Observation) -> str:
    """Why requests do not come in through the Gateways as they shall; empty where they do, or where there are none."""
    if seen.service.spec.gateway is None:
        return ""
    return gateway.objection(seen.route) if seen.route is not None else "its HTTPRoute is about to be made"


def _revision(seen: Observation, revision: Revision) -> list[Body]:
    service, serving = seen.service, serving_of(revision.template)
    member = seen.member(serving.revision)
    rendered = routes(split(service, serving, revision.stage, captured=revision.captured))
    routes_body = routes_of(service, serving, rendered)
    found = seen.owned.get(_key(seen, CONFIG_MAPS.kind, _name(seen, revision)))
    changed = found is not None and not already_applied(routes_body["data"], found.get("data"))
    made = [routes_body]
    if member is None:
        made.append(remembered(service, revision.template))
    else:
        namespace = service.metadata.namespace
        name = name_of(rendered)
        made += told(member.pods, seen.looks, name, seen.now, changed=changed, namespace=namespace)
    made.append(deployment(service, revision.template, revision.replicas))
    if revision.most is not None:
        made.append(autoscaler(service, _name(seen, revision), revision.least, revision.most))
    return made


def _warm_up(seen: Observation, fleet: Fleet) -> list[Body]:
    """Only the wanted revision's can be made of the spec. Those of others are there as long as they are."""
    if not any(serving_of(one.template).revision == seen.target for one in fleet.revisions):
        return []
    found = warm_up.config_map(seen.service)
    return [found] if found is not None else []


def _ways_in(seen: Observation, fleet: Fleet) -> list[Body]:
    """The port for gRPC is there as long as any of the revisions answers at it: what serves goes on as it is, whatever
    the spec has asked for since.
    """
    service = seen.service
    grpc = any(serving_of(one.template).grpc for one in fleet.revisions)
    made = [
        candidate_endpoint(service, fleet.candidate_selected, grpc=grpc),
        endpoint(service, fleet.selected, grpc=grpc),
    ]
    if _several(seen):
        made.append(disruption_budget(service, service_name(service), selector(service)))
    if service.spec.gateway is not None:
        made.append(_route(seen, next((one.stage for one in fleet.revisions if one.stage is not None), None)))
    return made


def _route(seen: Observation, stage: Stage | None) -> Body:
    service = seen.service
    weight, mirror = (stage.weight, stage.mirror) if stage is not None else (0, 0)
    return gateway.route(service, service_name(service), candidate_service_name(service), SERVICE_PORT, weight, mirror)


def _several(seen: Observation) -> bool:
    replicas = seen.service.spec.replicas
    return max(replicas.min, replicas.max or 0) > 1


def _name(seen: Observation, revision: Revision) -> str:
    return deployment_name(seen.service, serving_of(revision.template).revision)


def _key(seen: Observation, kind: str, name: str) -> Key:
    return Key(kind, seen.service.metadata.namespace, name)


def _by_uid(seen: Observation, key: Key) -> Delete:
    return Delete(key, _uid(seen.owned[key]))


def _uid(body: Body | None) -> str | None:
    uid: str | None = (body or {}).get("metadata", {}).get("uid")
    return uid
