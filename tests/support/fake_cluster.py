"""A small cluster that carries plans out: what serving is decided by, and who answers which requests meanwhile.

It has no clock, kubelet or scheduler of its own: a test says when Pods come, are ready, and take their routes.
"""

import copy
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from modelops.api.inferenceservice import InferenceService, InferenceServiceSpec
from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.proxy_stats import PodLook
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.plan import plan
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name
from modelops.controllers.inferenceservice.pod.template import REVISION
from modelops.controllers.inferenceservice.revisions.observed import leftovers, members, server_pod, stable_revision
from modelops.controllers.inferenceservice.revisions.version_selection import wanted
from modelops.controllers.inferenceservice.traffic.routes import name_of
from modelops.controllers.jobs import job_state
from modelops.machinery import conditions
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Delete, Plan
from modelops.machinery.resources import Key, key_of
from support.builders.common import NAMESPACE, NOW, settings
from support.builders.inferenceservices import Json, pod_body

_OWNED = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap")
_HOPS = 40


@dataclass(frozen=True)
class Answered:
    """Where the requests of the Service end, in shares of all."""

    by: dict[str, float]
    """The revisions that answer."""
    lost: float
    """Nobody is there."""
    circling: float
    """They go from proxy to proxy without an end."""


@dataclass
class Cluster:
    """An InferenceService and all around it."""

    service: InferenceService
    versions: list[ModelVersion]
    now: datetime = NOW
    objects: dict[Key, Json] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    taken: dict[str, Json] = field(default_factory=dict)
    """The routes that Pods' proxies go by."""
    silent: set[str] = field(default_factory=set)
    """Pods whose proxies do not say what they do."""
    lingering: timedelta | None = None
    """How long Pods of a deleted Deployment take to go. None: no time at all."""
    counted: dict[str, PodLook] = field(default_factory=dict)
    _made: int = 0

    def seen(self, **more: object) -> Observation:
        """What the operator sees."""
        pods = [server_pod(pod) for pod in self.pods.values()]
        there = members(self._of_kind("Deployment"), pods)
        endpoint = self.object("Service", "mortgage")
        stable = stable_revision(self.service, endpoint, there)
        kept = self.object("ControllerRevision", deployment_name(self.service, stable)) if stable else None
        looks = {pod.state.name: self._look(pod.state.name) for one in there for pod in one.living}
        given: dict[str, object] = {
            "wanted": wanted(self.service, settings(), tuple(self.versions)),
            "members": there,
            "leaving": leftovers(pods, there, self.now),
            "stable": stable,
            "remembered": kept["data"]["template"] if kept else None,
            "endpoint": endpoint,
            "candidate_endpoint": self.object("Service", candidate_service_name(self.service)),
            "owned": {key: body for key, body in self.objects.items() if key.kind in _OWNED},
            "route": self.object("HTTPRoute", "mortgage"),
            "looks": looks if len(there) > 1 else {},
            "check_jobs": tuple(job_state(job, []) for job in self._of_kind("Job")),
        }
        return Observation(self.service, settings(), self.now, **{**given, **more})  # type: ignore[arg-type]

    def decide(self, **more: object) -> Plan:
        """What the operator decides, without doing it."""
        return plan(self.seen(**more))

    def look(self, **more: object) -> Plan:
        """Let the operator look once, and do what it decides."""
        decided = self.decide(**more)
        for write in self.writes(decided):
            self.write(write)
        self.tell(decided)
        return decided

    def writes(self, decided: Plan) -> list[Json | Delete]:
        """A plan's writes, in their order, without that of the status."""
        return [*decided.apply, *decided.delete]

    def write(self, write: Json | Delete) -> None:
        """One of a plan's writes, and what Kubernetes makes of it."""
        if isinstance(write, Delete):
            self._delete(write)
        elif write["kind"] == "Pod":
            pod = self.pods.get(write["metadata"]["name"])
            if pod is not None:
                pod["metadata"]["annotations"] |= write["metadata"]["annotations"]
        else:
            body, key = copy.deepcopy(write), key_of(write)
            new = {"uid": f"uid-of-{key.name}", "generation": 0, "creationTimestamp": format_timestamp(self.now)}
            known = self.objects.get(key, {"metadata": new})
            changed = known.get("spec") != body.get("spec")
            generation = known["metadata"].get("generation", 0) + changed
            body["metadata"] |= {**{part: known["metadata"][part] for part in new}, "generation": generation}
            self.objects[key] = {**body, **({"status": known["status"]} if "status" in known else {})}
        for body in self._of_kind("Deployment"):
            self._scale_down(body)

    def tell(self, decided: Plan) -> None:
        """The status of a plan."""
        if decided.status is None:
            return
        assert isinstance(decided.status, InferenceServiceStatus)
        told = conditions.merge(self.service.status.conditions, decided.conditions, 1, self.now)
        status = decided.status.model_copy(update={"conditions": told, "observed_generation": 1})
        self.service = self.service.model_copy(update={"status": status})

    def settle(self, looks: int = 1) -> Plan:
        """So many looks, after each of which all Pods come, are ready and take their routes."""
        decided = self.look()
        for _ in range(looks - 1):
            self.start()
            self.ready()
            self.take()
            decided = self.look()
        return decided

    def start(self) -> None:
        """Make the Pods that Deployments lack."""
        for body in self._of_kind("Deployment"):
            for _ in range(body["spec"].get("replicas", 1) - len(self.of(body))):
                self._made += 1
                name = f"p{self._made}"
                self.pods[name] = pod_body(
                    body["spec"]["template"], name, ready=False, address=f"10.0.{self._made // 250}.{self._made % 250}"
                )
                self._take(name)

    def ready(self, revision: str | None = None, *, at_most: int = 1000, answers: bool = True) -> None:
        """Have Pods answer, or not any more."""
        for pod in self.pods.values():
            (condition,) = pod["status"]["conditions"]
            mine = revision is None or pod["metadata"]["labels"][REVISION] == revision
            if mine and (condition["status"] == "True") != answers and at_most > 0:
                condition["status"] = str(answers)
                at_most -= 1

    def take(self, *, every: int = 1) -> None:
        """Have the proxies of all Pods take the routes that are written, or of every second one and so on."""
        for name in list(self.pods)[::every]:
            self._take(name)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def want(self, **spec: object) -> None:
        """Change fields of the spec."""
        changed = {**self.service.spec.wire(), **spec}
        parsed = InferenceServiceSpec.model_validate({name: value for name, value in changed.items() if value})
        self.service = self.service.model_copy(update={"spec": parsed})

    def want_version(self, version: ModelVersion) -> None:
        """Pin a version."""
        self.want(model={"version": version.metadata.name})
        self.versions = [version]

    def ask(self, **annotations: str) -> None:
        """Annotate, such as `promote="1"`."""
        asked = {f"modelops.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        metadata = self.service.metadata
        known = {**metadata.annotations, **asked}
        self.service = self.service.model_copy(update={"metadata": metadata.model_copy(update={"annotations": known})})

    def object(self, kind: str, name: str) -> Json | None:
        """An object of the cluster."""
        return self.objects.get(Key(kind, NAMESPACE, name))

    def of(self, deployment: Json) -> list[str]:
        """The names of a Deployment's Pods, those that do not answer first."""
        revision = deployment["spec"]["template"]["metadata"]["labels"][REVISION]
        found = [name for name, pod in self.pods.items() if pod["metadata"]["labels"][REVISION] == revision]
        return sorted(found, key=self.answers)

    def answers(self, name: str) -> bool:
        """Whether a Pod answers."""
        return bool(self.pods[name]["status"]["conditions"][0]["status"] == "True")

    def count(self, revision: str) -> int:
        """How many Pods of a revision answer."""
        return sum(
            self.answers(name) for name, pod in self.pods.items() if pod["metadata"]["labels"][REVISION] == revision
        )

    def revisions(self) -> set[str]:
        """Those that have a Deployment."""
        return {body["spec"]["template"]["metadata"]["labels"][REVISION] for body in self._of_kind("Deployment")}

    def leads_to(self, service: str = "mortgage") -> str | None:
        """The revision that a Service leads to; None for all of them."""
        body = self.object("Service", service)
        assert body is not None
        revision: str | None = body["spec"]["selector"].get(REVISION)
        return revision

    def answered(self) -> Answered:
        """Follow the requests of the Service through proxies and Services to their ends."""
        by: dict[str, float] = defaultdict(float)
        lost, under_way = 0.0, {"mortgage": 1.0}
        for _ in range(_HOPS):
            arrived, under_way = under_way, defaultdict(float)
            for service, share in arrived.items():
                behind = self._behind(service)
                lost += share if not behind else 0
                for name in behind:
                    passed = self._weight(name) / 100
                    by[self.pods[name]["metadata"]["labels"][REVISION]] += share / len(behind) * (1 - passed)
                    under_way["mortgage-candidate"] += share / len(behind) * passed
            under_way = {service: share for service, share in under_way.items() if share > 0}
        # What is passed on with a chance of less than all comes to an end; `_HOPS` of it are enough to tell.
        shares = {revision: round(share, 9) for revision, share in by.items() if share}
        return Answered(shares, round(lost, 9), round(sum(under_way.values()), 9))

    def copies_circle(self) -> bool:
        """Whether Pods that requests are copied to copy them once more."""
        if not any(self._mirrors(name) for name in self._behind("mortgage")):
            return False
        return any(self._mirrors(name) for name in self._behind("mortgage-candidate"))

    def _behind(self, service: str) -> list[str]:
        body = self.object("Service", service)
        if body is None:
            return []
        selector = body["spec"]["selector"].items()
        return [
            name
            for name, pod in self.pods.items()
            if self.answers(name) and selector <= pod["metadata"]["labels"].items()
        ]

    def _weight(self, name: str) -> int:
        routes = self.taken[name]["resources"][0]["virtual_hosts"][0]["routes"]
        shares = [
            one["match"]["runtime_fraction"]["default_value"]["numerator"]
            for one in routes
            if one["route"]["cluster"] == "candidate"
        ]
        return int(shares[0]) if shares else 0

    def _mirrors(self, name: str) -> bool:
        routes = self.taken[name]["resources"][0]["virtual_hosts"][0]["routes"]
        return any(one["route"].get("request_mirror_policies") for one in routes)

    def _take(self, name: str) -> None:
        pod = self.pods[name]
        revision = pod["metadata"]["labels"][REVISION]
        body = self.object("ConfigMap", deployment_name(self.service, revision))
        if body is not None:
            self.taken[name] = json.loads(body["data"]["routes.json"])

    def _look(self, name: str) -> PodLook | None:
        if name in self.silent or name not in self.taken:
            return None
        known = self.counted.get(name) or PodLook(Counters(), Counters(), 0, None)
        return PodLook(known.model, known.candidate, known.in_flight, name_of(self.taken[name]))

    def _delete(self, delete: Delete) -> None:
        body = self.objects.get(delete.key)
        if body is None or delete.uid not in (None, body["metadata"]["uid"]):
            return
        del self.objects[delete.key]
        if delete.key.kind == "Deployment":
            for name in self.of(body):
                if self.lingering is None:
                    del self.pods[name]
                else:
                    self.pods[name]["metadata"]["deletionTimestamp"] = format_timestamp(self.now + self.lingering)
                    self.pods[name]["status"]["conditions"][0]["status"] = "False"

    def _scale_down(self, body: Json) -> None:
        there = self.of(body)
        for name in there[: max(0, len(there) - body["spec"].get("replicas", 1))]:
            del self.pods[name]

    def _of_kind(self, kind: str) -> list[Json]:
        return [body for key, body in self.objects.items() if key.kind == kind]
