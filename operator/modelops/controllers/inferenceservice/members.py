"""The revisions of an InferenceService that are there: a Deployment each, and its Pods. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.routes import TOLD
from modelops.controllers.inferenceservice.template import REVISION, VERSION, Serving, serving_of
from modelops.controllers.marks import ARTIFACT_DIGEST
from modelops.controllers.pods import PodState, pod_state
from modelops.machinery.plan import Delete
from modelops.machinery.resources import Body, key_of


@dataclass(frozen=True)
class ServerPod:
    """A Pod that serves or is about to, and which version and revision that is."""

    state: PodState
    version: str
    digest: str
    revision: str
    ending: bool
    told: str = ""
    """What its annotation says of the routes that it was last told of."""

    @property
    def counts(self) -> bool:
        """It serves or may yet: it does not end, and was not evicted."""
        return not self.ending and self.state.phase not in ("Failed", "Succeeded")

    @property
    def ready(self) -> bool:
        """It answers."""
        return self.counts and self.state.ready


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
        ending=metadata.get("deletionTimestamp") is not None,
        told=annotations.get(TOLD, ""),
    )


def members(deployments: Iterable[Body], pods: Iterable[Body]) -> tuple[Member, ...]:
    """Each Deployment that stays, with its Pods.

    A revision's name is made of the InferenceService's UID too: Pods of one of the same name that was deleted are not
    among them.
    """
    server_pods = [server_pod(pod) for pod in pods]
    staying = [body for body in deployments if body["metadata"].get("deletionTimestamp") is None]
    bare = [Member(body) for body in staying]
    return tuple(Member(one.body, tuple(pod for pod in server_pods if pod.revision == one.revision)) for one in bare)


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
