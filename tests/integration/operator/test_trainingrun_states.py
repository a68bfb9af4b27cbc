"""TrainingRuns in every state, with real trainers: each failure has its own reason and the trainer's output."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster import real_cluster
from support.cluster.real_cluster import Body, RealCluster, Space, condition, has

_WRITES = (
    "import os; open('/opt/ml/model/model', 'w').write(os.environ.get('SM_HPS', '') + os.environ.get('GREETING', ''))"
)
_MARK = "value-of-a-secret"
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def _run(space: Space, name: str, script: str, *, dataset: str | None = None, **spec: Any) -> Body:
    """Build a TrainingRun with small resource requests, so that many fit on one node."""
    trainer = spec.pop("trainer", {})
    body = space.run(name, script, dataset, **spec)
    body["spec"]["trainer"] = {**body["spec"]["trainer"], "resources": _SMALL, **trainer}
    return body


@pytest.fixture(scope="module")
def shared(cluster: RealCluster) -> Iterator[Space]:
    """Return a namespace with the runs of all tests, started at once because each takes time."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    space.upload("data/a.csv", "x\n1\n")
    greeting = {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "greeting"}}}
    space.apply(
        _run(space, "later", _WRITES, trainer={"env": [greeting]}),
        _run(space, "retried", "raise SystemExit(5)", retries={"limit": 1}),
        _run(space, "deadline", "import time; time.sleep(600)", timeout="5s"),
        space.dataset(interval="1s"),
        _run(space, "follows", _WRITES, dataset="data", rerunOn=["DatasetChange"]),
        _run(space, "first", _WRITES, parameters={"depth": "3"}),
        _run(space, "code", "print('weights are NaN'); raise SystemExit(3)"),
        _run(
            space,
            "failure",
            "open('/opt/ml/output/failure', 'w').write('all labels are alike'); raise SystemExit(1)",
        ),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "token", "namespace": name},
            "stringData": {"token": _MARK},
        },
        _run(
            space,
            "prints",
            "import os; print(os.environ['TOKEN']); raise SystemExit(os.environ['TOKEN'])",
            trainer={"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}}]},
        ),
        _run(space, "nothing", "pass"),
        _run(
            space,
            "metrics",
            f"{_WRITES}; open('/opt/ml/output/metrics.json', 'w').write('{{\"accuracy\": NaN}}')",
        ),
        _run(
            space,
            "memory",
            "held = [bytearray(b'x' * 2**20) for _ in range(600)]",
            trainer={"resources": {**_SMALL, "limits": {"memory": "64Mi"}}},
        ),
        _run(space, "image", _WRITES, trainer={"image": "localhost/modelops/nothing:1"}),
        _run(
            space,
            "for-good",
            "raise SystemExit(7)",
            retries={"limit": 2, "nonRetryableExitCodes": [7]},
        ),
        _run(space, "tag", _WRITES, trainer={"image": cluster.images["examples"].by_tag}, parameters={"of": "tag"}),
        _run(space, "quantity", _WRITES, trainer={"resources": {"limits": {"memory": "-1Gi"}}}),
        _run(space, "no-data", _WRITES, dataset="nowhere"),
    )
    # A ConfigMap is read every half minute: it is created as soon as the status has named it as missing.
    space.wait("trainingrun", "later", has("Reconciling", "True", "ReferenceNotFound"))
    metadata = {"name": "later", "namespace": name}
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"greeting": "hello"}})
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _ready(body: Body) -> Body:
    ready = condition(body, "Ready")
    assert ready is not None
    return ready


def _jobs(space: Space, name: str) -> list[Body]:
    return space.listed("jobs", f"modelops.dev/trainingrun={name}")


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("code", "TrainerFailed", ("code 3", "weights are NaN")),
        ("failure", "TrainerFailed", ("all labels are alike",)),
        ("prints", "TrainerFailed", ("code 1", "kubectl logs prints-")),
        ("nothing", "NoModelWritten", ("/opt/ml/model",)),
        ("metrics", "InvalidMetrics", ("accuracy",)),
        ("memory", "OutOfMemory", ("trainer.resources.limits.memory",)),
        ("deadline", "DeadlineExceeded", ("5s",)),
        ("for-good", "TrainerFailed", ("code 7",)),
    ],
)
def test_each_failure_of_a_trainer_has_its_own_reason_and_message(
    shared: Space, name: str, reason: str, words: tuple[str, ...]
) -> None:
    """Each failure is final, after one attempt and without a model, and its message names the cause."""
    run = shared.wait("trainingrun", name, has("Stalled", "True", reason))
    for word in words:
        assert word in _ready(run)["message"], _ready(run)["message"]
    assert has("Ready", "False", reason)(run)
    assert has("Succeeded", "False", reason)(run)
    assert run["status"]["outcome"]["state"] == "Failed"
    assert run["status"]["outcome"]["reason"] == reason
    assert run["status"]["attempts"] == 1
    assert "modelVersion" not in run["status"]
    assert shared.listed("modelversions", f"modelops.dev/trainingrun={name}") == []


def test_a_secret_that_a_trainer_prints_is_in_no_object(shared: Space) -> None:
    """Who may read runs, Pods and Events may not read Secrets: a failed trainer's log stays in its Pod."""
    shared.wait("trainingrun", "prints", has("Stalled", "True", "TrainerFailed"))
    for kind in ("trainingruns", "jobs", "pods", "events", "configmaps"):
        assert _MARK not in str(shared.listed(kind)), kind


def test_a_failed_run_is_retried_up_to_its_limit(shared: Space) -> None:
    """`retries.limit: 1` allows two attempts, and the message says why the last attempt failed."""
    run = shared.wait("trainingrun", "retried", has("Stalled", "True", "TrainerFailed"))
    assert run["status"]["attempts"] == 2
    assert "code 5" in _ready(run)["message"]


def test_an_image_that_cannot_be_pulled_stalls_the_run(shared: Space) -> None:
    """The message names the image, while the kubelet retries the pull."""
    run = shared.wait("trainingrun", "image", has("Stalled", "True", "ImagePullFailed"))
    assert "localhost/modelops/nothing:1" in _ready(run)["message"]
    assert "outcome" not in run["status"]


def test_a_job_refused_by_the_api_server_stalls_the_run_with_its_message(shared: Space) -> None:
    """Values that only the API server validates, such as quantities, are shown with the server's message."""
    run = shared.wait("trainingrun", "quantity", has("Stalled"), within=20)
    assert _ready(run)["reason"] in ("Invalid", "BadRequest")
    assert "must be greater than or equal to 0" in _ready(run)["message"]
    assert _jobs(shared, "quantity") == []


def test_a_run_waits_until_its_dataset_exists(shared: Space) -> None:
    """The order of applying does not matter: the message names the missing Dataset."""
    run = shared.wait("trainingrun", "no-data", has("Reconciling", "True", "DatasetNotFound"))
    assert '"nowhere"' in _ready(run)["message"]
    assert condition(run, "Stalled") is None
    assert _jobs(shared, "no-data") == []


def test_a_run_waits_until_its_config_map_exists(shared: Space) -> None:
    """The Event names the missing ConfigMap, and the run starts without a change once the ConfigMap exists."""
    messages = shared.events("later", "ReferenceNotFound")
    assert ["later" in message for message in messages] == [True], messages
    done = shared.wait("trainingrun", "later", has("Ready", "True", "Trained"))
    artifact = shared.get("modelversion", done["status"]["modelVersion"])["spec"]["artifact"]
    bucket, prefix = artifact["uri"].removeprefix("s3://").split("/", 1)
    assert b"hello" in shared.cluster.s3.get_object(Bucket=bucket, Key=f"{prefix}model")["Body"].read()


def test_runs_with_the_same_inputs_are_trained_once(shared: Space) -> None:
    """A second run with the same inputs has the model of the first, without a Job.

    With another parameter the second run trains, and its status names the changed input.
    """
    first = shared.wait("trainingrun", "first", has("Ready", "True", "Trained"))["status"]
    assert first["cache"]["result"] == "Miss"
    version = shared.get("modelversion", first["modelVersion"])

    second = _run(shared, "second", _WRITES, parameters={"depth": "3"})
    shared.apply(second)
    hit = shared.wait("trainingrun", "second", has("Ready", "True", "CacheHit"))["status"]
    assert hit["inputKey"] == first["inputKey"]
    assert hit["cache"]["result"] == "Hit"
    assert hit["cache"]["reason"] == "TrainingRun first has the same inputs"
    assert hit["artifact"] == first["artifact"]
    assert shared.get("modelversion", hit["modelVersion"])["spec"]["artifact"] == version["spec"]["artifact"]
    assert _jobs(shared, "second") == []

    shared.apply(_run(shared, "second", _WRITES, parameters={"depth": "4"}))
    other = shared.wait("trainingrun", "second", has("Ready", "True", "Trained"))["status"]
    assert other["cache"] == {"result": "Miss", "reason": 'parameters: {"depth":"3"} → {"depth":"4"}'}
    assert other["inputKey"] != first["inputKey"]
    assert other["modelVersion"] != hit["modelVersion"]
    assert len(_jobs(shared, "second")) == 1
    assert shared.get("modelversion", hit["modelVersion"])["spec"]["artifact"] == version["spec"]["artifact"]


def test_a_run_trains_again_on_a_new_snapshot(shared: Space) -> None:
    """`rerunOn: [DatasetChange]` trains on each new snapshot, which is the origin of the new ModelVersion."""
    first = shared.wait("trainingrun", "follows", has("Ready", "True", "Trained"))["status"]
    before = shared.get("dataset", "data")["status"]["snapshot"]["digest"]
    shared.upload("data/a.csv", "x\n1\n2\n")
    again = shared.wait(
        "trainingrun",
        "follows",
        lambda body: has("Ready", "True", "Trained")(body) and body["status"]["inputKey"] != first["inputKey"],
    )["status"]
    after = shared.get("dataset", "data")["status"]["snapshot"]["digest"]
    assert after != before
    assert again["modelVersion"] != first["modelVersion"]
    assert "dataset train: " in again["cache"]["reason"]
    for status, digest in ((first, before), (again, after)):
        origin = shared.get("modelversion", status["modelVersion"])["spec"]["origin"]
        assert [dataset["digest"] for dataset in origin["datasets"]] == [digest]


def test_a_run_with_a_mutable_image_tag_is_not_reproducible(shared: Space) -> None:
    """A tag can be moved to another image, so the run's result is never a cache hit."""
    done = shared.wait("trainingrun", "tag", has("Ready", "True", "Trained"))
    assert has("Reproducible", "False", "MutableImageTag")(done)
    assert shared.cluster.images["examples"].by_tag in condition(done, "Reproducible")["message"]  # type: ignore[index]
    assert "mutable tag" in done["status"]["cache"]["reason"]
    assert "@sha256:" in done["status"]["artifact"]["image"]
    pinned = shared.wait("trainingrun", "first", has("Ready"))
    assert has("Reproducible", "True", "Pinned")(pinned)
