"""Read all that a plan depends on into one Observation. The only module that reads the cache and the API."""

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.analysis.pod_looks import Look, PodLooks
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name, service_name
from modelops.controllers.inferenceservice.revisions.observed import (
    ObservedRevision,
    observed_revisions,
    orphaned_pods,
    server_pod,
    stable_revision_name,
)
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.revisions.version_selection import NotServable, select_template
from modelops.controllers.inferenceservice.traffic.propagation import compares_contents
from modelops.controllers.jobs import jobs_of
from modelops.controllers.owned import owned
from modelops.machinery.context import ReconcileContext
from modelops.machinery.ownership import is_owned_by
from modelops.machinery.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTENT_DIGEST,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    PODS,
    SERVICES,
    Body,
    Key,
    Resource,
)

VERSION_OF = "version-of"
"""Index of ModelVersions by their model."""
SERVER_OF = "server-of"
"""Index of Pods by their InferenceService."""
_OWNED = (AUTOSCALERS, DISRUPTION_BUDGETS, CONFIG_MAPS)


async def observe(service: InferenceService, context: ReconcileContext, looks: PodLooks) -> Observation | None:
    """Read an InferenceService's surroundings.

    The cache has all of them but the Services of others, the kinds that are not watched, and the pages of Pods. Returns
    None where a decision needs these pages: they are being read, and the end of that enqueues the InferenceService.
    """
    namespace, uid = service.metadata.namespace, service.metadata.uid
    bodies = context.cache.bodies(SERVER_OF, namespace, service.metadata.name, kind=PODS.kind)
    pods = [server_pod(body) for body in bodies]
    revisions = observed_revisions(owned(namespace, uid, context.cache, DEPLOYMENTS.kind), pods)
    several = len(revisions) > 1
    look = _look(service, context, looks, revisions) if several else Look()
    if look is None:
        return None
    service_body = await _stable_service(service, context, live=several)
    stable = stable_revision_name(service, service_body, revisions)
    selected = select_template(service, context.settings, tuple(_versions(service, context)))
    return Observation(
        service=service,
        settings=context.settings,
        now=context.now,
        selected=selected,
        revisions=revisions,
        orphaned_pods=orphaned_pods(pods, revisions, context.now),
        stable=stable,
        recorded=await _recorded_template(service, context, stable, selected),
        stable_service=service_body,
        candidate_service=_own(
            service, context.cache.body(Key(SERVICES.kind, namespace, candidate_service_name(service)))
        ),
        owned={
            Key(resource.kind, namespace, read["metadata"]["name"]): read
            for resource in _OWNED
            for body in owned(namespace, uid, context.cache, resource.kind)
            if (read := await _read(resource, body, context)) is not None
        },
        http_route=await _http_route(service, context),
        proxy_stats=look.proxy_stats,
        monitor_reports=look.monitor_reports,
        check_jobs=tuple(await jobs_of(service, context)),
    )


async def _read(resource: Resource, cached: Body, context: ReconcileContext) -> Body | None:
    """Return a child. A ConfigMap is read if the cache has only its metadata, as after a restart."""
    if resource is not CONFIG_MAPS or CONTENT_DIGEST in cached:
        return cached
    key = Key(resource.kind, cached["metadata"]["namespace"], cached["metadata"]["name"])
    whole = await context.kube.get(resource, key.namespace, key.name)
    if whole is None:
        return None
    context.cache.put({**whole, "kind": key.kind})
    return context.cache.body(key)


async def _stable_service(service: InferenceService, context: ReconcileContext, *, live: bool) -> Body | None:
    """Read the Service that clients use.

    `live` bypasses the cache: before a revision is deleted, the one that serves must not be taken from memory.
    """
    key = Key(SERVICES.kind, service.metadata.namespace, service_name(service))
    known = context.cache.body(key)
    if known is not None and not live:
        return known
    return await context.kube.get(SERVICES, key.namespace, key.name)


async def _recorded_template(
    service: InferenceService, context: ReconcileContext, stable: str | None, selected: RevisionTemplate | NotServable
) -> RevisionTemplate | None:
    if stable is None or (isinstance(selected, RevisionTemplate) and selected.revision == stable):
        return None
    name = deployment_name(service, stable)
    record = await context.kube.get(CONTROLLER_REVISIONS, service.metadata.namespace, name)
    template: Body | None = (_own(service, record) or {}).get("data", {}).get("template")
    return RevisionTemplate.of(template) if template is not None else None


async def _http_route(service: InferenceService, context: ReconcileContext) -> Body | None:
    """Read the HTTPRoute. A spec without Gateways may have named some before it changed."""
    changed = service.status.observed_generation not in (None, service.metadata.generation)
    if service.spec.gateway is None and not changed:
        return None
    return _own(service, await context.kube.get(HTTP_ROUTES, service.metadata.namespace, service.metadata.name))


def _own(service: InferenceService, body: Body | None) -> Body | None:
    """Return an object that was found by its name, if it belongs to the InferenceService."""
    return body if is_owned_by(body, service, by_label="WithoutOwner") else None


def _look(
    service: InferenceService, context: ReconcileContext, looks: PodLooks, revisions: tuple[ObservedRevision, ...]
) -> Look | None:
    """Return the look at the Pods that the last reconcile began. Begin one where there is none."""
    metadata = service.metadata
    key = Key(INFERENCE_SERVICES.kind, metadata.namespace, metadata.name)
    look = looks.take(key, metadata.uid)
    if look is None:
        addresses = {
            pod.state.name: pod.state.address for revision in revisions for pod in revision.living if pod.state.address
        }
        looks.keep_only(lambda seen: (context.cache.body(seen.key) or {}).get("metadata", {}).get("uid") == seen.uid)
        looks.start(key, metadata.uid, addresses, context.enqueue, reports=_compares(service))
    return look


def _compares(service: InferenceService) -> bool:
    analysis = service.spec.analysis
    return analysis is not None and compares_contents(analysis)


def _versions(service: InferenceService, context: ReconcileContext) -> list[ModelVersion]:
    namespace, model = service.metadata.namespace, service.spec.model
    kind = ModelVersion.__name__
    if model.version is not None:
        keys = [Key(kind, namespace, model.version)]
    else:
        keys = context.cache.find(VERSION_OF, namespace, model.name or "", kind=kind)
    versions = (context.cache.parsed(key, ModelVersion) for key in keys)
    return [version for version in versions if version is not None and version.metadata.deletion_timestamp is None]
