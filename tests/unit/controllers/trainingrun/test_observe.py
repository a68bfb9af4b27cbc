"""Observation of a TrainingRun: the API is asked only for objects that the plan needs and the cache does not have."""

from typing import Any, cast

import pytest

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun import controller
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.inputs.resolution import MissingInput, ResolvedInputs
from modelops.controllers.trainingrun.observe import Observation, observe
from modelops.controllers.trainingrun.sweep.suggester import Suggester
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.controller import StalledError
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.resources import WORKLOADS, Body, Resource
from support.builders.common import NOW, ago, metadata, settings
from support.builders.datasets import S3, snapshot
from support.builders.trainingruns import PINNED, training_run
from support.controllers.run_observations import VERSION

TOKEN = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
TRAINER: dict[str, Any] = {"image": PINNED, "command": ["python", "train.py"], "env": [TOKEN]}


class Api:
    """API server that has a Secret, and records what it is asked for."""

    def __init__(self, *, workloads: ApiError | None = None) -> None:
        self.requests: list[str] = []
        self.workloads = workloads

    async def metadata(self, resource: Resource, namespace: str, name: str) -> Body | None:
        self.requests.append(f"get {resource.kind} {name}")
        return {"uid": "u", "resourceVersion": "1"}

    async def find(self, resource: Resource, namespace: str, labels: str = "", **more: str) -> list[Body]:
        self.requests.append(f"find {resource.kind}")
        if resource is WORKLOADS and self.workloads is not None:
            raise self.workloads
        return []


def active_job(created: str, **spec: Any) -> Body:
    """Build a Job of the run without Pods."""
    owner = {"kind": "TrainingRun", "name": "train", "uid": "uid-of-train", "controller": True}
    about = metadata("train-1", creationTimestamp=created, ownerReferences=[owner])
    return {"kind": "Job", "metadata": about, "spec": spec, "status": {}}


async def observed(
    run: TrainingRun, *bodies: Body, data: str | None = "a", workloads: ApiError | None = None
) -> tuple[Observation, list[str]]:
    """Observe a run beside its Dataset and these objects. Return the requests to the API server too."""
    cache, api = Cache(dict(controller().indexers)), Api(workloads=workloads)
    status = {"snapshot": snapshot(data)} if data is not None else {}
    dataset = {"kind": "Dataset", "metadata": metadata("mortgage"), "spec": {"source": S3}, "status": status}
    for body in (dataset, *bodies):
        cache.put(body)
    context = ReconcileContext(cache, cast(Kube, api), settings(), NOW)
    return await observe(run, context, ProgressPoller(), Suggester()), api.requests


async def test_references_are_read_only_while_the_run_needs_new_inputs() -> None:
    """Thousands of runs that have pinned their inputs must not read their Secrets at every reconcile."""
    first, requests = await observed(training_run(trainer=TRAINER))
    assert requests == ["get Secret hub"]
    assert isinstance(first.inputs, ResolvedInputs)
    status = {"inputKey": first.inputs.key, "inputs": first.inputs.inputs.wire()}
    again, requests = await observed(training_run(trainer=TRAINER, status=status))
    assert requests == []
    assert isinstance(again.inputs, ResolvedInputs)
    assert again.inputs.key == first.inputs.key
    _, requests = await observed(training_run(trainer=TRAINER, status=status, generation=2))
    assert requests == ["get Secret hub"], "a changed spec needs new inputs"


async def test_results_and_trials_are_looked_up_by_the_inputs() -> None:
    """A version of the same inputs is found. While an input is missing, neither versions nor trials are looked up."""
    about = metadata(VERSION.metadata.name, creationTimestamp=ago())
    version = {"kind": "ModelVersion", "metadata": about, "spec": VERSION.spec.wire()}
    seen, _ = await observed(training_run(), version)
    assert [version.metadata.name for version in seen.versions] == [VERSION.metadata.name]
    assert seen.sweep is not None
    seen, _ = await observed(training_run(), version, data=None)
    assert isinstance(seen.inputs, MissingInput)
    assert (seen.versions, seen.siblings, seen.sweep) == ((), (), None)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (active_job(ago(seconds=1)), []),
        (active_job(ago(seconds=5)), ["find Event"]),
        (active_job(ago(seconds=1), suspend=True), ["find Workload"]),
    ],
    ids=["just created", "without Pods for five seconds", "suspended by Kueue"],
)
async def test_events_and_workloads_are_read_only_for_a_job_without_pods(job: Body, expected: list[str]) -> None:
    """Neither is watched: each is read where nothing else says why a Job has no Pods."""
    _, requests = await observed(training_run(), job)
    assert requests == expected


async def test_a_suspended_job_is_observed_without_the_right_to_read_workloads() -> None:
    """The chart grants it only with Kueue; another error must not look like a Job without a reason."""
    job = active_job(ago(seconds=1), suspend=True)
    seen, _ = await observed(training_run(), job, workloads=ApiError(403, "Forbidden", "workloads is forbidden"))
    assert seen.held_up == ""
    with pytest.raises(ApiError):
        await observed(training_run(), job, workloads=ApiError(500, "InternalError", "etcd"))


async def test_an_invalid_schedule_stalls_the_run_before_anything_is_trained() -> None:
    """Admission cannot check a schedule."""
    with pytest.raises(StalledError, match=r"spec\.rerun\.schedule"):
        await observed(training_run(rerun={"schedule": "61 * * * *"}))


OWNER = {"kind": "TrainingRun", "name": "train", "uid": "uid-of-train", "controller": True}
FOREIGN = [
    pytest.param({"namespace": "attacker"}, id="in another namespace"),
    pytest.param({"ownerReferences": [{**OWNER, "controller": False}]}, id="that it does not control"),
    pytest.param({"ownerReferences": [{**OWNER, "uid": "another"}]}, id="of another owner"),
    pytest.param({"ownerReferences": []}, id="with its labels alone"),
]


@pytest.mark.parametrize("about", FOREIGN)
async def test_foreign_trials_and_jobs_are_not_the_runs(about: Body) -> None:
    """A foreign run could win a sweep, and a foreign Job tell the run's model."""
    labels = {"modelops.dev/sweep": "train", "modelops.dev/trainingrun": "train"}
    known = metadata("forged", labels=labels, ownerReferences=[OWNER], creationTimestamp=ago(seconds=1))
    run = training_run(trainer={"image": PINNED, "command": ["train"]})
    trial = {"kind": "TrainingRun", "metadata": known, "spec": run.spec.wire(), "status": {}}
    job = {"kind": "Job", "metadata": known, "spec": {}, "status": {}}
    changes: list[tuple[Body, int]] = [({}, 1), (about, 0)]
    for change, count in changes:
        forged = [{**body, "metadata": {**known, **change}} for body in (trial, job)]
        seen, _ = await observed(run, *forged)
        assert seen.sweep is not None
        assert (len(seen.sweep.children), len(seen.jobs)) == (count, count)
