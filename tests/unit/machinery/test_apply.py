"""Children are written only where they are the parent's, whatever has their name."""

from typing import Any, cast

import pytest

from modelops.api.dataset import Dataset
from modelops.api.kinds import API_VERSION
from modelops.controllers import dataset as dataset_controller
from modelops.controllers.metadata import labels, owner_references
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import Dispatcher, indexers
from modelops.machinery.events import EventRecorder
from modelops.machinery.freshness import Freshness
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.plan import Delete, Plan
from modelops.machinery.reconcile import Reconciler
from modelops.machinery.resources import DATASETS, PODS, Body, Key, Resource, key_of
from modelops.machinery.scheduling.priority_slots import PrioritySlots
from modelops.machinery.scheduling.queue import Queue
from support.builders.common import NAMESPACE, metadata, settings
from support.builders.datasets import S3, dataset

PARENT = {"kind": "Dataset", "metadata": metadata("mortgage"), "spec": {"source": S3}}
KEY = Key("Dataset", NAMESPACE, "mortgage")
FORGED = [{"apiVersion": API_VERSION, "kind": "Dataset", "name": "mortgage", "uid": "uid-of-mortgage"}]
OTHER = [{"apiVersion": API_VERSION, "kind": "Dataset", "name": "other", "uid": "uid-of-other", "controller": True}]


def child(kind: str, owners: list[Body] | None = None, spec: Body | None = None, **about: Any) -> Body:
    """Return a child of the Dataset, or an object with other owners that looks like it."""
    parent = dataset()
    known = {
        "name": "child",
        "namespace": NAMESPACE,
        "labels": labels(parent, "snapshot"),
        "ownerReferences": owner_references(parent) if owners is None else owners,
    }
    return {"kind": kind, "metadata": known | about, "spec": spec or {"wanted": True}}


class Api:
    """API server that has some objects, and records what is written."""

    def __init__(self, *bodies: Body) -> None:
        self.bodies = {key_of(body): body for body in bodies}
        self.written: list[str] = []
        self.reason = ""
        self.jobs: list[Body] | None = None
        """Last record of Jobs in the status."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return an object."""
        resource.path(namespace, name)
        return self.bodies.get(Key(resource.kind, namespace, name))

    async def apply(self, resource: Resource, body: Body) -> Body:
        """Record the apply."""
        self.written.append(f"apply {body['kind']} {body['metadata']['name']}")
        return existing(body)

    async def create_if_absent(self, resource: Resource, body: Body) -> tuple[Body, bool]:
        """Return the object of this name, or record the creation."""
        found = self.bodies.get(key_of(body))
        if found is None:
            self.written.append(f"create {body['kind']} {body['metadata']['name']}")
        return found or existing(body), found is None

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str | None) -> None:
        """Record the deletion."""
        self.written.append(f"delete {resource.kind} {name} {uid}")

    async def patch_status(self, resource: Resource, namespace: str, name: str, patch: Body) -> Body:
        """Keep the reason of Ready, and the record of Jobs."""
        self.jobs = patch["status"].get("jobs", self.jobs)
        conditions = patch["status"].get("conditions", [])
        self.reason = next((condition["reason"] for condition in conditions if condition["type"] == "Ready"), "")
        return metadata("mortgage", resourceVersion="9")


def existing(body: Body) -> Body:
    """Return an object as the API server has it."""
    return {**body, "metadata": {**body["metadata"], "uid": "uid-of-child", "resourceVersion": "2"}}


async def reconciled(
    wanted: Body,
    api: Api,
    *cached: Body,
    reads: str | None = None,
    made: list[Body] | None = None,
    **more: Any,
) -> Api:
    """Carry out a plan with this child for a Dataset whose status records the Jobs `made`."""
    controllers = [dataset_controller.controller()]
    cache = Cache(indexers(controllers))
    for body in ({**PARENT, "status": {"jobs": made or []}}, *cached):
        cache.put(body)

    async def decide(parent: Dataset, context: ReconcileContext) -> Plan:
        if reads is not None:
            await context.kube.get(PODS, NAMESPACE, reads)
        return Plan(apply=(wanted,), **more)

    kube = cast(Kube, api)
    slots = PrioritySlots(1)
    dispatcher = Dispatcher(cache, Queue(slots), controllers, Freshness())
    reconciler = Reconciler(kube, cache, settings(), EventRecorder(kube, "test"), dispatcher, slots)
    controller = Controller(resource=DATASETS, kind=Dataset, decide=decide, event_mappings={}, indexers={})
    await slots.acquire(NAMESPACE)
    await reconciler.reconcile(controller, KEY)
    return api


@pytest.mark.parametrize("kind", ["Job", "Deployment", "ConfigMap", "ControllerRevision", "HTTPRoute"])
@pytest.mark.parametrize("owners", [FORGED, OTHER], ids=["the parent is not its controller", "another controller"])
@pytest.mark.parametrize("known", [True, False], ids=["in the cache", "found by the API server alone"])
async def test_the_object_of_another_owner_is_never_written(kind: str, owners: list[Body], known: bool) -> None:
    """With labels and UID of a victim an object would be changed by the operator, or take the place of a child."""
    foreign = existing(child(kind, owners, {"wanted": False}))
    cached = [foreign] if known and kind not in ("ControllerRevision", "HTTPRoute") else []
    api = await reconciled(child(kind), Api(foreign), *cached)
    assert (api.written, api.reason) == ([], "NameTaken")


@pytest.mark.parametrize("kind", ["Deployment", "ConfigMap", "ControllerRevision", "HTTPRoute"])
@pytest.mark.parametrize("owners", [None, []], ids=["the parent's", "without owner"])
async def test_an_own_child_that_differs_is_written(kind: str, owners: list[Body] | None) -> None:
    """Also if a person removed the owner: otherwise the child would stay behind."""
    api = await reconciled(child(kind), Api(existing(child(kind, owners, {"wanted": False}))))
    assert api.written == [f"apply {kind} child"]


async def test_a_job_is_created_once_and_known_again() -> None:
    """An operator that ended between the creation and its status finds the Job by its name, and owns it."""
    assert (await reconciled(child("Job"), Api())).written == ["create Job child"]
    again = await reconciled(child("Job"), Api(existing(child("Job"))))
    assert (again.written, again.reason) == ([], "")


async def test_a_job_that_differs_is_left_as_it_is() -> None:
    """Its template is immutable, and Kueue suspends it: the operator has no right to patch Jobs."""
    changed = existing(child("Job", spec={"suspend": False}))
    api = await reconciled(child("Job", spec={"suspend": True}), Api(changed), changed)
    assert (api.written, api.reason) == ([], "")


async def test_a_job_that_lost_its_owner_is_not_taken_over() -> None:
    """Its result would be believed, whoever made it."""
    api = await reconciled(child("Job"), Api(existing(child("Job", []))))
    assert (api.written, api.reason) == ([], "NameTaken")


async def test_an_impossible_name_stalls_the_object_and_sends_nothing() -> None:
    """An error that no retry mends is shown with its remedy."""
    api = await reconciled(child("ConfigMap"), Api(), reads="../../other/secrets/x")
    assert (api.written, api.reason) == ([], "InvalidName")


OLD = {"name": "child", "uid": "uid-of-the-first"}
NEW = {"name": "child", "uid": "uid-of-child"}
OTHER_JOB = {"name": "other", "uid": "1"}


async def test_a_created_job_is_recorded_in_the_status() -> None:
    """Its UID tells the Job from all later ones of its name. One that the operator makes again replaces the record."""
    assert (await reconciled(child("Job"), Api())).jobs == [NEW]
    assert (await reconciled(child("Job"), Api(), made=[OLD, OTHER_JOB])).jobs == [OTHER_JOB, NEW]
    assert (await reconciled(child("Job"), Api(), jobs_recorded=False)).jobs is None


async def test_the_record_has_the_last_jobs_and_a_deletion_writes_nothing() -> None:
    """The deletion of each Job would else write the status once more, and a long history fill it."""
    delete = Delete(Key("Job", NAMESPACE, "child"), "uid-of-child")
    assert (await reconciled(child("ConfigMap"), Api(), made=[NEW], delete=(delete,))).jobs is None
    many = [{"name": f"job-{number}", "uid": "1"} for number in range(16)]
    assert (await reconciled(child("Job"), Api(), made=many)).jobs == [*many[1:], NEW]


@pytest.mark.parametrize("known", [True, False], ids=["in the cache", "found by the API server alone"])
async def test_a_job_in_the_place_of_a_recorded_one_is_deleted(known: bool) -> None:
    """The reconcile is tried again, and makes the Job once the other one has gone."""
    forged = existing(child("Job"))
    api = Api(forged)
    with pytest.raises(ApiError, match="was not made by the operator") as problem:
        await reconciled(child("Job"), api, *([forged] if known else []), made=[OLD])
    assert problem.value.conflict
    assert api.written == ["delete Job child uid-of-child"]
    assert (await reconciled(child("Job"), Api(forged), *([forged] if known else []), made=[NEW])).written == []
