"""Access to the real cluster of integration and e2e tests: to objects by the API server, to S3 by its Service."""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from hack import store
from hack.cluster import places
from hack.cluster.images import Built
from hack.deploy import ACCESS_KEY, ENDPOINT, NAMESPACE, SECRET_KEY, wait_for_leader
from hack.kubectl import Kubectl
from hack.steps import Step
from modelops.lineage.digests import ArtifactFile, artifact_digest
from support.cluster.kubernetes_api import KubernetesApi
from support.cluster.polling import PARALLEL_SLOWDOWN, poll

Body = dict[str, Any]
_BY_A_TEST: Body = {"imported": {"source": "a test"}}


@dataclass(frozen=True)
class RealCluster:
    """Cluster with the chart installed and an S3 server."""

    place: places.Cluster
    kubectl: Kubectl
    api: KubernetesApi
    images: dict[str, Built]
    s3: Any

    def apply(self, *bodies: Body) -> None:
        """Apply as `kubectl apply --server-side` does. Raises ApplyRefusedError with the API server's message."""
        for body in bodies:
            try:
                self.api.apply(body)
            except httpx.HTTPStatusError as error:
                raise ApplyRefusedError(error.response.json().get("message", "")) from error

    def get(self, kind: str, name: str, namespace: str) -> Body:
        """Return an object, which must exist."""
        body = self.api.get(kind, name, namespace)
        assert body is not None, f"{kind} {namespace}/{name} is not there"
        return body

    def wait(self, kind: str, name: str, namespace: str, done: Callable[[Body], bool], within: float = 90.0) -> Body:
        """Wait until `done` accepts a state of an object, and return this state.

        `done` gets every state, also short-lived ones. A KeyError of `done` means "not yet": a field may still be
        missing. Raises AssertionError with the object's status after `within` seconds times PARALLEL_SLOWDOWN.
        """
        body: Body | None = None
        for body in self.api.states(kind, name, namespace, within * PARALLEL_SLOWDOWN):
            if body is not None and _is_done(done, body):
                return body
        status = json.dumps(body["status"] if body and "status" in body else body, indent=1)
        raise AssertionError(f"{kind} {namespace}/{name}: waited {within * PARALLEL_SLOWDOWN:.0f} s in vain:\n{status}")

    def gone(self, kind: str, name: str, namespace: str, within: float = 60.0) -> None:
        """Wait until an object is deleted."""
        if all(body is not None for body in self.api.states(kind, name, namespace, within * PARALLEL_SLOWDOWN)):
            raise AssertionError(f"{kind} {namespace}/{name} is still there after {within * PARALLEL_SLOWDOWN:.0f} s")

    def leader(self, within: float = 60.0) -> str:
        """Return the name of the Pod that holds the Lease."""
        return wait_for_leader(self.api.get, within * PARALLEL_SLOWDOWN)

    def operator_pod(self, within: float = 60.0) -> Body:
        """Return the leader's Pod. A Lease may still name a Pod that is deleted: wait for the next leader then."""
        pod = poll(
            lambda: self.api.get("pod", self.leader(within), NAMESPACE),
            lambda pod: pod is not None and "deletionTimestamp" not in pod["metadata"],
            within=within,
            awaited="a replica of the operator that acts",
        )
        assert pod is not None
        return pod


def _is_done(done: Callable[[Body], bool], body: Body) -> bool:
    try:
        return done(body)
    except KeyError:
        return False


class ApplyRefusedError(Exception):
    """Refusal of an object by the API server, with the server's message."""


@dataclass(frozen=True)
class Space:
    """Namespace of a test, with credentials for the store in the Secret `s3`, and a bucket."""

    cluster: RealCluster
    name: str
    bucket: str

    def upload(self, key: str, content: str | bytes) -> None:
        """Put an object into the bucket."""
        body = content.encode() if isinstance(content, str) else content
        self.cluster.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def dataset(self, name: str = "data", prefix: str = "data/", **spec: Any) -> Body:
        """Build a Dataset of a prefix of the bucket, with a short interval."""
        source = {"bucket": self.bucket, "prefix": prefix, "endpoint": ENDPOINT, "region": "us-east-1"}
        own = {"source": {"s3": {**source, "secretRef": {"name": "s3"}}}, "interval": "2s", "settle": "0s", **spec}
        return self.object("Dataset", name, own)

    def run(self, name: str = "train", script: str = "", dataset: str | None = "data", **spec: Any) -> Body:
        """Build a TrainingRun of a Python script, in the examples' image."""
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
        """Upload an artifact's files into the bucket, and build its ModelVersion, of a model of the same name."""
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
        """Return the cluster IP of an InferenceService's Service, which this machine can reach."""
        return str(self.get("service", service)["spec"]["clusterIP"])

    def object(self, kind: str, name: str, spec: Body) -> Body:
        """Build an object of an API of the operator, in this namespace."""
        metadata = {"name": name, "namespace": self.name}
        return {"apiVersion": "modelops.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    def apply(self, *bodies: Body) -> None:
        """Apply objects."""
        self.cluster.apply(*bodies)

    def get(self, kind: str, name: str) -> Body:
        """Return an object, which must exist."""
        return self.cluster.get(kind, name, self.name)

    def wait(self, kind: str, name: str, done: Callable[[Body], bool], within: float = 90.0) -> Body:
        """Wait until `done` accepts a state of an object, and return this state. See RealCluster.wait."""
        return self.cluster.wait(kind, name, self.name, done, within)

    def events(self, name: str, reason: str, within: float = 20.0) -> list[str]:
        """Wait for an Event about an object, and return the messages of all with this reason.

        Events are written in the background.
        """
        events = poll(
            lambda: [
                (event["reason"], str(event["message"]))
                for event in self.listed("events")
                if event["involvedObject"]["name"] == name
            ],
            lambda events: any(has_reason == reason for has_reason, _ in events),
            within=within,
            awaited=f"an Event {reason} about {self.name}/{name}",
        )
        return [message for has_reason, message in events if has_reason == reason]

    def listed(self, kind: str, selector: str = "") -> list[Body]:
        """Return the objects of a kind that a label selector selects."""
        return self.cluster.api.listed(kind, self.name, selector)


def has(type_: str, status: str = "True", reason: str | None = None) -> Callable[[Body], bool]:
    """Return a predicate: a condition of the newest generation has this status and reason."""

    def check(body: Body) -> bool:
        entry = condition(body, type_)
        return (
            entry is not None
            and entry["status"] == status
            and reason in (None, entry["reason"])
            and entry.get("observedGeneration") == body["metadata"]["generation"]
        )

    return check


def condition(body: Body, type_: str) -> Body | None:
    """Return a condition of an object; None where the status has no such condition."""
    conditions: list[Body] = body.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == type_), None)


@contextlib.contextmanager
def space_of_its_own(cluster: RealCluster) -> Iterator[Space]:
    """Create a Space with a new name, and delete its namespace at the end of the block."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield make_space(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def make_space(cluster: RealCluster, name: str, *, versioned: bool = True) -> Space:
    """Create a namespace with the restricted Pod security standard and the Secret `s3`, and a bucket of its name."""
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
    """Connect to a cluster that is set up."""
    kubectl = Kubectl(place, step)
    s3 = store.client(kubectl)
    store.make_bucket(s3, "modelops")
    return RealCluster(place, kubectl, KubernetesApi(place.kubeconfig), images, s3)


def moment(text: str) -> datetime:
    """Parse a timestamp of Kubernetes."""
    return datetime.fromisoformat(text)
