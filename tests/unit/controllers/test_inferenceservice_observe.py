"""What an InferenceService sees in the cache, and what wakes it."""

import copy
from typing import Any, cast

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers import inferenceservice
from modelops.controllers.inferenceservice.names import deployment_name
from modelops.controllers.inferenceservice.observe import observe
from modelops.machinery.cache import Cache
from modelops.machinery.controller import World
from modelops.machinery.dispatch import indexers
from modelops.machinery.kube import Kube
from modelops.machinery.resources import Body, Key
from support.serving_objects import (
    NAMESPACE,
    NOW,
    deployment,
    digest,
    endpoint,
    inference_service,
    settings,
    version,
)

BY_NAME = Key("InferenceService", NAMESPACE, "mortgage")


def cache(*bodies: Body) -> Cache:
    """The operator's cache with these objects in it."""
    filled = Cache(indexers([inferenceservice.controller()]))
    for number, body in enumerate(bodies):
        metadata = {"uid": f"uid-{number}", **body["metadata"], "resourceVersion": str(number + 1)}
        filled.put({**body, "metadata": metadata})
    return filled


def service_body(name: str = "mortgage", pinned: str | None = None) -> Body:
    """An InferenceService as a watch brings it."""
    model = {"version": pinned} if pinned else {"name": "mortgage"}
    return {
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"model": model, "server": {"runtime": "sklearn"}},
    }


def version_body(name: str, model: str = "mortgage", namespace: str = NAMESPACE, **metadata: Any) -> Body:
    """A ModelVersion as a watch brings it."""
    body = {"spec": copy.deepcopy(version(name).spec.wire())}
    body["spec"]["model"] = model
    return {"kind": "ModelVersion", "metadata": {"name": name, "namespace": namespace, **metadata}, **body}


def pod_body(name: str, replica_set: str) -> Body:
    """A Pod as a watch brings it."""
    labels = {"modelops.dev/inferenceservice": "mortgage", "modelops.dev/modelversion": "mortgage-1"}
    owners = [{"kind": "ReplicaSet", "name": replica_set, "uid": "uid-of-set", "controller": True}]
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": labels,
        "annotations": {"modelops.dev/artifact-digest": digest("a")},
        "ownerReferences": owners,
    }
    return {"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "Running"}}


def world(*bodies: Body) -> World:
    """A world whose cache has all there is: the API must not be asked."""
    return World(cache(endpoint(inference_service()), *bodies), cast(Kube, None), settings(), NOW)


async def test_the_versions_of_the_model() -> None:
    """Only those of this model and namespace, and none that is being deleted: it would vanish under its Pods."""
    seen = await observe(
        inference_service(),
        world(
            version_body("mortgage-1"),
            version_body("mortgage-2"),
            version_body("churn-1", model="churn"),
            version_body("mortgage-3", namespace="others"),
            version_body("mortgage-4", deletionTimestamp="2026-11-05T11:00:00Z"),
        ),
    )
    assert [one.metadata.name for one in seen.versions] == ["mortgage-1", "mortgage-2"]


async def test_the_pinned_version_alone() -> None:
    """A newer one of the same model is none of its business."""
    seen = await observe(
        inference_service(pinned="mortgage-1"), world(version_body("mortgage-1"), version_body("mortgage-2"))
    )
    assert [one.metadata.name for one in seen.versions] == ["mortgage-1"]


async def test_the_pods_of_this_very_object() -> None:
    """Pods of a namesake that was deleted still end, and must not count as ours."""
    service = inference_service()
    ours = deployment_name(service)
    seen = await observe(
        service,
        world(deployment(service, version()), pod_body("a", f"{ours}-7d9f"), pod_body("b", "mortgage-00000000-7d9f")),
    )
    assert [one.state.name for one in seen.pods] == ["a"]
    assert (seen.pods[0].version, seen.pods[0].digest) == ("mortgage-1", digest("a"))
    assert seen.deployment is not None
    assert seen.endpoint is not None


def test_a_version_wakes_who_wants_it() -> None:
    """Both who follow the model and who pinned the version, and nobody else: no polling, no storm."""
    controller = inferenceservice.controller()
    filled = cache(service_body(), service_body("pinned", "mortgage-2"), service_body("other", "mortgage-9"))
    woken = set(controller.wakes[ModelVersion.__name__](version_body("mortgage-2"), filled))
    assert woken == {BY_NAME, BY_NAME._replace(name="pinned")}
    assert set(controller.wakes[ModelVersion.__name__](version_body("churn-1", model="churn"), filled)) == set()


def test_children_wake_their_owner() -> None:
    """A Pod that becomes ready, a Deployment or a Service that somebody changes or deletes."""
    controller = inferenceservice.controller()
    service = inference_service()
    bodies = {"Pod": pod_body("a", "x"), "Deployment": deployment(service, version()), "Service": endpoint(service)}
    for kind, body in bodies.items():
        assert list(controller.wakes[kind](body, cache())) == [BY_NAME]
    assert controller.kind is InferenceService
