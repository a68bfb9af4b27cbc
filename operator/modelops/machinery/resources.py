"""Resources that the operator watches and writes: their place in the API, and what of them the cache keeps."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from modelops.api.kinds import GROUP, VERSION
from modelops.api.types import OBJECT_NAME_PATTERN
from modelops.lineage.digests import json_digest

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "modelops"
CHILD_SELECTOR = f"{MANAGED_BY}={MANAGER}"
"""Label selector of everything that the operator creates."""
CONTENT_DIGEST = "contentDigest"
"""Field of a cached ConfigMap in place of its content. Absent where only the metadata is known."""
PAGE = 20
"""Objects in a page of a LIST. A page is parsed as a whole, and one object may have 1.5 MiB."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_OBJECT_NAME = re.compile(OBJECT_NAME_PATTERN)
_LONGEST_NAME = 253
_LONGEST_OF_A_POD = 256
"""Length of the longest annotation of a Pod that the cache keeps. Those that are read are digests and numbers."""

Body = dict[str, Any]


class InvalidNameError(ValueError):
    """A name or namespace is not a DNS-1123 subdomain, so no object can have it and no request is made."""


class Key(NamedTuple):
    """Identity of one object."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Resource:
    """One resource of the API."""

    group: str
    version: str
    plural: str
    kind: str
    label_selector: str = ""
    """Selector of the objects to watch. Empty: every object."""
    trim: Callable[[Body], Body] = lambda body: body
    """Drops the parts of an object that no decision reads."""
    keeps: Callable[[Body], bool] = lambda body: True
    """Returns whether the cache keeps an object."""
    metadata_only: bool = False
    """Whether lists and watches ask for the metadata alone, so that no content reaches the operator by them."""
    provided_by: str = ""
    """Product that defines the resource, such as `the Gateway API`. Empty: part of Kubernetes."""

    @property
    def api_version(self) -> str:
        """Value of `apiVersion` in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of the URL, encoded: of the resource, of one object, or of a subresource.

        Raises InvalidNameError for a namespace or name that could not be one segment of the path, such as `../other`.
        """
        segments = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            segments += ["namespaces", _checked(namespace, f"namespace of a {self.kind}")]
        segments.append(self.plural)
        if name is not None:
            segments.append(_checked(name, f"name of a {self.kind}"))
        if subresource is not None:
            segments.append(subresource)
        return "".join("/" + quote(segment, safe="") for segment in segments)


def _checked(text: str, what: str) -> str:
    if len(text) > _LONGEST_NAME or not _OBJECT_NAME.fullmatch(text):
        shown = json.dumps(text[:_LONGEST_NAME])
        raise InvalidNameError(
            f"{shown} cannot be the {what}; use at most 253 lower-case letters, digits, dashes"
            " and dots, as in a DNS name"
        )
    return text


def _trim_metadata(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**body, "metadata": metadata}


def _trim_job(body: Body) -> Body:
    """Drop the Pod template: immutable, and the larger part of a Job."""
    spec = {key: value for key, value in body.get("spec", {}).items() if key != "template"}
    return _trim_metadata({**body, "spec": spec})


def _trim_pod(body: Body) -> Body:
    """Keep of a Pod's spec only the node, and whether logs become messages: the operator set the rest.

    Its longer annotations are dropped, such as the lineage: a model with thousands of Pods has as many copies.
    """
    spec = body.get("spec", {})
    containers = [
        {field: container[field] for field in ("name", "terminationMessagePolicy") if field in container}
        for container in spec.get("containers", [])
    ]
    metadata = {**body["metadata"]}
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = {name: text for name, text in annotations.items() if len(text) <= _LONGEST_OF_A_POD}
    kept = {"nodeName": spec.get("nodeName"), "containers": containers}
    return _trim_metadata({**body, "metadata": metadata, "spec": kept})


def _trim_config_map(body: Body) -> Body:
    """Keep the metadata, and a digest of the content where the content is known."""
    kept = _trim_metadata({"apiVersion": "v1", "kind": "ConfigMap", "metadata": body["metadata"]})
    if "data" in body or "binaryData" in body:
        kept[CONTENT_DIGEST] = content_digest(body)
    return kept


def content_digest(config_map: Body) -> str:
    """Return the digest of a ConfigMap's content."""
    return json_digest({part: config_map.get(part) or {} for part in ("data", "binaryData")})


def _is_child(body: Body) -> bool:
    """Return whether an object of one of our kinds controls this one."""
    owners = body["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["apiVersion"].startswith(f"{GROUP}/") for owner in owners)


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
CONFIG_MAPS = Resource(
    "", "v1", "configmaps", "ConfigMap", CHILD_SELECTOR, _trim_config_map, keeps=_is_child, metadata_only=True
)
"""Anybody may create ConfigMaps of 1 MiB with the label, by the hundred."""
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
"""Never watched: immutable, and read only where the Deployment itself does not exist."""
SECRETS = Resource("", "v1", "secrets", "Secret")
WORKLOADS = Resource("kueue.x-k8s.io", "v1beta1", "workloads", "Workload")
"""Kueue's. Never watched, since Kueue need not be installed: selected by the label that has the Job's UID."""
HTTP_ROUTES = Resource(
    "gateway.networking.k8s.io",
    "v1",
    "httproutes",
    "HTTPRoute",
    CHILD_SELECTOR,
    _trim_metadata,
    provided_by="the Gateway API",
)
"""Never watched: the Gateway API need not be installed."""
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")

PARENTS = (DATASETS, TRAINING_RUNS, MODEL_VERSIONS, INFERENCE_SERVICES)
WATCHED = (*PARENTS, JOBS, PODS, DEPLOYMENTS, SERVICES, AUTOSCALERS, DISRUPTION_BUDGETS, CONFIG_MAPS)
BY_KIND = {resource.kind: resource for resource in (*WATCHED, CONTROLLER_REVISIONS, SECRETS, HTTP_ROUTES)}


def key_of(body: Body) -> Key:
    """Return the key of an object."""
    metadata = body["metadata"]
    return Key(body["kind"], metadata.get("namespace", ""), metadata["name"])
