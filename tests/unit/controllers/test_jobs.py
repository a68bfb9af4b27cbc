"""Jobs and Pods are an owner's by its UID, in its namespace and as its controller: all else can be anybody's."""

from typing import Any, cast

import pytest

from modelops.controllers import dataset as dataset_controller
from modelops.controllers.jobs import JobState, jobs_of
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import Kube
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body, Resource
from support.builders.common import NAMESPACE, NOW, metadata, settings
from support.builders.datasets import dataset
from support.builders.jobs import pod, terminated

LABELS = {"modelops.dev/dataset": "mortgage", "batch.kubernetes.io/job-name": "read", MANAGED_BY: MANAGER}


def owner(kind: str, name: str, *, controller: bool = True) -> Body:
    return {"kind": kind, "name": name, "uid": f"uid-of-{name}", "controller": controller}


def job_body(name: str = "read", owners: list[Body] | None = None, ended: bool = False, **about: Any) -> Body:
    """Return a Job; by default the Dataset's."""
    owners = [owner("Dataset", "mortgage")] if owners is None else owners
    status = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": ""}]} if ended else {}
    known = metadata(name, labels=LABELS, ownerReferences=owners)
    return {"kind": "Job", "metadata": known | about, "status": status}


def pod_body(name: str, owners: list[Body] | None = None, namespace: str = NAMESPACE) -> Body:
    """Return a Pod that has ended with a report; by default the Job's."""
    owners = [owner("Job", "read")] if owners is None else owners
    body = pod("Succeeded", name=name, snapshot=terminated(0, {"digest": name}))
    about = metadata(name, labels=LABELS, ownerReferences=owners, namespace=namespace)
    return {**body, "kind": "Pod", "metadata": about}


class Api:
    """API server that has Pods."""

    def __init__(self, *pods: Body) -> None:
        self.pods = list(pods)

    async def find(self, resource: Resource, namespace: str, selector: str = "") -> list[Body]:
        """Return the Pods with the selected labels, whoever's they are."""
        wanted = dict(term.split("=") for term in selector.split(","))
        return [pod for pod in self.pods if wanted.items() <= pod["metadata"]["labels"].items()]


async def seen(*bodies: Body, live: tuple[Body, ...] = (), made: list[Body] | None = None) -> list[JobState]:
    """Return the Jobs of the Dataset `mortgage`, whose status records `made`, in a cache with these objects."""
    cache = Cache(dict(dataset_controller.controller().indexers))
    for number, body in enumerate(bodies):
        cache.put({**body, "metadata": {**body["metadata"], "resourceVersion": str(number + 1)}})
    context = ReconcileContext(cache, cast(Kube, Api(*live)), settings(), NOW)
    return await jobs_of(dataset(status={"jobs": made or []}), context)


def names(jobs: list[JobState]) -> list[tuple[str, list[str]]]:
    return [(job.key.name, [pod.name for pod in job.pods]) for job in jobs]


FOREIGN_JOBS = [
    pytest.param(job_body("forged", namespace="attacker"), id="in another namespace"),
    pytest.param(job_body("forged", [owner("Dataset", "mortgage", controller=False)]), id="that it does not control"),
    pytest.param(job_body("forged", [owner("Dataset", "other")]), id="of another owner"),
    pytest.param(job_body("forged", []), id="with its labels alone"),
]


@pytest.mark.parametrize("foreign", FOREIGN_JOBS)
async def test_a_job_is_not_the_datasets(foreign: Body) -> None:
    """Its report would become the Dataset's snapshot."""
    assert names(await seen(foreign, job_body(), pod_body("real"))) == [("read", ["real"])]


FOREIGN_PODS = [
    pytest.param(pod_body("a-forged", namespace="attacker"), id="in another namespace"),
    pytest.param(pod_body("a-forged", [owner("Job", "read", controller=False)]), id="that it does not control"),
    pytest.param(pod_body("a-forged", [owner("Job", "other")]), id="of another Job"),
    pytest.param(pod_body("a-forged", []), id="with its labels alone"),
]


@pytest.mark.parametrize("foreign", FOREIGN_PODS)
async def test_a_pod_is_not_the_jobs(foreign: Body) -> None:
    """Its termination message would become the Job's report."""
    assert names(await seen(job_body(), foreign, pod_body("real"))) == [("read", ["real"])]


@pytest.mark.parametrize("foreign", FOREIGN_PODS[1:])
async def test_a_pod_that_is_read_by_its_label_is_not_the_jobs(foreign: Body) -> None:
    """Where the watch has no Pods of a Job that has ended, its Pods are listed by a label that anybody may set."""
    live = (foreign, pod_body("real"))
    assert names(await seen(job_body(ended=True), live=live)) == [("read", ["real"])]


async def test_a_pod_without_the_operators_label_is_not_the_jobs() -> None:
    """Whoever may create Pods can name the Job as controller. The label is the operator's, by a policy of the chart."""
    forged = pod_body("a-forged")
    forged["metadata"]["labels"] = {name: text for name, text in LABELS.items() if name != MANAGED_BY}
    assert names(await seen(job_body(ended=True), live=(forged, pod_body("real")))) == [("read", ["real"])]


@pytest.mark.parametrize(
    ("made", "believed"),
    [
        ([], True),
        ([{"name": "other", "uid": "1"}], True),
        ([{"name": "read", "uid": "uid-of-read"}], True),
        ([{"name": "read", "uid": "uid-of-the-first"}], False),
    ],
    ids=["not recorded", "another one recorded", "recorded", "another one of its name recorded"],
)
async def test_a_job_that_took_the_place_of_a_recorded_one_is_not_believed(made: list[Body], believed: bool) -> None:
    """Who deletes a Job, and creates another one of its name below the same owner, could tell any result."""
    assert names(await seen(job_body(), pod_body("real"), made=made)) == ([("read", ["real"])] if believed else [])
