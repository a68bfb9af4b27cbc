"""What an InferenceService's observation reads from the cache and the API, and what enqueues a reconcile."""

import asyncio
import copy
from typing import Any, cast

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers import inferenceservice
from modelops.controllers.inferenceservice.analysis.pod_looks import PodLooks
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.observe import observe as observe_or_wait
from modelops.controllers.inferenceservice.revisions.children import (
    candidate_service,
    revision_record,
    routes_config_map,
)
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.revisions.version_selection import NotServable
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.dispatch import indexers
from modelops.machinery.kube import Kube
from modelops.machinery.resources import CONTENT_DIGEST, Body, Key, Resource, content_digest
from support.builders.common import NAMESPACE, NOW, digest, settings
from support.builders.inferenceservices import (
    deployment,
    inference_service,
    pod_body,
    pod_template,
    revision_of,
    service_object,
)
from support.builders.modelversions import version

BY_NAME = Key("InferenceService", NAMESPACE, "mortgage")
V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b", created="2026-11-05T11:00:00Z")
PINNED = inference_service(pinned="mortgage-1")


class Api:
    """An API with these objects, which records the reads."""

    def __init__(self, *bodies: Body) -> None:
        self.bodies = {(body["kind"], body["metadata"]["name"]): body for body in bodies}
        self.reads: list[tuple[str, str]] = []

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return an object."""
        self.reads.append((resource.kind, name))
        return self.bodies.get((resource.kind, name))


def cache(*bodies: Body) -> Cache:
    """Return the operator's cache with these objects."""
    filled = Cache(indexers([inferenceservice.controller()]))
    for number, body in enumerate(bodies):
        metadata = {"uid": f"uid-{number}", **body["metadata"], "resourceVersion": str(number + 1)}
        filled.put({**body, "metadata": metadata})
    return filled


def service_body(name: str = "mortgage", pinned: str | None = None) -> Body:
    """Return an InferenceService as a watch delivers it."""
    model = {"version": pinned} if pinned else {"name": "mortgage"}
    return {
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"model": model, "server": {"runtime": "sklearn"}},
    }


def version_body(of: ModelVersion, model: str = "mortgage", namespace: str = NAMESPACE, **metadata: Any) -> Body:
    """Return a ModelVersion as a watch delivers it."""
    spec, status = copy.deepcopy(of.spec.wire()), copy.deepcopy(of.status.wire())
    spec["model"] = model
    known = {"name": of.metadata.name, "namespace": namespace, "uid": f"uid-of-{of.metadata.name}-{namespace}"}
    times = {"creationTimestamp": of.metadata.creation_timestamp}
    return {"kind": "ModelVersion", "metadata": {**known, **times, **metadata}, "spec": spec, "status": status}


def context(*bodies: Body, api: Api | None = None) -> ReconcileContext:
    """Return a context whose cache has these objects and the Service. By default the API must not be read."""
    return ReconcileContext(cache(service_object(PINNED), *bodies), cast(Kube, api), settings(), NOW)


def own_deployment(service: InferenceService = PINNED, of: ModelVersion = V1, **metadata: Any) -> Body:
    """Return a Deployment of the InferenceService as a watch delivers it."""
    body = deployment(service, of)
    return {**body, "metadata": {**body["metadata"], **metadata}}


async def observe(service: InferenceService, reads: ReconcileContext) -> Observation:
    """Observe an InferenceService whose Pods have been looked at."""
    looks = PodLooks(port=1)
    seen = await observe_or_wait(service, reads, looks)
    if seen is None:
        await asyncio.gather(*looks._running.values())
        seen = await observe_or_wait(service, reads, looks)
    assert seen is not None
    return seen


async def test_the_newest_version_of_the_model_is_selected() -> None:
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
    assert not isinstance(seen.selected, NotServable)
    assert seen.selected.serving.version == "mortgage-2"


async def test_a_pinned_version_is_selected_beside_newer_ones() -> None:
    """A newer version of the same model does not change a pinned one."""
    seen = await observe(PINNED, context(version_body(V1), version_body(V2)))
    assert seen.target == revision_of(PINNED, V1)


async def test_only_server_pods_of_this_object_are_observed() -> None:
    """Pods of a deleted namesake still terminate, and must not count; neither must the Pods of check Jobs."""
    namesake = PINNED.model_copy(update={"metadata": PINNED.metadata.model_copy(update={"uid": "another"})})
    checking = pod_body(pod_template(PINNED, V1), "check")
    checking["metadata"]["labels"]["app.kubernetes.io/component"] = "check"
    seen = await observe(
        PINNED,
        context(
            version_body(V1),
            own_deployment(),
            pod_body(pod_template(PINNED, V1), "a"),
            pod_body(pod_template(namesake, V1), "b"),
            checking,
        ),
    )
    (revision,) = seen.revisions
    assert [(pod.state.name, pod.version, pod.digest) for pod in revision.pods] == [("a", "mortgage-1", digest("a"))]
    assert seen.stable_service is not None


async def test_a_deployment_that_is_being_deleted_is_not_a_revision() -> None:
    """Its Pods terminate with it, even if they still answer: nothing may count on them."""
    deleted = own_deployment(deletionTimestamp="2026-11-05T11:59:00Z")
    seen = await observe(PINNED, context(version_body(V1), deleted, pod_body(pod_template(PINNED, V1), "a")))
    assert seen.revisions == ()


async def test_the_service_is_read_from_the_api_while_there_are_several_revisions() -> None:
    """A cached Service, a moment old, could have the operator delete the Pods that the Service has just selected."""
    service = inference_service(
        pinned="mortgage-2", status={"stable": {"version": "mortgage-1", "digest": digest("a")}}
    )
    live = service_object(service, revision_of(service, V2))
    api = Api(live)
    seen = await observe(
        service,
        context(version_body(V2), own_deployment(service), own_deployment(service, V2, name="mortgage-other"), api=api),
    )
    assert ("Service", "mortgage") in api.reads
    assert seen.stable_service == live


async def test_with_several_revisions_each_observation_waits_for_a_look_at_the_pods_in_the_background() -> None:
    """A reconcile never waits for a Pod, and no two decisions rest on one look."""
    service = inference_service(pinned="mortgage-2")
    api = Api(service_object(service, revision_of(service, V2)))
    own = service_body()
    known = context(
        {**own, "metadata": {**own["metadata"], "uid": service.metadata.uid}},
        version_body(V2),
        own_deployment(service),
        own_deployment(service, V2, name="mortgage-other"),
        api=api,
    )
    looks = PodLooks(port=1)
    for _ in range(2):
        assert await observe_or_wait(service, known, looks) is None
        assert await observe_or_wait(service, known, looks) is None, "the look is running"
        await asyncio.gather(*looks._running.values())
        assert await observe_or_wait(service, known, looks) is not None


@pytest.mark.parametrize(
    "pinned", ["mortgage-1", "mortgage-9"], ids=["the stable version is selected", "another version is selected"]
)
async def test_the_stable_template_is_read_from_its_record(pinned: str) -> None:
    """If a person deletes the stable Deployment while another version is selected, the operator restores it."""
    revision = revision_of(PINNED, V1)
    service = inference_service(
        pinned=pinned,
        status={"stable": {"version": "mortgage-1", "digest": digest("a"), "revision": revision}},
    )
    api = Api(revision_record(service, RevisionTemplate.of(pod_template(service, V1))))
    known = cache(service_object(service, revision), version_body(V1))
    seen = await observe(service, ReconcileContext(known, cast(Kube, api), settings(), NOW))
    assert (seen.stable, seen.revision(revision)) == (revision, None)
    assert seen.stable_template == RevisionTemplate.of(pod_template(service, V1))
    assert bool(api.reads) == (pinned != "mortgage-1")


@pytest.mark.parametrize("whole", [True, False], ids=["written by the operator", "delivered by a watch"])
async def test_a_config_map_is_read_if_only_its_metadata_is_known(whole: bool) -> None:
    """A watch delivers the metadata alone, and whether the routes are as desired is known by their content only."""
    routes = routes_config_map(PINNED, "abc", "{}")
    body = {**routes, "metadata": {**routes["metadata"], "uid": "uid-of-routes"}}
    metadata_alone = {part: value for part, value in body.items() if part != "data"}
    api = Api({**body, "metadata": {**body["metadata"], "resourceVersion": "2"}})
    seen = await observe(PINNED, context(body if whole else metadata_alone, api=api))
    (known,) = seen.owned.values()
    assert known[CONTENT_DIGEST] == content_digest(routes)
    assert (("ConfigMap", routes["metadata"]["name"]) in api.reads) is not whole


def test_a_version_enqueues_the_services_that_select_it() -> None:
    """Services that follow the model or pin the version need no polling, and other services are not reconciled."""
    controller = inferenceservice.controller()
    filled = cache(service_body(), service_body("pinned", "mortgage-2"), service_body("other", "mortgage-9"))
    enqueued = set(controller.event_mappings[ModelVersion.__name__](version_body(V2), filled))
    assert enqueued == {BY_NAME, BY_NAME._replace(name="pinned")}
    assert (
        set(controller.event_mappings[ModelVersion.__name__](version_body(version("churn-1"), model="churn"), filled))
        == set()
    )


def test_children_enqueue_their_owner() -> None:
    """A Pod that becomes ready, a Deployment or a Service that a person changes or deletes."""
    controller = inferenceservice.controller()
    bodies = {
        "Pod": pod_body(pod_template(PINNED, V1)),
        "Deployment": own_deployment(),
        "Service": service_object(PINNED),
    }
    for kind, body in bodies.items():
        assert list(controller.event_mappings[kind](body, cache())) == [BY_NAME]
    assert controller.kind is InferenceService


OWNER = {"kind": "InferenceService", "name": "mortgage", "uid": PINNED.metadata.uid}
FOREIGN = [
    pytest.param({"namespace": "attacker"}, id="in another namespace"),
    pytest.param({"ownerReferences": [OWNER]}, id="that it does not control"),
    pytest.param({"ownerReferences": [{**OWNER, "uid": "another", "controller": True}]}, id="of another owner"),
]


@pytest.mark.parametrize("about", [*FOREIGN, pytest.param({"ownerReferences": []}, id="with its labels alone")])
async def test_a_foreign_deployment_is_not_a_revision(about: Body) -> None:
    """The template of a revision runs in the namespace of the InferenceService."""
    own, foreign = own_deployment(), own_deployment(**{"name": "forged", "uid": "uid-of-forged", **about})
    seen = await observe(PINNED, context(version_body(V1), own, foreign))
    assert [revision.deployment_name for revision in seen.revisions] == [own["metadata"]["name"]]


@pytest.mark.parametrize("about", FOREIGN[1:])
async def test_a_foreign_candidate_service_and_record_are_not_read(about: Body) -> None:
    """Another InferenceService may have the Service `mortgage-candidate`, and anybody a record with a template."""
    stable = revision_of(PINNED, V1)
    status = {"stable": {"version": "mortgage-1", "digest": digest("a"), "revision": stable}}
    service = inference_service(pinned="mortgage-2", status=status)
    record = revision_record(service, RevisionTemplate.of(pod_template(PINNED, V1)))
    candidate = candidate_service(service, stable, grpc=False)
    for known in (True, False):
        for body in (record, candidate):
            body["metadata"] |= {} if known else about
        seen = await observe(service, context(version_body(V2), candidate, api=Api(record)))
        assert (seen.candidate_service is not None, seen.recorded is not None) == (known, known)
