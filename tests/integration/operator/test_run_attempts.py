"""Attempts, requests, quotas, reruns and garbage collection of TrainingRuns, each really caused."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support import real_cluster
from support.real_cluster import Body, RealCluster, Space, condition, has

_WRITES = "open('/opt/ml/model/model', 'w').write('weights')"
_RESUMES = f"""
import os, time
kept = '/opt/ml/checkpoints/step'
if os.path.exists(kept):
    {_WRITES}
    open('/opt/ml/output/metrics.json', 'w').write('{{"resumed_from": ' + open(kept).read() + '}}')
else:
    open(kept, 'w').write('7')
    time.sleep(600)
"""
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def _run(space: Space, name: str, script: str, *, dataset: str | None = None, **spec: Any) -> Body:
    """Build a TrainingRun with small resource requests, so that many fit on one node."""
    body = space.run(name, script, dataset, **spec)
    body["spec"]["trainer"]["resources"] = _SMALL
    return body


@pytest.fixture(scope="module")
def shared(cluster: RealCluster) -> Iterator[Space]:
    """Return a namespace with the runs of all tests, started at once because each takes time."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    space.upload("data/a.csv", "x\n1\n")
    space.apply(
        _run(space, "evicted", _RESUMES),
        _run(space, "stopped", "import time; time.sleep(600)"),
        _run(space, "again", "raise SystemExit(3)"),
        _run(space, "brief", _WRITES, ttlAfterFinished="2s", parameters={"of": "brief"}),
        _run(space, "unregistered", _WRITES, output={"model": "m", "format": "custom", "registration": "Never"}),
        _run(
            space,
            "minutely",
            _WRITES,
            rerun={"schedule": "* * * * *"},
            cache={"mode": "Ignore"},
            parameters={"of": "minutely"},
        ),
        _run(space, "never", _WRITES, rerun={"schedule": "61 * * * *"}, parameters={"of": "never"}),
        space.dataset(interval="1s"),
        _run(
            space,
            "replaced",
            f"import os, time; os.path.exists('/opt/ml/input/data/train/b.csv') or time.sleep(600); {_WRITES}",
            dataset="data",
            rerunOn=["DatasetChange"],
            rerun={"inFlight": "Replace"},
        ),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _message(body: Body, type_: str = "Ready") -> str:
    entry = condition(body, type_)
    assert entry is not None
    return str(entry["message"])


def _active_pod(space: Space, run: str) -> Body:
    (pod,) = [pod for pod in space.listed("pods", f"modelops.dev/trainingrun={run}") if _is_active(pod)]
    return pod


def _is_active(pod: Body) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Failed", "Succeeded")


def _has_all_containers_running(pod: Body) -> bool:
    statuses = pod["status"].get("containerStatuses", [])
    return bool(statuses) and all("running" in status["state"] for status in statuses)


def _annotate(space: Space, run: str, annotation: str) -> None:
    space.cluster.kubectl("annotate", "--overwrite", "trainingrun", run, annotation, "-n", space.name)


def test_an_evicted_run_resumes_from_its_checkpoint(shared: Space) -> None:
    """An eviction does not count as a failure: also without retries the next attempt restores the checkpoint."""
    shared.wait("trainingrun", "evicted", has("Running", "True", "Training"))
    pod = _active_pod(shared, "evicted")["metadata"]["name"]
    # The sidecar starts after the trainer: a checkpoint written before could be lost.
    shared.cluster.wait("pod", pod, shared.name, _has_all_containers_running)
    while not shared.cluster.kubectl(
        "exec", pod, "-n", shared.name, "-c", "trainer", "--", "/modelops/bin/busybox", "ls", "/opt/ml/checkpoints"
    ):
        time.sleep(0.2)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": shared.name}}
    path = f"/api/v1/namespaces/{shared.name}/pods/{pod}/eviction"
    shared.cluster.kubectl("create", "--raw", path, "-f", "-", input_=json.dumps(eviction))
    done = shared.wait("trainingrun", "evicted", has("Ready", "True", "Trained"), within=120)
    assert done["status"]["metrics"] == {"resumed_from": 7}
    (attempt,) = done["status"]["failedAttempts"]
    assert (attempt["number"], attempt["counted"]) == (1, False)
    assert done["status"]["attempts"] == 2
    assert done["status"].get("failures", 0) == 0


def test_the_annotation_stop_stops_a_run(shared: Space) -> None:
    """The run's Job is deleted, the reason stays in the status, and the run does not start again."""
    shared.wait("trainingrun", "stopped", has("Running", "True", "Training"))
    _annotate(shared, "stopped", "modelops.dev/stop=too expensive")
    run = shared.wait("trainingrun", "stopped", has("Ready", "False", "Stopped"))
    assert "too expensive" in _message(run)
    job = run["status"]["job"]
    shared.cluster.gone("job", job, shared.name)
    assert shared.get("trainingrun", "stopped")["status"]["outcome"]["state"] == "Stopped"


def test_the_annotation_retry_retries_a_failed_run(shared: Space) -> None:
    """Each new value starts one more attempt, and the handled value is in the status."""
    shared.wait("trainingrun", "again", has("Stalled", "True", "TrainerFailed"))
    _annotate(shared, "again", "modelops.dev/retry=1")

    def failed_twice(body: Body) -> bool:
        return has("Stalled", "True", "TrainerFailed")(body) and body["status"]["attempts"] == 2

    run = shared.wait("trainingrun", "again", failed_twice)
    assert run["status"]["lastHandledRetry"] == "1"
    assert [attempt["number"] for attempt in run["status"]["failedAttempts"]] == [1, 2]


def test_the_job_of_a_finished_run_is_deleted_and_the_run_does_not_start_again(shared: Space) -> None:
    """After `ttlAfterFinished` neither Job nor Pods exist, and the outcome in the status prevents a new attempt."""
    done = shared.wait("trainingrun", "brief", has("Ready", "True", "Trained"))
    shared.cluster.gone("job", done["status"]["job"], shared.name)
    _annotate(shared, "brief", "look=again")
    after = shared.get("trainingrun", "brief")
    assert after["status"] == done["status"]
    assert shared.listed("jobs", "modelops.dev/trainingrun=brief") == []


def test_the_result_of_a_run_without_a_model_version_is_a_cache_hit(shared: Space) -> None:
    """The cache has all runs of the namespace, also runs with `registration: Never`, which create no ModelVersion."""
    first = shared.wait("trainingrun", "unregistered", has("Ready", "True", "Trained"))
    assert "modelVersion" not in first["status"]
    assert shared.listed("modelversions", "modelops.dev/trainingrun=unregistered") == []
    shared.apply(_run(shared, "taker", _WRITES, output={"model": "m", "format": "custom"}))
    second = shared.wait("trainingrun", "taker", has("Ready", "True", "CacheHit"))
    assert second["status"]["cache"]["reason"] == "TrainingRun unregistered has the same inputs"
    assert second["status"]["artifact"]["digest"] == first["status"]["artifact"]["digest"]
    assert second["status"]["modelVersion"]


def test_new_data_replaces_a_run_in_flight(shared: Space) -> None:
    """`inFlight: Replace` stops a training on outdated data as soon as there is a new snapshot."""
    before = shared.wait("trainingrun", "replaced", has("Running", "True", "Training"))
    shared.upload("data/b.csv", "x\n2\n")
    done = shared.wait("trainingrun", "replaced", has("Ready", "True", "Trained"), within=120)
    assert done["status"]["inputKey"] != before["status"]["inputKey"]
    assert done["status"]["cache"]["reason"].startswith("dataset train: sha256:")


def test_an_invalid_schedule_stalls_the_run(shared: Space) -> None:
    """The message names the field."""
    run = shared.wait("trainingrun", "never", has("Stalled", "True", "InvalidSchedule"))
    assert "spec.rerun.schedule" in _message(run)


def test_a_schedule_trains_again_at_its_next_occurrence(shared: Space) -> None:
    """Each occurrence is part of the input key, so a run with an every-minute schedule trains again."""

    def twice(body: Body) -> bool:
        return "scheduledAt" in body["status"] and has("Ready", "True", "Trained")(body)

    run = shared.wait("trainingrun", "minutely", twice, within=150)
    assert run["status"]["inputs"]["occurrence"] == run["status"]["scheduledAt"]
    assert run["status"]["cache"]["reason"].startswith("occurrence: ")


def test_a_run_waits_for_quota_for_pods(space: Space) -> None:
    """The status shows the API server's message, and the run starts once the ResourceQuota is deleted."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": space.name},
        "spec": {"hard": {"pods": "0"}},
    }
    space.apply(quota)
    space.apply(_run(space, "waits", _WRITES))
    run = space.wait("trainingrun", "waits", has("Reconciling", "True", "QuotaExceeded"))
    assert "exceeded quota: none" in _message(run)
    assert condition(run, "Stalled") is None
    space.cluster.kubectl("delete", "resourcequota", "none", "-n", space.name)
    space.wait("trainingrun", "waits", has("Ready", "True", "Trained"), within=120)


def test_a_run_waits_for_quota_for_jobs(space: Space) -> None:
    """A quota can also forbid the Job itself, not only its Pods."""
    space.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "no-jobs", "namespace": space.name},
            "spec": {"hard": {"count/jobs.batch": "0"}},
        }
    )
    space.apply(_run(space, "waits", _WRITES))
    run = space.wait("trainingrun", "waits", has("Reconciling", "True", "QuotaExceeded"))
    assert "exceeded quota: no-jobs" in _message(run)
