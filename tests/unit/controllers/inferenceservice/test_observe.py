"""What an InferenceService sees in the cache and asks of the API, and what wakes it."""

import copy
from typing import Any, cast

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers import inferenceservice
from modelops.controllers.inferenceservice.observe import observe
from modelops.controllers.inferenceservice.pod.template import serving_of
from modelops.controllers.inferenceservice.revisions.children import remembered
from modelops.controllers.inferenceservice.revisions.version_selection import Refusal
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.dispatch import indexers
from modelops.machinery.kube import Kube
from modelops.machinery.resources import Body, Key, Resource
from support.builders.common import NAMESPACE, NOW, digest, settings
from support.builders.inferenceservices import (
    deployment,
    endpoint,
    inference_service,
    pod_body,
    pod_template,
    revision_of,
)
from support.builders.modelversions import version

BY_NAME = Key("InferenceService", NAMESPACE, "mortgage")
V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b", created="2026-11-05T11:00:00Z")
PINNED = inference_service(pinned="mortgage-1")


class Api:
    """What is asked of the API, and its answers."""

    def __init__(self, *bodies: Body) -> None:
        self.bodies = {(body["kind"], body["metadata"]["name"]): body for body in bodies}
        self.asked: list[tuple[str, str]] = []

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """One object."""
        self.asked.append((resource.kind, name))
        return self.bodies.get((resource.kind, name))


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


def version_body(of: ModelVersion, model: str = "mortgage", namespace: str = NAMESPACE, **metadata: Any) -> Body:
    """A ModelVersion as a watch brings it."""
    spec, status = copy.deepcopy(of.spec.wire()), copy.deepcopy(of.status.wire())
    spec["model"] = model
    known = {"name": of.metadata.name, "namespace": namespace, "uid": f"uid-of-{of.metadata.name}-{namespace}"}
    times = {"creationTimestamp": of.metadata.creation_timestamp}
    return {"kind": "ModelVersion", "metadata": {**known, **times, **metadata}, "spec": spec, "status": status}


def context(*bodies: Body, api: Api | None = None) -> ReconcileContext:
    """A world whose cache has these objects, and its Service. By default the API must not be asked."""
    return ReconcileContext(cache(endpoint(PINNED), *bodies), cast(Kube, api), settings(), NOW)


def ours(service: InferenceService = PINNED, of: ModelVersion = V1, **metadata: Any) -> Body:
    """A Deployment as a watch brings it."""
    body = deployment(service, of)
    return {**body, "metadata": {**body["metadata"], **metadata}}


async def test_the_newest_version_of_the_model() -> None:
    """Only of this model and namespace, and none that is being deleted: it would vanish under its Pods."""
    newer = version("mortgage-9", letter="b", created="2026-11-05T11:59:00Z")
    seen = await observe(
        inference_service(),
        context(
            version_body(V1),
            version_body(V2),
            version_body(newer, model="churn"),
            version_body(newer, namespace="others"),
            version_body(newer, deletionTimestamp="2026-11-05T11:00:00Z", name="mortgage-8"),
        ),
    )
    assert not isinstance(seen.wanted, Refusal)
    assert serving_of(seen.wanted).version == "mortgage-2"


async def test_the_pinned_version_alone() -> None:
    """A newer one of the same model is none of its business."""
    seen = await observe(PINNED, context(version_body(V1), version_body(V2)))
    assert seen.target == revision_of(PINNED, V1)


async def test_the_pods_of_this_very_object() -> None:
    """Pods of a namesake that was deleted still end, and must not count as ours; nor those of checks."""
    namesake = PINNED.model_copy(update={"metadata": PINNED.metadata.model_copy(update={"uid": "another"})})
    checking = pod_body(pod_template(PINNED, V1), "check")
    checking["metadata"]["labels"]["app.kubernetes.io/component"] = "check"
    seen = await observe(
        PINNED,
        context(
            version_body(V1),
            ours(),
            pod_body(pod_template(PINNED, V1), "a"),
            pod_body(pod_template(namesake, V1), "b"),
            checking,
        ),
    )
    (member,) = seen.members
    assert [(one.state.name, one.version, one.digest) for one in member.pods] == [("a", "mortgage-1", digest("a"))]
    assert seen.endpoint is not None


async def test_a_deployment_that_ends_is_gone() -> None:
    """Its Pods end with it, whatever they still answer: nothing may count on them."""
    going = ours(deletionTimestamp="2026-11-05T11:59:00Z")
    seen = await observe(PINNED, context(version_body(V1), going, pod_body(pod_template(PINNED, V1), "a")))
    assert seen.members == ()


async def test_the_service_is_asked_for_while_a_revision_may_go() -> None:
    """A memory of where it leads, a moment old, could have the Pods deleted that it has just been led to."""
    service = inference_service(
        pinned="mortgage-2", status={"stable": {"version": "mortgage-1", "digest": digest("a")}}
    )
    live = endpoint(service, revision_of(service, V2))
    api = Api(live)
    seen = await observe(
        service, context(version_body(V2), ours(service), ours(service, V2, name="mortgage-other"), api=api)
    )
    assert ("Service", "mortgage") in api.asked
    assert seen.endpoint == live


@pytest.mark.parametrize("pinned", ["mortgage-1", "mortgage-9"], ids=["what serves is wanted", "another is wanted"])
async def test_what_serves_is_remembered(pinned: str) -> None:
    """Should its Deployment be deleted while another one is wanted, or none can be, it comes back as it was."""
    revision = revision_of(PINNED, V1)
    service = inference_service(
        pinned=pinned,
        status={"stable": {"version": "mortgage-1", "digest": digest("a"), "revision": revision}},
    )
    api = Api(remembered(service, pod_template(service, V1)))
    known = cache(endpoint(service, revision), version_body(V1))
    seen = await observe(service, ReconcileContext(known, cast(Kube, api), settings(), NOW))
    assert (seen.stable, seen.member(revision)) == (revision, None)
    assert seen.stable_template == pod_template(service, V1)
    assert bool(api.asked) == (pinned != "mortgage-1")


def test_a_version_wakes_who_wants_it() -> None:
    """Both who follow the model and who pinned the version, and nobody else: no polling, no storm."""
    controller = inferenceservice.controller()
    filled = cache(service_body(), service_body("pinned", "mortgage-2"), service_body("other", "mortgage-9"))
    woken = set(controller.event_mappings[ModelVersion.__name__](version_body(V2), filled))
    assert woken == {BY_NAME, BY_NAME._replace(name="pinned")}
    assert (
        set(controller.event_mappings[ModelVersion.__name__](version_body(version("churn-1"), model="churn"), filled))
        == set()
    )


def test_children_wake_their_owner() -> None:
    """A Pod that becomes ready, a Deployment or a Service that somebody changes or deletes."""
    controller = inferenceservice.controller()
    bodies = {"Pod": pod_body(pod_template(PINNED, V1)), "Deployment": ours(), "Service": endpoint(PINNED)}
    for kind, body in bodies.items():
        assert list(controller.event_mappings[kind](body, cache())) == [BY_NAME]
    assert controller.kind is InferenceService
