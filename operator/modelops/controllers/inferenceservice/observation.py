"""Observation of an InferenceService: the single argument of its plan. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CandidateVersion, ServingVersion
from modelops.api.rollout import Rollout, Strategy
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.check_runner import CheckRun
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats
from modelops.controllers.inferenceservice.analysis.reports import MonitorReport
from modelops.controllers.inferenceservice.pod.names import candidate_url, url
from modelops.controllers.inferenceservice.pod.scaling import desired_replicas
from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision, ServerPod, selected_revision
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.revisions.version_selection import NotServable
from modelops.controllers.inferenceservice.rollout.annotations import Requests, requests_of
from modelops.controllers.jobs import JobState
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body, Key
from modelops.machinery.settings import Settings

_POD_BY_POD = Rollout(strategy=Strategy.ROLLING, deadline="10m")


@dataclass(frozen=True)
class WindowCounts:
    """Sums over Pods since the candidate's last analysis: requests by the proxies, contents by the monitors."""

    candidate: Counters = field(default_factory=Counters)
    stable: Counters = field(default_factory=Counters)
    candidate_contents: MonitorReport | None = None
    stable_contents: MonitorReport | None = None


@dataclass(frozen=True)
class Observation:
    """An InferenceService, its children and all else that a plan depends on. Derived values are computed once."""

    service: InferenceService
    settings: Settings
    now: datetime
    selected: RevisionTemplate | NotServable
    """Pod template of the selected version, or why no version can serve."""
    revisions: tuple[ObservedRevision, ...] = ()
    """Revisions that exist."""
    orphaned_pods: tuple[ServerPod, ...] = ()
    """Pods of deleted revisions that may still answer: clients keep connections to a Pod that terminates."""
    stable: str | None = None
    """Name of the revision that serves."""
    recorded: RevisionTemplate | None = None
    """Template of the stable revision from its ControllerRevision, where another revision is selected."""
    stable_service: Body | None = None
    """The Service with the InferenceService's name; its owner may be another object."""
    candidate_service: Body | None = None
    """The candidate's Service, if it belongs to the InferenceService."""
    owned: Mapping[Key, Body] = field(default_factory=dict)
    """Autoscalers, the disruption budget and ConfigMaps of this InferenceService."""
    http_route: Body | None = None
    """The HTTPRoute, if the spec names Gateways or may have named some before its last change."""
    proxy_stats: Mapping[str, ProxyStats | None] = field(default_factory=dict)
    """Statistics of the Pods' proxies by the Pod's name, where several revisions exist. None: the proxy is silent."""
    monitor_reports: Mapping[str, MonitorReport | None] = field(default_factory=dict)
    """Contents of requests and responses by the Pod's name, where the analysis compares them."""
    window: WindowCounts = field(default_factory=WindowCounts)
    check_run: CheckRun | None = None
    """Last results of webhooks and Prometheus queries for the candidate."""
    check_jobs: tuple[JobState, ...] = ()

    def revision(self, name: str | None) -> ObservedRevision | None:
        """Return the revision of this name, if it exists."""
        return next((revision for revision in self.revisions if revision.name == name), None)

    @cached_property
    def target(self) -> str | None:
        """Name of the selected revision; None where no version can serve."""
        return None if isinstance(self.selected, NotServable) else self.selected.revision

    @cached_property
    def target_revision(self) -> ObservedRevision | None:
        """The selected revision, if it exists."""
        return self.revision(self.target)

    @cached_property
    def stable_revision(self) -> ObservedRevision | None:
        """The revision that serves, if its Deployment exists."""
        return self.revision(self.stable)

    @cached_property
    def former_revisions(self) -> tuple[ObservedRevision, ...]:
        """Revisions that are neither stable nor selected."""
        return tuple(revision for revision in self.revisions if revision.name not in (self.target, self.stable))

    @cached_property
    def stable_template(self) -> RevisionTemplate | None:
        """Template of the revision that serves: as it was applied, or else as its Deployment has it."""
        if isinstance(self.selected, RevisionTemplate) and self.selected.revision == self.stable:
            return self.selected
        return self.recorded or (self.stable_revision.template if self.stable_revision is not None else None)

    @cached_property
    def stable_version(self) -> ServingVersion | None:
        """The version that serves, as the status shows it."""
        if self.stable_template is None:
            return None
        serving = self.stable_template.serving
        return ServingVersion(
            version=serving.version,
            digest=serving.digest,
            revision=serving.revision,
            replicas=self.full_size,
            ready=self.stable_revision.ready if self.stable_revision is not None else 0,
        )

    @cached_property
    def full_size(self) -> int:
        """Number of Pods that all requests take now."""
        replicas, before = self.service.spec.replicas, self.service.status.stable
        if self.selects_all_revisions and before is not None:
            # The Deployment that is being replaced has fewer Pods by now, and no autoscaler.
            return min(max(before.replicas, replicas.min), replicas.max or replicas.min)
        deployment = self.stable_revision.deployment if self.stable_revision is not None else None
        return desired_replicas(replicas.min, replicas.max, deployment)

    @cached_property
    def selects_all_revisions(self) -> bool:
        """The Service selects the Pods of all revisions: a rolling update is in progress."""
        return self.stable_service is not None and selected_revision(self.stable_service) is None

    @cached_property
    def candidate_service_revision(self) -> str:
        """Name of the revision that the candidate's Service selects: the stable one where that Service is missing."""
        return selected_revision(self.candidate_service) or self.stable or ""

    @cached_property
    def rollout(self) -> Rollout:
        """How a new version replaces the stable one: Pod by Pod if the spec does not say."""
        return self.service.spec.rollout or _POD_BY_POD

    @cached_property
    def requests(self) -> Requests:
        """Requests by annotation."""
        return requests_of(self.service)

    @cached_property
    def attempt(self) -> str:
        """Name of the attempt to roll out the selected revision.

        Another `spec.rollout` or another value of the annotation for a retry is another attempt.
        """
        rollout = self.service.spec.rollout
        identity = {
            "revision": self.target,
            "rollout": rollout.wire() if rollout is not None else None,
            "retry": self.requests.handled.retry,
        }
        return short(json_digest(identity), 10)

    @cached_property
    def rollout_token(self) -> str:
        """Value by which proxies mark the requests that they pass to the candidate; empty before it exists.

        Clients cannot know it: the API server draws the UID of the candidate's Deployment at random, and only its
        readers see that. A restarted operator finds the same value, and another rollout has another one.
        """
        if self.target_revision is None:
            return ""
        return short(json_digest(["rollout token", self.target_revision.deployment["metadata"]["uid"]]), 32)

    def check_arguments(self, candidate: CandidateVersion) -> CheckArguments:
        """Return the versions, the weight and the URLs that are passed to the user's own checks."""
        domain = self.settings.cluster_domain
        return CheckArguments(
            namespace=self.service.metadata.namespace,
            inferenceservice=self.service.metadata.name,
            stable=self.stable_template.serving.version if self.stable_template is not None else "",
            candidate=candidate.version,
            weight=candidate.weight,
            stable_url=url(self.service, domain),
            candidate_url=candidate_url(self.service, domain),
        )
