"""How far the Deployment and its Pods are. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from modelops.api.inferenceservice_status import CandidateVersion, InferenceServiceStatus, ServingVersion
from modelops.controllers.marks import ARTIFACT_DIGEST, label_of
from modelops.controllers.pods import PodState, pod_state
from modelops.machinery.conditions import timestamp
from modelops.machinery.resources import Body

VERSION = label_of("modelversion")
REVISION = label_of("revision")


@dataclass(frozen=True)
class ServerPod:
    """A Pod of the Deployment, and which version and revision of its template it serves."""

    state: PodState
    version: str
    digest: str
    revision: str
    ending: bool

    @property
    def counts(self) -> bool:
        """It serves or may yet: it does not end, and was not evicted."""
        return not self.ending and self.state.phase not in ("Failed", "Succeeded")

    @property
    def ready(self) -> bool:
        """It answers."""
        return self.counts and self.state.ready


@dataclass(frozen=True)
class Target:
    """What the Deployment's template shall be, or is."""

    version: str
    digest: str
    revision: str
    replicas: int


@dataclass(frozen=True)
class Rollout:
    """How far a Deployment and its Pods are on their way to a target."""

    target: Target
    at_target: bool
    """The Deployment has the target's template."""
    complete: bool
    """The Deployment's controller says: every Pod is new and available."""
    overdue: str
    """The Deployment's controller's words when it has waited too long; empty until then."""
    pods: tuple[ServerPod, ...]

    @property
    def current(self) -> tuple[ServerPod, ...]:
        """The Pods of the target."""
        return tuple(pod for pod in self.pods if pod.counts and pod.revision == self.target.revision)

    @property
    def old(self) -> tuple[ServerPod, ...]:
        """Pods of anything else that have not gone yet."""
        return tuple(pod for pod in self.pods if pod.counts and pod.revision != self.target.revision)

    @property
    def ready(self) -> int:
        """How many Pods of the target answer."""
        return sum(pod.ready for pod in self.current)

    @property
    def done(self) -> bool:
        """The target serves with all its Pods, and nothing else does."""
        return self.complete and not self.old and self.ready >= self.target.replicas


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
    )


def target_of(deployment: Body) -> Target:
    """What a Deployment's template says that it serves."""
    template = deployment["spec"]["template"]["metadata"]
    labels, annotations = template.get("labels") or {}, template.get("annotations") or {}
    return Target(
        version=labels.get(VERSION, ""),
        digest=annotations.get(ARTIFACT_DIGEST, ""),
        revision=labels.get(REVISION, ""),
        replicas=deployment["spec"].get("replicas", 1),
    )


def rollout(target: Target, deployment: Body | None, pods: Iterable[ServerPod]) -> Rollout:
    """How far it is. What the Deployment's status says of a former template or number of Pods does not count."""
    if deployment is None:
        return Rollout(target, at_target=False, complete=False, overdue="", pods=tuple(pods))
    status = deployment.get("status", {})
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    at_target = target_of(deployment).revision == target.revision
    wanted = target.replicas
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    return Rollout(
        target,
        at_target=at_target,
        complete=at_target and seen and target_of(deployment).replicas == wanted and counts == [wanted, wanted, wanted],
        overdue=_overdue(status) if at_target and seen else "",
        pods=tuple(pods),
    )


def shown(way: Rollout, before: InferenceServiceStatus, problem: str | None, now: datetime) -> InferenceServiceStatus:
    """What serves and what is about to, as the Pods say it."""
    stable = _stable(way, before)
    candidate = None
    if not arrived(way, before):
        known = before.candidate
        same = known is not None and known.version == way.target.version
        candidate = CandidateVersion(
            version=way.target.version,
            digest=way.target.digest,
            since=known.since if known is not None and same else timestamp(now),
            problem=problem,
        )
    return InferenceServiceStatus(url=before.url, stable=stable, candidate=candidate)


def arrived(way: Rollout, before: InferenceServiceStatus) -> bool:
    """The target is what serves, though perhaps not with all its Pods: a node that is lost begins no rollout."""
    served_before = before.stable is not None and before.stable.version == way.target.version
    return way.at_target and not way.old and (way.ready > 0 or (served_before and before.candidate is None))


def _stable(way: Rollout, before: InferenceServiceStatus) -> ServingVersion | None:
    """The version that serves: with Pods that answer, and while there are several, the one that served before."""
    answering = Counter(pod.version for pod in way.pods if pod.ready)
    present = {pod.version: pod.digest for pod in way.pods if pod.counts}
    known = before.stable
    if arrived(way, before):
        version = way.target.version
    elif known is not None and known.version in (answering or present):
        version = known.version
    elif answering:
        version = max(answering, key=lambda name: (answering[name], name != way.target.version, name))
    else:
        return None
    digest = way.target.digest if version == way.target.version else present[version]
    return ServingVersion(version=version, digest=digest, replicas=way.target.replicas, ready=answering[version])


def _overdue(status: Body) -> str:
    for one in status.get("conditions", []):
        if (
            one["type"] == "Progressing"
            and one["status"] == "False"
            and one.get("reason") == "ProgressDeadlineExceeded"
        ):
            return one.get("message") or "the progress deadline is exceeded"
    return ""
