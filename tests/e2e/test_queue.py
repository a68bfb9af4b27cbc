"""TrainingRuns in a queue of a real Kueue, which evicts Jobs whose Pods are not ready in time."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from hack.kueue import PODS_READY_WITHIN_SECONDS
from support.cluster.kueue import Queue
from support.cluster.real_cluster import Body, Space, condition, has, moment

_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}
_TRAINS_FOR = """
import sys, time
time.sleep({seconds})
open("/opt/ml/model/model", "w").write("x")
"""
_RESUMES = """
import json, os, time
place = "/opt/ml/checkpoints/step"
first = int(open(place).read()) if os.path.exists(place) else 0
last = first + 8 if first else 480
for step in range(first + 1, last + 1):
    with open(place + ".new", "w") as file:
        file.write(str(step))
    os.rename(place + ".new", place)
    with open("/opt/ml/output/metrics.jsonl", "a") as file:
        print(json.dumps({"step": step, "total_steps": last}), file=file)
    time.sleep(0.25)
open("/opt/ml/model/model", "w").write("x")
json.dump({"resumed_from": first}, open("/opt/ml/output/metrics.json", "w"))
"""
"""Script: 480 steps of 0.25 s, or 8 more from a checkpoint, which holds the number of the last step."""
_LONG = PODS_READY_WITHIN_SECONDS + 10
_TIMEOUT = 60


@pytest.mark.takes_minutes
def test_with_quota_for_one_pod_the_second_run_waits_for_the_first(space: Space, queue: Queue) -> None:
    """A run that waits for quota shows Kueue's message, does not fail, and its timeout does not run.

    Kueue does not evict a run that trains for longer than Kueue waits for Pods to be ready.
    """
    space.apply(_queued(space, "first", _TRAINS_FOR.format(seconds=_LONG)))
    space.wait("trainingrun", "first", has("Running"))
    second = _queued(space, "second", _TRAINS_FOR.format(seconds=1), timeout=f"{_TIMEOUT}s")
    space.apply(second)
    waiting = space.wait("trainingrun", "second", _is_queued_with("insufficient unused quota for pods"))
    assert has("Ready", "False", "Queued")(waiting)
    assert has("Running", "True")(space.get("trainingrun", "first"))

    states: list[Body] = []

    def ready(body: Body) -> bool:
        states.append(body)
        return has("Ready")(body)

    done = space.wait("trainingrun", "second", ready, within=_LONG + 90)
    assert not [body for body in states if has("Stalled")(body) or has("Succeeded", "False")(body)]
    assert not has("Queued")(done)
    succeeded = condition(done, "Succeeded")
    assert succeeded is not None
    waited = moment(succeeded["lastTransitionTime"]) - moment(done["metadata"]["creationTimestamp"])
    assert waited > timedelta(seconds=_TIMEOUT), "the wait was shorter than the timeout, and shows nothing"

    first = space.wait("trainingrun", "first", has("Ready"))
    assert first["status"]["attempts"] == done["status"]["attempts"] == 1
    assert queue.evictions() == []


def test_a_preempted_run_resumes_from_its_checkpoint(space: Space, queue: Queue) -> None:
    """Preemption by a run of higher priority costs neither an attempt nor finished work."""
    urgent = f"urgent-{space.name}"
    space.apply(_priority_class(urgent))
    space.apply(_queued(space, "patient", _RESUMES))
    space.wait("trainingrun", "patient", lambda body: body.get("status", {}).get("progress", {}).get("step", 0) > 0)
    space.apply(_queued(space, "urgent", _TRAINS_FOR.format(seconds=1), pod={"priorityClassName": urgent}))

    space.wait("trainingrun", "patient", has("Queued"))
    space.wait("trainingrun", "urgent", has("Ready"))
    assert not has("Ready")(space.get("trainingrun", "patient")), "it was not preempted"
    done = space.wait("trainingrun", "patient", has("Ready"), within=120)

    assert done["status"]["metrics"]["resumed_from"] > 0
    assert not [attempt for attempt in done["status"].get("failedAttempts", []) if attempt["counted"]]
    assert len(queue.evictions()) == 1
    assert len(space.listed("modelversions")) == 2
    space.cluster.kubectl("delete", "priorityclass", urgent)


def test_a_gang_is_admitted_only_once_there_is_quota_for_all_workers(space: Space, queue: Queue) -> None:
    """A gang admitted in part would hold quota while it waits for its other workers."""
    space.apply(_queued(space, "pair", _TRAINS_FOR.format(seconds=1), workers={"count": 2}))
    space.wait("trainingrun", "pair", _is_queued_with("quota for pods"))
    assert space.listed("pods") == []
    queue.set_quota(pods=2)
    done = space.wait("trainingrun", "pair", has("Ready"))
    assert done["status"]["attempts"] == 1


def _queued(space: Space, name: str, script: str, **spec: object) -> Body:
    """Build a TrainingRun in the queue with small resource requests. Its model has the run's name."""
    run = space.run(name, script, dataset=None, queueName="team", **spec)
    run["spec"]["trainer"]["resources"] = _SMALL
    return run


def _is_queued_with(words: str) -> Callable[[Body], bool]:
    """Return a predicate: the run is queued, and its condition contains Kueue's words."""

    def check(body: Body) -> bool:
        queued = condition(body, "Queued")
        return has("Queued")(body) and queued is not None and words in queued["message"]

    return check


def _priority_class(name: str) -> Body:
    """Build a PriorityClass that only Kueue acts on: the scheduler never preempts for it."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": 1000,
        "preemptionPolicy": "Never",
    }
