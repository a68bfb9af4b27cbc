"""Attempts, requests, quotas, reruns and housekeeping of TrainingRuns, each by really causing what it is about."""

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
    """A TrainingRun that asks for little, so that many fit on one node."""
    body = space.run(name, script, dataset, **spec)
    body["spec"]["trainer"]["resources"] = _SMALL
    return body


@pytest.fixture(scope="module")
def begun(cluster: RealCluster) -> Iterator[Space]:
    """Runs of one namespace, all begun at once since each takes its time: a test looks at its own alone."""
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
    found = condition(body, type_)
    assert found is not None
    return str(found["message"])


def _pod(space: Space, run: str) -> Body:
    (pod,) = [one for one in space.listed("pods", f"modelops.dev/trainingrun={run}") if _alive(one)]
    return pod


def _alive(pod: Body) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Failed", "Succeeded")


def _all_run(pod: Body) -> bool:
    told = pod["status"].get("containerStatuses", [])
    return bool(told) and all("running" in one["state"] for one in told)


def _annotate(space: Space, run: str, annotation: str) -> None:
    space.cluster.kubectl("annotate", "--overwrite", "trainingrun", run, annotation, "-n", space.name)


def test_an_evicted_training_goes_on_from_its_checkpoint(begun: Space) -> None:
    """An eviction costs time, never the run: without any retries allowed the next attempt finds the checkpoint."""
    begun.wait("trainingrun", "evicted", has("Running", "True", "Training"))
    pod = _pod(begun, "evicted")["metadata"]["name"]
    # The sidecar starts after the trainer: what is written before, in the first second, has nobody to keep it.
    begun.cluster.wait("pod", pod, begun.name, _all_run)
    while not begun.cluster.kubectl(
        "exec", pod, "-n", begun.name, "-c", "trainer", "--", "/modelops/bin/busybox", "ls", "/opt/ml/checkpoints"
    ):
        time.sleep(0.2)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": begun.name}}
    path = f"/api/v1/namespaces/{begun.name}/pods/{pod}/eviction"
    begun.cluster.kubectl("create", "--raw", path, "-f", "-", input_=json.dumps(eviction))
    done = begun.wait("trainingrun", "evicted", has("Ready", "True", "Trained"), within=120)
    assert done["status"]["metrics"] == {"resumed_from": 7}
    (attempt,) = done["status"]["failedAttempts"]
    assert (attempt["number"], attempt["counted"]) == (1, False)
    assert done["status"]["attempts"] == 2
    assert done["status"].get("failures", 0) == 0


def test_a_run_is_stopped_by_an_annotation(begun: Space) -> None:
    """Its Pods go, the reason stays, and it does not start again by itself."""
    begun.wait("trainingrun", "stopped", has("Running", "True", "Training"))
    _annotate(begun, "stopped", "modelops.dev/stop=too expensive")
    told = begun.wait("trainingrun", "stopped", has("Ready", "False", "Stopped"))
    assert "too expensive" in _message(told)
    job = told["status"]["job"]
    begun.cluster.gone("job", job, begun.name)
    assert begun.get("trainingrun", "stopped")["status"]["outcome"]["state"] == "Stopped"


def test_a_failed_run_is_tried_again_by_an_annotation(begun: Space) -> None:
    """Each new value is one more try; the value that was acted on is in the status."""
    begun.wait("trainingrun", "again", has("Stalled", "True", "TrainerFailed"))
    _annotate(begun, "again", "modelops.dev/retry=1")

    def failed_twice(body: Body) -> bool:
        return has("Stalled", "True", "TrainerFailed")(body) and body["status"]["attempts"] == 2

    told = begun.wait("trainingrun", "again", failed_twice)
    assert told["status"]["lastHandledRetry"] == "1"
    assert [one["number"] for one in told["status"]["failedAttempts"]] == [1, 2]


def test_a_finished_job_goes_and_nothing_runs_again(begun: Space) -> None:
    """After `ttlAfterFinished` neither Job nor Pods are left; the outcome alone says that it is done."""
    done = begun.wait("trainingrun", "brief", has("Ready", "True", "Trained"))
    begun.cluster.gone("job", done["status"]["job"], begun.name)
    _annotate(begun, "brief", "look=again")
    after = begun.get("trainingrun", "brief")
    assert after["status"] == done["status"]
    assert begun.listed("jobs", "modelops.dev/trainingrun=brief") == []


def test_another_run_takes_the_result_of_one_without_a_version(begun: Space) -> None:
    """The cache is the namespace's runs, not only its ModelVersions; a run that registers nothing makes none."""
    first = begun.wait("trainingrun", "unregistered", has("Ready", "True", "Trained"))
    assert "modelVersion" not in first["status"]
    assert begun.listed("modelversions", "modelops.dev/trainingrun=unregistered") == []
    begun.apply(_run(begun, "taker", _WRITES, output={"model": "m", "format": "custom"}))
    second = begun.wait("trainingrun", "taker", has("Ready", "True", "CacheHit"))
    assert second["status"]["cache"]["reason"] == "TrainingRun unregistered has the same inputs"
    assert second["status"]["artifact"]["digest"] == first["status"]["artifact"]["digest"]
    assert second["status"]["modelVersion"]


def test_new_data_replaces_a_run_in_flight(begun: Space) -> None:
    """With `inFlight: Replace` nobody waits for a training on data that is out of date."""
    before = begun.wait("trainingrun", "replaced", has("Running", "True", "Training"))
    begun.upload("data/b.csv", "x\n2\n")
    done = begun.wait("trainingrun", "replaced", has("Ready", "True", "Trained"), within=120)
    assert done["status"]["inputKey"] != before["status"]["inputKey"]
    assert done["status"]["cache"]["reason"].startswith("dataset train: sha256:")


def test_a_schedule_that_is_none_is_told(begun: Space) -> None:
    """The field and what it should look like, and nothing is trained twice for it."""
    told = begun.wait("trainingrun", "never", has("Stalled", "True", "InvalidSchedule"))
    assert "spec.rerun.schedule" in _message(told)


def test_a_schedule_trains_at_its_times(begun: Space) -> None:
    """Every minute, with `cache.mode: Ignore`: another occurrence is another key, trained anew."""

    def twice(body: Body) -> bool:
        return "scheduledAt" in body["status"] and has("Ready", "True", "Trained")(body)

    told = begun.wait("trainingrun", "minutely", twice, within=150)
    assert told["status"]["inputs"]["occurrence"] == told["status"]["scheduledAt"]
    assert told["status"]["cache"]["reason"].startswith("occurrence: ")


def test_a_quota_is_waited_for(space: Space) -> None:
    """A ResourceQuota without room is shown in the API server's words, fails nothing, and is over by itself."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": space.name},
        "spec": {"hard": {"pods": "0"}},
    }
    space.apply(quota)
    space.apply(_run(space, "waits", _WRITES))
    told = space.wait("trainingrun", "waits", has("Reconciling", "True", "QuotaExceeded"))
    assert "exceeded quota: none" in _message(told)
    assert condition(told, "Stalled") is None
    space.cluster.kubectl("delete", "resourcequota", "none", "-n", space.name)
    space.wait("trainingrun", "waits", has("Ready", "True", "Trained"), within=120)


def test_a_quota_for_jobs_is_waited_for(space: Space) -> None:
    """The Job itself can be what there is no room for."""
    space.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "no-jobs", "namespace": space.name},
            "spec": {"hard": {"count/jobs.batch": "0"}},
        }
    )
    space.apply(_run(space, "waits", _WRITES))
    told = space.wait("trainingrun", "waits", has("Reconciling", "True", "QuotaExceeded"))
    assert "exceeded quota: no-jobs" in _message(told)
