"""A fake cluster that carries plans out, and follows the requests that clients send meanwhile.

It has no clock, kubelet or scheduler of its own: a test says when Pods start, become ready, and use their routes.
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
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.plan import plan
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name
from modelops.controllers.inferenceservice.pod.template import REVISION
from modelops.controllers.inferenceservice.revisions.observed import (
    observed_revisions,
    orphaned_pods,
    server_pod,
    stable_revision_name,
)
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.revisions.version_selection import select_template
from modelops.controllers.inferenceservice.traffic.envoy_routes import name_of
from modelops.controllers.jobs import job_state
from modelops.machinery import conditions
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Delete, Plan
from modelops.machinery.resources import BY_KIND, Key, key_of
from support.builders.common import NAMESPACE, NOW, settings
from support.builders.inferenceservices import Json, pod_body

_OWNED = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap")
_HOPS = 40


@dataclass(frozen=True)
class Answered:
    """Where the requests to the Service end, as ratios of all requests."""

    by: dict[str, float]
    """Requests that a revision answers, by its name."""
    lost: float
    """Requests that reach a Service without a ready Pod."""
    circling: float
    """Requests that proxies forward without an end."""


@dataclass
class Cluster:
    """An InferenceService with its versions and children."""

    service: InferenceService
    versions: list[ModelVersion]
    now: datetime = NOW
    objects: dict[Key, Json] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    routes: dict[str, Json] = field(default_factory=dict)
    """Routes that the proxies use, by the Pod's name."""
    silent: set[str] = field(default_factory=set)
    """Names of Pods whose proxies do not answer the operator."""
    lingering: timedelta | None = None
    """Time that the Pods of a deleted Deployment take to terminate. None: they terminate at once."""
    counted: dict[str, ProxyStats] = field(default_factory=dict)
    """Statistics of the proxies, by the Pod's name."""
    _created: int = 0

    def observe(self, **more: object) -> Observation:
        """Return what the operator observes."""
        pods = [server_pod(pod) for pod in self.pods.values()]
        revisions = observed_revisions(self._of_kind("Deployment"), pods)
        service = self.object("Service", "mortgage")
        stable = stable_revision_name(self.service, service, revisions)
        record = self.object("ControllerRevision", deployment_name(self.service, stable)) if stable else None
        stats = {pod.state.name: self._proxy_stats(pod.state.name) for revision in revisions for pod in revision.living}
        given: dict[str, object] = {
            "selected": select_template(self.service, settings(), tuple(self.versions)),
            "revisions": revisions,
            "orphaned_pods": orphaned_pods(pods, revisions, self.now),
            "stable": stable,
            "recorded": RevisionTemplate.of(record["data"]["template"]) if record else None,
            "stable_service": service,
            "candidate_service": self.object("Service", candidate_service_name(self.service)),
            "owned": {key: BY_KIND[key.kind].trim(body) for key, body in self.objects.items() if key.kind in _OWNED},
            "http_route": self.object("HTTPRoute", "mortgage"),
            "proxy_stats": stats if len(revisions) > 1 else {},
            "check_jobs": tuple(job_state(job, []) for job in self._of_kind("Job")),
        }
        return Observation(self.service, settings(), self.now, **{**given, **more})  # type: ignore[arg-type]

    def decide(self, **more: object) -> Plan:
        """Return the operator's plan, without carrying it out."""
        return plan(self.observe(**more))

    def reconcile(self, **more: object) -> Plan:
        """Reconcile once: carry out the operator's plan."""
        decided = self.decide(**more)
        for write in self.writes(decided):
            self.write(write)
        self.write_status(decided)
        return decided

    def writes(self, decided: Plan) -> list[Json | Delete]:
        """Return a plan's writes in their order, without the write of the status."""
        return [*decided.apply, *decided.delete]

    def write(self, write: Json | Delete) -> None:
        """Carry out one of a plan's writes, with what Kubernetes does in response."""
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

    def write_status(self, decided: Plan) -> None:
        """Write the status of a plan."""
        if decided.status is None:
            return
        assert isinstance(decided.status, InferenceServiceStatus)
        merged = conditions.merge(self.service.status.conditions, decided.conditions, 1, self.now)
        status = decided.status.model_copy(update={"conditions": merged, "observed_generation": 1})
        self.service = self.service.model_copy(update={"status": status})

    def settle(self, reconciles: int = 1) -> Plan:
        """Reconcile several times. After each one all Pods start, are ready, and use the latest routes."""
        decided = self.reconcile()
        for _ in range(reconciles - 1):
            self.start()
            self.ready()
            self.use_routes()
            decided = self.reconcile()
        return decided

    def start(self) -> None:
        """Create the missing Pods of all Deployments."""
        for body in self._of_kind("Deployment"):
            for _ in range(body["spec"].get("replicas", 1) - len(self.of(body))):
                self._created += 1
                name = f"p{self._created}"
                self.pods[name] = pod_body(
                    body["spec"]["template"],
                    name,
                    ready=False,
                    address=f"10.0.{self._created // 250}.{self._created % 250}",
                )
                self._use_routes(name)

    def ready(self, revision: str | None = None, *, at_most: int = 1000, answers: bool = True) -> None:
        """Make Pods of a revision ready, or of all revisions; with `answers=False` make them unready."""
        for pod in self.pods.values():
            (condition,) = pod["status"]["conditions"]
            matches = revision is None or pod["metadata"]["labels"][REVISION] == revision
            if matches and (condition["status"] == "True") != answers and at_most > 0:
                condition["status"] = str(answers)
                at_most -= 1

    def use_routes(self, *, every: int = 1) -> None:
        """Let the proxies use the latest routes: of all Pods, of every second one, and so on."""
        for name in list(self.pods)[::every]:
            self._use_routes(name)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def change_spec(self, **spec: object) -> None:
        """Change fields of the spec."""
        changed = {**self.service.spec.wire(), **spec}
        parsed = InferenceServiceSpec.model_validate({name: value for name, value in changed.items() if value})
        self.service = self.service.model_copy(update={"spec": parsed})

    def select(self, version: ModelVersion) -> None:
        """Select a version by its name."""
        self.change_spec(model={"version": version.metadata.name})
        self.versions = [version]

    def annotate(self, **annotations: str) -> None:
        """Set annotations of the InferenceService, such as `promote="1"`."""
        added = {f"modelops.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        metadata = self.service.metadata
        merged = {**metadata.annotations, **added}
        self.service = self.service.model_copy(update={"metadata": metadata.model_copy(update={"annotations": merged})})

    def object(self, kind: str, name: str) -> Json | None:
        """Return an object by kind and name."""
        return self.objects.get(Key(kind, NAMESPACE, name))

    def of(self, deployment: Json) -> list[str]:
        """Return the names of a Deployment's Pods, unready ones first."""
        revision = deployment["spec"]["template"]["metadata"]["labels"][REVISION]
        names = [name for name, pod in self.pods.items() if pod["metadata"]["labels"][REVISION] == revision]
        return sorted(names, key=self.answers)

    def answers(self, name: str) -> bool:
        """Return whether a Pod is ready."""
        return bool(self.pods[name]["status"]["conditions"][0]["status"] == "True")

    def count(self, revision: str) -> int:
        """Return the number of ready Pods of a revision."""
        return sum(
            self.answers(name) for name, pod in self.pods.items() if pod["metadata"]["labels"][REVISION] == revision
        )

    def revisions(self) -> set[str]:
        """Return the names of the revisions that have a Deployment."""
        return {body["spec"]["template"]["metadata"]["labels"][REVISION] for body in self._of_kind("Deployment")}

    def selects(self, service: str = "mortgage") -> str | None:
        """Return the name of the revision that a Service selects; None for all revisions."""
        body = self.object("Service", service)
        assert body is not None
        revision: str | None = body["spec"]["selector"].get(REVISION)
        return revision

    def answered(self) -> Answered:
        """Follow the requests to the Service through proxies and Services to the Pods that answer them."""
        by: dict[str, float] = defaultdict(float)
        lost, forwarded = 0.0, {"mortgage": 1.0}
        for _ in range(_HOPS):
            arrived, forwarded = forwarded, defaultdict(float)
            for service, ratio in arrived.items():
                selected = self._selected_pods(service)
                lost += ratio if not selected else 0
                for name in selected:
                    weight = self._weight(name) / 100
                    by[self.pods[name]["metadata"]["labels"][REVISION]] += ratio / len(selected) * (1 - weight)
                    forwarded["mortgage-candidate"] += ratio / len(selected) * weight
            forwarded = {service: ratio for service, ratio in forwarded.items() if ratio > 0}
        # With a weight below 100% the rest tends to 0, after `_HOPS` below the precision of the result.
        ratios = {revision: round(ratio, 9) for revision, ratio in by.items() if ratio}
        return Answered(ratios, round(lost, 9), round(sum(forwarded.values()), 9))

    def mirrors_circle(self) -> bool:
        """Return whether Pods that get mirrored requests mirror them again."""
        if not any(self._mirrors(name) for name in self._selected_pods("mortgage")):
            return False
        return any(self._mirrors(name) for name in self._selected_pods("mortgage-candidate"))

    def _selected_pods(self, service: str) -> list[str]:
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
        routes = self.routes[name]["resources"][0]["virtual_hosts"][0]["routes"]
        weights = [
            route["match"]["runtime_fraction"]["default_value"]["numerator"]
            for route in routes
            if route["route"]["cluster"] == "candidate"
        ]
        return int(weights[0]) if weights else 0

    def _mirrors(self, name: str) -> bool:
        routes = self.routes[name]["resources"][0]["virtual_hosts"][0]["routes"]
        return any(route["route"].get("request_mirror_policies") for route in routes)

    def _use_routes(self, name: str) -> None:
        pod = self.pods[name]
        revision = pod["metadata"]["labels"][REVISION]
        body = self.object("ConfigMap", deployment_name(self.service, revision))
        if body is not None:
            self.routes[name] = json.loads(body["data"]["routes.json"])

    def _proxy_stats(self, name: str) -> ProxyStats | None:
        if name in self.silent or name not in self.routes:
            return None
        known = self.counted.get(name) or ProxyStats(Counters(), Counters(), 0, None)
        return ProxyStats(known.model, known.candidate, known.in_flight, name_of(self.routes[name]))

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
        names = self.of(body)
        for name in names[: max(0, len(names) - body["spec"].get("replicas", 1))]:
            del self.pods[name]

    def _of_kind(self, kind: str) -> list[Json]:
        return [body for key, body in self.objects.items() if key.kind == kind]
