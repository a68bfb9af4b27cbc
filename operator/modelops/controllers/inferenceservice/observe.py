"""What an InferenceService's decisions rest on."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CandidateVersion
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.check_runner import CheckRun
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats, fetch_proxy_stats
from modelops.controllers.inferenceservice.analysis.reports import MonitorReport, fetch_reports
from modelops.controllers.inferenceservice.pod.names import (
    candidate_service_name,
    candidate_url,
    deployment_name,
    service_name,
    url,
)
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.revisions.observed import (
    Member,
    ServerPod,
    leftovers,
    members,
    selected_revision,
    server_pod,
    stable_revision,
)
from modelops.controllers.inferenceservice.revisions.version_selection import Refusal, wanted
from modelops.controllers.inferenceservice.traffic.propagation import counts_contents
from modelops.controllers.jobs import JobState, jobs_of
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    HTTP_ROUTES,
    PODS,
    SERVICES,
    Body,
    Key,
)
from modelops.machinery.settings import Settings

Told = TypeVar("Told")
VERSION_OF = "version-of"
"""Index of ModelVersions by their model."""
SERVER_OF = "server-of"
"""Index of Pods by their InferenceService."""
_OWNED = (AUTOSCALERS, DISRUPTION_BUDGETS, CONFIG_MAPS)


@dataclass(frozen=True)
class WindowCounts:
    """What was counted since the candidate was last judged."""

    candidate: Counters = field(default_factory=Counters)
    stable: Counters = field(default_factory=Counters)
    candidate_contents: MonitorReport | None = None
    stable_contents: MonitorReport | None = None


@dataclass(frozen=True)
class Observation:
    """An InferenceService and all around it."""

    service: InferenceService
    settings: Settings
    now: datetime
    wanted: Body | Refusal
    """The Pod template that shall serve."""
    members: tuple[Member, ...] = ()
    """The revisions that are there."""
    leaving: tuple[ServerPod, ...] = ()
    """The Pods of revisions that have gone. Until they have too, who has a connection to one gets answers from it."""
    stable: str | None = None
    """The revision that serves."""
    remembered: Body | None = None
    """The Pod template of `stable`, where it is another than the wanted one."""
    endpoint: Body | None = None
    """The Service of that name, whoever's it is."""
    candidate_endpoint: Body | None = None
    owned: Mapping[Key, Body] = field(default_factory=dict)
    """Autoscalers, the disruption budget, and ConfigMaps of ours."""
    route: Body | None = None
    """The HTTPRoute, where the spec names Gateways, or may have named some until now."""
    looks: Mapping[str, ProxyStats | None] = field(default_factory=dict)
    """What the Pods' proxies say, by the Pod's name, while more than one revision is there."""
    reports: Mapping[str, MonitorReport | None] = field(default_factory=dict)
    """What their monitors say of the contents of requests and answers, where the analysis judges by that."""
    windows: WindowCounts = field(default_factory=WindowCounts)
    answers: CheckRun | None = None
    """What hooks and Prometheus said last of the candidate."""
    check_jobs: tuple[JobState, ...] = ()

    def member(self, revision: str | None) -> Member | None:
        """A revision that is there."""
        return next((one for one in self.members if one.revision == revision), None)

    @property
    def target(self) -> str | None:
        """The revision that shall serve; None where nothing new can."""
        return None if isinstance(self.wanted, Refusal) else serving_of(self.wanted).revision

    @property
    def stable_template(self) -> Body | None:
        """The Pod template of what serves: as it was applied, or else as it is found."""
        if not isinstance(self.wanted, Refusal) and self.target == self.stable:
            return self.wanted
        member = self.member(self.stable)
        return self.remembered or (member.template if member is not None else None)

    def check_arguments(self, candidate: CandidateVersion) -> CheckArguments:
        """Return what the user's own checks are told of a candidate."""
        template, domain = self.stable_template, self.settings.cluster_domain
        return CheckArguments(
            namespace=self.service.metadata.namespace,
            inferenceservice=self.service.metadata.name,
            stable=serving_of(template).version if template is not None else "",
            candidate=candidate.version,
            weight=candidate.weight,
            stable_url=url(self.service, domain),
            candidate_url=candidate_url(self.service, domain),
        )

    @property
    def spanning(self) -> bool:
        """The Service leads to several revisions at once, one being replaced Pod by Pod."""
        return self.endpoint is not None and selected_revision(self.endpoint) is None


async def observe(service: InferenceService, context: ReconcileContext) -> Observation:
    """The cache has all of it but the Services of strangers, and what is never watched."""
    namespace, uid = service.metadata.namespace, service.metadata.uid
    bodies = context.cache.bodies(SERVER_OF, namespace, service.metadata.name, kind=PODS.kind)
    pods = [server_pod(body) for body in bodies]
    there = members(context.cache.bodies("owner", uid, kind=DEPLOYMENTS.kind), pods)
    endpoint = await _endpoint(service, context, live=len(there) > 1)
    stable = stable_revision(service, endpoint, there)
    wish = wanted(service, context.settings, tuple(_versions(service, context)))
    return Observation(
        service=service,
        settings=context.settings,
        now=context.now,
        wanted=wish,
        members=there,
        leaving=leftovers(pods, there, context.now),
        stable=stable,
        remembered=await _remembered(service, context, stable, wish),
        endpoint=endpoint,
        candidate_endpoint=context.cache.body(Key(SERVICES.kind, namespace, candidate_service_name(service))),
        owned={
            Key(resource.kind, namespace, body["metadata"]["name"]): body
            for resource in _OWNED
            for body in context.cache.bodies("owner", uid, kind=resource.kind)
        },
        route=await _route(service, context),
        looks=await _by_pod(there, fetch_proxy_stats) if len(there) > 1 else {},
        reports=await _by_pod(there, fetch_reports) if len(there) > 1 and _contents_count(service) else {},
        check_jobs=tuple(await jobs_of(uid, context)),
    )


async def _endpoint(service: InferenceService, context: ReconcileContext, *, live: bool) -> Body | None:
    """Live where a revision may be about to go: which one serves must not be a memory then."""
    key = Key(SERVICES.kind, service.metadata.namespace, service_name(service))
    known = context.cache.body(key)
    if known is not None and not live:
        return known
    return await context.kube.get(SERVICES, key.namespace, key.name)


async def _remembered(
    service: InferenceService, context: ReconcileContext, stable: str | None, wish: Body | Refusal
) -> Body | None:
    if stable is None or (not isinstance(wish, Refusal) and serving_of(wish).revision == stable):
        return None
    name = deployment_name(service, stable)
    found = await context.kube.get(CONTROLLER_REVISIONS, service.metadata.namespace, name)
    template: Body | None = (found or {}).get("data", {}).get("template")
    return template


async def _route(service: InferenceService, context: ReconcileContext) -> Body | None:
    """A spec that names no Gateway may have named one before it changed."""
    changed = service.status.observed_generation not in (None, service.metadata.generation)
    if service.spec.gateway is None and not changed:
        return None
    return await context.kube.get(HTTP_ROUTES, service.metadata.namespace, service.metadata.name)


async def _by_pod(
    there: tuple[Member, ...], ask: Callable[[Iterable[str]], Awaitable[dict[str, Told | None]]]
) -> dict[str, Told | None]:
    """What the Pods say that have an address, by the Pod's name."""
    addresses = {pod.state.name: pod.state.address for one in there for pod in one.living if pod.state.address}
    found = await ask(addresses.values())
    return {name: found[address] for name, address in addresses.items()}


def _contents_count(service: InferenceService) -> bool:
    analysis = service.spec.analysis
    return analysis is not None and counts_contents(analysis)


def _versions(service: InferenceService, context: ReconcileContext) -> list[ModelVersion]:
    namespace, model = service.metadata.namespace, service.spec.model
    kind = ModelVersion.__name__
    if model.version is not None:
        keys = [Key(kind, namespace, model.version)]
    else:
        keys = context.cache.find(VERSION_OF, namespace, model.name or "", kind=kind)
    found = (context.cache.parsed(key, ModelVersion) for key in keys)
    return [version for version in found if version is not None and version.metadata.deletion_timestamp is None]
