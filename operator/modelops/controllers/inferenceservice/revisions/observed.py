"""The revisions of an InferenceService that exist: a Deployment each, and its Pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.controllers.inferenceservice.pod.template import REVISION, VERSION, Serving
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.metadata import ARTIFACT_DIGEST
from modelops.controllers.pods import PodState, pod_state
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Delete
from modelops.machinery.resources import Body, key_of

_KUBELET_SILENCE = timedelta(seconds=5)
"""A Pod that still exists so long after the end of its grace period is on a node that is lost."""


@dataclass(frozen=True)
class RoutesNotice:
    """Routes that a Pod was last notified of. The times are None where the annotation cannot be read."""

    routes: str = ""
    since: datetime | None = None
    """First notice of these routes."""
    last: datetime | None = None
    """Last notice of these routes."""


@dataclass(frozen=True)
class ServerPod:
    """A Pod that serves or is about to, with its version and revision."""

    state: PodState
    version: str
    digest: str
    revision: str
    ends_by: datetime | None = None
    """End of the Pod's grace period; None where the Pod is not being deleted."""
    notice: RoutesNotice = RoutesNotice()

    @cached_property
    def counts(self) -> bool:
        """The Pod is ready or may become so: it is neither being deleted nor evicted."""
        return self.ends_by is None and not self._ended

    @cached_property
    def ready(self) -> bool:
        """The Pod is ready, and not being deleted."""
        return self.counts and self.state.ready

    def may_answer(self, now: datetime) -> bool:
        """Return whether a client may still get responses: a Pod that terminates serves its open connections."""
        if self.ends_by is not None and now > self.ends_by + _KUBELET_SILENCE:
            return False
        return not self._ended

    @property
    def _ended(self) -> bool:
        return self.state.phase in ("Failed", "Succeeded")


@dataclass(frozen=True)
class ObservedRevision:
    """A revision that exists."""

    deployment: Body
    template: RevisionTemplate
    pods: tuple[ServerPod, ...] = ()

    @property
    def name(self) -> str:
        """Name of the revision."""
        return self.template.revision

    @property
    def serving(self) -> Serving:
        """Version that the Pods serve."""
        return self.template.serving

    @property
    def deployment_name(self) -> str:
        """Name of the Deployment, and of all else that belongs to this revision alone."""
        name: str = self.deployment["metadata"]["name"]
        return name

    @property
    def replicas(self) -> int:
        """Desired number of Pods of the Deployment."""
        replicas: int = self.deployment["spec"].get("replicas", 1)
        return replicas

    @cached_property
    def living(self) -> tuple[ServerPod, ...]:
        """Pods that are ready or may become so."""
        return tuple(pod for pod in self.pods if pod.counts)

    @cached_property
    def ready(self) -> int:
        """Number of ready Pods."""
        return sum(pod.ready for pod in self.pods)

    @property
    def delete(self) -> Delete:
        """Deletion of the Deployment."""
        return Delete(key_of(self.deployment), self.deployment["metadata"]["uid"])


def server_pod(body: Body) -> ServerPod:
    """Read a Pod from its body."""
    metadata = body["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return ServerPod(
        state=pod_state(body),
        version=labels.get(VERSION, ""),
        digest=annotations.get(ARTIFACT_DIGEST, ""),
        revision=labels.get(REVISION, ""),
        ends_by=parse_timestamp(metadata["deletionTimestamp"]) if metadata.get("deletionTimestamp") else None,
        notice=_notice(annotations.get(ROUTES_ANNOTATION, "")),
    )


def observed_revisions(deployments: Iterable[Body], pods: Iterable[ServerPod]) -> tuple[ObservedRevision, ...]:
    """Return each Deployment that is not being deleted, with its Pods.

    The name of a revision is a hash of the InferenceService's UID too: Pods of a deleted namesake do not match.
    """
    server_pods = list(pods)
    revisions = []
    for deployment in deployments:
        if deployment["metadata"].get("deletionTimestamp") is None:
            template = RevisionTemplate.of(deployment["spec"]["template"])
            own = tuple(pod for pod in server_pods if pod.revision == template.revision)
            revisions.append(ObservedRevision(deployment, template, own))
    return tuple(revisions)


def orphaned_pods(
    pods: Iterable[ServerPod], revisions: Iterable[ObservedRevision], now: datetime
) -> tuple[ServerPod, ...]:
    """Return the Pods that may still answer although the Deployment of their revision is deleted."""
    names = {revision.name for revision in revisions}
    return tuple(pod for pod in pods if pod.revision not in names and pod.may_answer(now))


def selected_revision(service: Body | None) -> str | None:
    """Return the revision that a Service selects; None where it selects all of them or does not exist."""
    selector = (service or {}).get("spec", {}).get("selector") or {}
    revision: str | None = selector.get(REVISION)
    return revision


def stable_revision_name(
    service: InferenceService, stable_service: Body | None, revisions: Iterable[ObservedRevision]
) -> str | None:
    """Return the name of the revision that serves; None where none has served yet.

    The Service decides: clients get the revision that it selects, even if the operator ended before it could write the
    status.
    """
    status, selected = service.status, selected_revision(stable_service)
    before = status.stable.revision if status.stable is not None else None
    if selected is None or selected == before:
        return before or None
    promoted = before is not None and status.candidate is not None and status.candidate.revision == selected
    ready = any(revision.name == selected and revision.ready for revision in revisions)
    return selected if promoted or ready else before or None


def _notice(annotation: str) -> RoutesNotice:
    routes, *times = annotation.split(" ")
    try:
        since, last = (parse_timestamp(time) for time in times)
    except ValueError:
        return RoutesNotice(routes)
    return RoutesNotice(routes, since, last)
