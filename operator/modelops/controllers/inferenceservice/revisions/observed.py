"""The revisions of an InferenceService that are there: a Deployment each, and its Pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.template import REVISION, VERSION, Serving, serving_of
from modelops.controllers.inferenceservice.traffic.routes import TOLD
from modelops.controllers.metadata import ARTIFACT_DIGEST
from modelops.controllers.pods import PodState, pod_state
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Delete
from modelops.machinery.resources import Body, key_of

_KUBELET_IS_LATE = timedelta(seconds=5)
"""A Pod that is still there so long after it must have ended is on a node that nobody hears of."""


@dataclass(frozen=True)
class ServerPod:
    """A Pod that serves or is about to, and which version and revision that is."""

    state: PodState
    version: str
    digest: str
    revision: str
    ends_by: datetime | None = None
    """When it will have ended at the latest; None for one that stays."""
    told: str = ""
    """What its annotation says of the routes that it was last told of."""

    @property
    def ending(self) -> bool:
        """It has been told to go."""
        return self.ends_by is not None

    @property
    def counts(self) -> bool:
        """It serves or may yet: it does not end, and was not evicted."""
        return not self.ending and self.state.phase not in ("Failed", "Succeeded")

    @property
    def ready(self) -> bool:
        """It answers."""
        return self.counts and self.state.ready

    def may_answer(self, now: datetime) -> bool:
        """Whether somebody may still get answers from it: one that ends answers those who have a connection to it."""
        if self.ends_by is not None and now > self.ends_by + _KUBELET_IS_LATE:
            return False
        return self.state.phase not in ("Failed", "Succeeded")


@dataclass(frozen=True)
class Member:
    """A revision that is there."""

    body: Body
    """Its Deployment."""
    pods: tuple[ServerPod, ...] = ()

    @property
    def name(self) -> str:
        """The Deployment's name."""
        name: str = self.body["metadata"]["name"]
        return name

    @property
    def template(self) -> Body:
        """Of its Pods."""
        template: Body = self.body["spec"]["template"]
        return template

    @property
    def serving(self) -> Serving:
        """What its Pods serve."""
        return serving_of(self.template)

    @property
    def revision(self) -> str:
        """Its name among the revisions."""
        return self.serving.revision

    @property
    def replicas(self) -> int:
        """How many Pods the Deployment shall have."""
        replicas: int = self.body["spec"].get("replicas", 1)
        return replicas

    @property
    def living(self) -> tuple[ServerPod, ...]:
        """The Pods that serve or may yet."""
        return tuple(pod for pod in self.pods if pod.counts)

    @property
    def ready(self) -> int:
        """How many Pods answer."""
        return sum(pod.ready for pod in self.pods)

    @property
    def delete(self) -> Delete:
        """The Deployment's deletion."""
        return Delete(key_of(self.body), self.body["metadata"]["uid"])


def server_pod(body: Body) -> ServerPod:
    """A Pod from its body."""
    metadata = body["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return ServerPod(
        state=pod_state(body),
        version=labels.get(VERSION, ""),
        digest=annotations.get(ARTIFACT_DIGEST, ""),
        revision=labels.get(REVISION, ""),
        ends_by=parse_timestamp(metadata["deletionTimestamp"]) if metadata.get("deletionTimestamp") else None,
        told=annotations.get(TOLD, ""),
    )


def members(deployments: Iterable[Body], pods: Iterable[ServerPod]) -> tuple[Member, ...]:
    """Each Deployment that stays, with its Pods.

    A revision's name is made of the InferenceService's UID too: Pods of one of the same name that was deleted are not
    among them.
    """
    server_pods = list(pods)
    staying = [body for body in deployments if body["metadata"].get("deletionTimestamp") is None]
    bare = [Member(body) for body in staying]
    return tuple(Member(one.body, tuple(pod for pod in server_pods if pod.revision == one.revision)) for one in bare)


def leftovers(pods: Iterable[ServerPod], there: Iterable[Member], now: datetime) -> tuple[ServerPod, ...]:
    """The Pods that may still answer of revisions whose Deployment has gone."""
    revisions = {one.revision for one in there}
    return tuple(pod for pod in pods if pod.revision not in revisions and pod.may_answer(now))


def selected_revision(endpoint: Body | None) -> str | None:
    """The one revision that the Service leads to; None where it leads to all of them, or is not there."""
    selector = (endpoint or {}).get("spec", {}).get("selector") or {}
    revision: str | None = selector.get(REVISION)
    return revision


def stable_revision(service: InferenceService, endpoint: Body | None, there: Iterable[Member]) -> str | None:
    """The revision that serves; None where none has served yet.

    The Service says so: what it leads to is what users get, whatever the status had room to say before an end of the
    operator.
    """
    status, selected = service.status, selected_revision(endpoint)
    before = status.stable.revision if status.stable is not None else None
    if selected is None or selected == before:
        return before or None
    promoted = before is not None and status.candidate is not None and status.candidate.revision == selected
    answers = any(member.revision == selected and member.ready for member in there)
    return selected if promoted or answers else before or None
