"""The real cluster that integration and e2e tests run on: objects by kubectl, S3 by its Service."""

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from hack import store
from hack.cluster import places
from hack.cluster.images import Built
from hack.deploy import ACCESS_KEY, ENDPOINT, NAMESPACE, RELEASE, SECRET_KEY
from hack.kubectl import Kubectl
from hack.steps import Step
from modelops.lineage.digests import ArtifactFile, artifact_digest
from support.kubernetes_api import KubernetesApi

Body = dict[str, Any]
SIDE_BY_SIDE = 2.0
"""How many times longer a test waits at most than it would alone: other tests run beside it."""
_BY_A_TEST: Body = {"imported": {"source": "a test"}}


@dataclass(frozen=True)
class RealCluster:
    """A cluster with the chart and an S3 server on it."""

    place: places.Cluster
    kubectl: Kubectl
    api: KubernetesApi
    images: dict[str, Built]
    s3: Any

    def apply(self, *bodies: Body) -> None:
        """Apply as `kubectl apply --server-side` does. Raises ApplyRefusedError with the API server's words."""
        for body in bodies:
            try:
                self.api.apply(body)
            except httpx.HTTPStatusError as error:
                raise ApplyRefusedError(error.response.json().get("message", "")) from error

    def get(self, kind: str, name: str, namespace: str) -> Body:
        """An object that must be there."""
        body = self.api.get(kind, name, namespace)
        assert body is not None, f"{kind} {namespace}/{name} is not there"
        return body

    def wait(self, kind: str, name: str, namespace: str, done: Callable[[Body], bool], within: float = 90.0) -> Body:
        """Wait until an object is as `done` wants it, and return that state of it. The failure shows its status.

        Every state is seen, also one that lasts for a moment. A field that is not there yet (KeyError) is waited for.
        """
        body: Body | None = None
        for body in self.api.states(kind, name, namespace, within * SIDE_BY_SIDE):
            if body is not None and _is_done(done, body):
                return body
        shown = json.dumps(body["status"] if body and "status" in body else body, indent=1)
        raise AssertionError(f"{kind} {namespace}/{name}: waited {within * SIDE_BY_SIDE:.0f} s in vain:\n{shown}")

    def gone(self, kind: str, name: str, namespace: str, within: float = 60.0) -> None:
        """Wait until an object is deleted."""
        if all(body is not None for body in self.api.states(kind, name, namespace, within * SIDE_BY_SIDE)):
            raise AssertionError(f"{kind} {namespace}/{name} is still there after {within * SIDE_BY_SIDE:.0f} s")

    def leader(self, within: float = 60.0) -> str:
        """Return the name of the Pod that holds the Lease."""
        deadline = time.monotonic() + within
        while True:
            holder = ((self.api.get("lease", RELEASE, NAMESPACE) or {}).get("spec") or {}).get("holderIdentity")
            if holder:
                return str(holder)
            assert time.monotonic() < deadline, f"no replica of the operator holds the Lease after {within:.0f} s"
            time.sleep(0.2)

    def operator_pod(self, within: float = 60.0) -> Body:
        """The replica that acts. A Lease may still name one that is gone."""
        deadline = time.monotonic() + within
        while True:
            pod = self.api.get("pod", self.leader(within), NAMESPACE)
            if pod is not None and "deletionTimestamp" not in pod["metadata"]:
                return pod
            assert time.monotonic() < deadline, f"no replica of the operator acts after {within:.0f} s"
            time.sleep(0.2)


def _is_done(done: Callable[[Body], bool], body: Body) -> bool:
    try:
        return done(body)
    except KeyError:
        return False


class ApplyRefusedError(Exception):
    """The API server did not take an object."""


@dataclass(frozen=True)
class Space:
    """A namespace of one test, with credentials for the store, and a bucket of its own."""

    cluster: RealCluster
    name: str
    bucket: str

    def upload(self, key: str, content: str | bytes) -> None:
        """Put an object into the bucket."""
        body = content.encode() if isinstance(content, str) else content
        self.cluster.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def dataset(self, name: str = "data", prefix: str = "data/", **spec: Any) -> Body:
        """A Dataset of the bucket that looks often."""
        source = {"bucket": self.bucket, "prefix": prefix, "endpoint": ENDPOINT, "region": "us-east-1"}
        own = {"source": {"s3": {**source, "secretRef": {"name": "s3"}}}, "interval": "2s", "settle": "0s", **spec}
        return self.object("Dataset", name, own)

    def run(self, name: str = "train", script: str = "", dataset: str | None = "data", **spec: Any) -> Body:
        """A TrainingRun of a Python script, in the examples' image."""
        image = self.cluster.images["examples"].by_digest
        own: Body = {
            "trainer": {"image": image, "command": ["python3", "-c", script]},
            "output": {"model": name, "format": "sklearn"},
            **spec,
        }
        if dataset is not None:
            own["datasets"] = [{"name": "train", "ref": {"name": dataset}}]
        return self.object("TrainingRun", name, own)

    def imported(self, name: str, files: dict[str, bytes], format_: str) -> Body:
        """Upload an artifact's files into the bucket. A ModelVersion of it, of a model of the same name."""
        prefix = f"models/{name}/"
        for path, content in files.items():
            self.upload(prefix + path, content)
        digest = artifact_digest(
            ArtifactFile(path, len(content), hashlib.sha256(content).hexdigest()) for path, content in files.items()
        )
        artifact = {
            "uri": f"s3://{self.bucket}/{prefix}",
            "digest": digest,
            "format": format_,
            "bytes": sum(map(len, files.values())),
        }
        return self.object("ModelVersion", name, {"model": name, "artifact": artifact, "origin": _BY_A_TEST})

    def address(self, service: str) -> str:
        """Where an InferenceService answers, as this machine reaches it."""
        return str(self.get("service", service)["spec"]["clusterIP"])

    def object(self, kind: str, name: str, spec: Body) -> Body:
        """An object of ours."""
        metadata = {"name": name, "namespace": self.name}
        return {"apiVersion": "modelops.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    def apply(self, *bodies: Body) -> None:
        """Apply objects."""
        self.cluster.apply(*bodies)

    def get(self, kind: str, name: str) -> Body:
        """An object that must be there."""
        return self.cluster.get(kind, name, self.name)

    def wait(self, kind: str, name: str, done: Callable[[Body], bool], within: float = 90.0) -> Body:
        """Wait until an object is so."""
        return self.cluster.wait(kind, name, self.name, done, within)

    def listed(self, kind: str, selector: str = "") -> list[Body]:
        """The objects of a kind."""
        return self.cluster.api.listed(kind, self.name, selector)


def has(type_: str, status: str = "True", reason: str | None = None) -> Callable[[Body], bool]:
    """Whether a condition is so, of the newest generation."""

    def check(body: Body) -> bool:
        one = condition(body, type_)
        return (
            one is not None
            and one["status"] == status
            and reason in (None, one["reason"])
            and one.get("observedGeneration") == body["metadata"]["generation"]
        )

    return check


def condition(body: Body, type_: str) -> Body | None:
    """A condition of an object."""
    found: list[Body] = body.get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == type_), None)


@contextlib.contextmanager
def space_of_its_own(cluster: RealCluster) -> Iterator[Space]:
    """A space with a name that nobody has, until the end of the block."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield make_space(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def make_space(cluster: RealCluster, name: str, *, versioned: bool = True) -> Space:
    """A namespace that holds Pods to the restricted standard, with the Secret `s3`, and a bucket of the same name."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s3", "namespace": name},
            "stringData": {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
        },
    )
    store.make_bucket(cluster.s3, name, versioned=versioned)
    return Space(cluster, name, name)


def connect(place: places.Cluster, step: Step, images: dict[str, Built]) -> RealCluster:
    """The cluster, as tests use it."""
    kubectl = Kubectl(place, step)
    s3 = store.client(kubectl)
    store.make_bucket(s3, "modelops")
    return RealCluster(place, kubectl, KubernetesApi(place.kubeconfig), images, s3)


def moment(text: str) -> datetime:
    """The time that Kubernetes wrote."""
    return datetime.fromisoformat(text)
