"""The resources that the operator watches and writes: where they are in the API, and what of them is worth keeping."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from modelops.api.kinds import GROUP, VERSION

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "modelops"
CHILD_SELECTOR = f"{MANAGED_BY}={MANAGER}"
"""The labels of what the operator makes, as in a query."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Body = dict[str, Any]


class Key(NamedTuple):
    """One object: its kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Resource:
    """One resource of the API. `label_selector` narrows what is watched, and is empty where every object is; `trim`
    drops what no decision reads; `comes_with` is what must be installed for it, where Kubernetes has not got it.
    """

    group: str
    version: str
    plural: str
    kind: str
    label_selector: str = ""
    trim: Callable[[Body], Body] = lambda body: body
    provided_by: str = ""

    @property
    def api_version(self) -> str:
        """As in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL's path."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _trim_metadata(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**body, "metadata": metadata}


def _trim_job(body: Body) -> Body:
    """A Job's Pod template cannot change, and is the greater part of it."""
    spec = {key: value for key, value in body.get("spec", {}).items() if key != "template"}
    return _trim_metadata({**body, "spec": spec})


def _trim_pod(body: Body) -> Body:
    """Of a Pod's spec only its node matters: the rest was ours."""
    return _trim_metadata({**body, "spec": {"nodeName": body.get("spec", {}).get("nodeName")}})


def _trim_config_map(body: Body) -> Body:
    """What cannot change need not be compared."""
    return _trim_metadata({**body, "data": {}} if body.get("immutable") else body)


def _own(plural: str, kind: str) -> Resource:
    return Resource(GROUP, VERSION, plural, kind, trim=_trim_metadata)


DATASETS = _own("datasets", "Dataset")
TRAINING_RUNS = _own("trainingruns", "TrainingRun")
MODEL_VERSIONS = _own("modelversions", "ModelVersion")
INFERENCE_SERVICES = _own("inferenceservices", "InferenceService")
JOBS = Resource("batch", "v1", "jobs", "Job", CHILD_SELECTOR, _trim_job)
PODS = Resource("", "v1", "pods", "Pod", CHILD_SELECTOR, _trim_pod)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", CHILD_SELECTOR, _trim_metadata)
SERVICES = Resource("", "v1", "services", "Service", CHILD_SELECTOR, _trim_metadata)
AUTOSCALERS = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", CHILD_SELECTOR, _trim_metadata
)
DISRUPTION_BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", CHILD_SELECTOR, _trim_metadata
)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", CHILD_SELECTOR, _trim_config_map)
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
"""Never watched: they cannot change, and are asked for only where a Deployment is not there to ask."""
SECRETS = Resource("", "v1", "secrets", "Secret")
WORKLOADS = Resource("kueue.x-k8s.io", "v1beta1", "workloads", "Workload")
"""Kueue's. Asked for by name of a Job, never watched: Kueue need not be there."""
HTTP_ROUTES = Resource(
    "gateway.networking.k8s.io",
    "v1",
    "httproutes",
    "HTTPRoute",
    CHILD_SELECTOR,
    _trim_metadata,
    provided_by="the Gateway API",
)
"""Never watched: the Gateway API need not be there."""
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")

PARENTS = (DATASETS, TRAINING_RUNS, MODEL_VERSIONS, INFERENCE_SERVICES)
WATCHED = (*PARENTS, JOBS, PODS, DEPLOYMENTS, SERVICES, AUTOSCALERS, DISRUPTION_BUDGETS, CONFIG_MAPS)
BY_KIND = {resource.kind: resource for resource in (*WATCHED, CONTROLLER_REVISIONS, SECRETS, HTTP_ROUTES)}


def key_of(body: Body) -> Key:
    """Which object this is."""
    metadata = body["metadata"]
    return Key(body["kind"], metadata.get("namespace", ""), metadata["name"])
