"""TrainingRuns in every state, with real trainers: each end has a reason of its own, and the trainer's own words."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support import real_cluster
from support.real_cluster import Body, RealCluster, Space, condition, has

_WRITES = (
    "import os; open('/opt/ml/model/model', 'w').write(os.environ.get('SM_HPS', '') + os.environ.get('GREETING', ''))"
)
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def _run(space: Space, name: str, script: str, *, dataset: str | None = None, **spec: Any) -> Body:
    """A TrainingRun that asks for little, so that many fit on one node."""
    trainer = spec.pop("trainer", {})
    body = space.run(name, script, dataset, **spec)
    body["spec"]["trainer"] = {**body["spec"]["trainer"], "resources": _SMALL, **trainer}
    return body


@pytest.fixture(scope="module")
def begun(cluster: RealCluster) -> Iterator[Space]:
    """Runs of one namespace, all begun at once since each takes its time: a test looks at its own alone."""
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
    # A ConfigMap is looked for every half minute: it comes as soon as its absence has been told.
    space.wait("trainingrun", "later", has("Reconciling", "True", "ReferenceNotFound"))
    metadata = {"name": "later", "namespace": name}
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"greeting": "hello"}})
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _ready(body: Body) -> Body:
    found = condition(body, "Ready")
    assert found is not None
    return found


def _jobs(space: Space, name: str) -> list[Body]:
    return space.listed("jobs", f"modelops.dev/trainingrun={name}")


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("code", "TrainerFailed", ("code 3", "weights are NaN")),
        ("failure", "TrainerFailed", ("all labels are alike",)),
        ("nothing", "NoModelWritten", ("/opt/ml/model",)),
        ("metrics", "InvalidMetrics", ("accuracy",)),
        ("memory", "OutOfMemory", ("trainer.resources.limits.memory",)),
        ("deadline", "DeadlineExceeded", ("5s",)),
        ("for-good", "TrainerFailed", ("code 7",)),
    ],
)
def test_a_failure_says_what_happened(begun: Space, name: str, reason: str, words: tuple[str, ...]) -> None:
    """Each end of a trainer is told apart, in words a person can act on, and is final: one attempt, no model."""
    told = begun.wait("trainingrun", name, has("Stalled", "True", reason))
    for word in words:
        assert word in _ready(told)["message"], _ready(told)["message"]
    assert has("Ready", "False", reason)(told)
    assert has("Succeeded", "False", reason)(told)
    assert told["status"]["outcome"]["state"] == "Failed"
    assert told["status"]["outcome"]["reason"] == reason
    assert told["status"]["attempts"] == 1
    assert "modelVersion" not in told["status"]
    assert begun.listed("modelversions", f"modelops.dev/trainingrun={name}") == []


def test_a_failure_is_retried_as_often_as_allowed(begun: Space) -> None:
    """`retries.limit: 1` is two attempts, and the end says why the last one failed."""
    told = begun.wait("trainingrun", "retried", has("Stalled", "True", "TrainerFailed"))
    assert told["status"]["attempts"] == 2
    assert "code 5" in _ready(told)["message"]


def test_an_image_that_cannot_be_had_is_told(begun: Space) -> None:
    """A wrong image is told at once and by its name, while the Job goes on trying."""
    told = begun.wait("trainingrun", "image", has("Stalled", "True", "ImagePullFailed"))
    assert "localhost/modelops/nothing:1" in _ready(told)["message"]
    assert "outcome" not in told["status"]


def test_a_job_that_the_api_server_refuses_is_told_in_its_words(begun: Space) -> None:
    """What only Kubernetes can judge, such as a quantity, is told with the field that it complains of."""
    told = begun.wait("trainingrun", "quantity", has("Stalled"), within=20)
    assert _ready(told)["reason"] in ("Invalid", "BadRequest")
    assert "must be greater than or equal to 0" in _ready(told)["message"]
    assert _jobs(begun, "quantity") == []


def test_a_run_waits_for_its_dataset(begun: Space) -> None:
    """What is applied in any order converges: a Dataset that is not there is waited for by name."""
    told = begun.wait("trainingrun", "no-data", has("Reconciling", "True", "DatasetNotFound"))
    assert '"nowhere"' in _ready(told)["message"]
    assert condition(told, "Stalled") is None
    assert _jobs(begun, "no-data") == []


def test_a_run_waits_for_its_config_map(begun: Space) -> None:
    """A ConfigMap that is not there is named; the run begins by itself once it is, and its content is in the model."""
    told = [
        event["message"]
        for event in begun.listed("events")
        if event["involvedObject"]["name"] == "later" and event["reason"] == "ReferenceNotFound"
    ]
    assert ["later" in message for message in told] == [True], told
    done = begun.wait("trainingrun", "later", has("Ready", "True", "Trained"))
    artifact = begun.get("modelversion", done["status"]["modelVersion"])["spec"]["artifact"]
    bucket, prefix = artifact["uri"].removeprefix("s3://").split("/", 1)
    assert b"hello" in begun.cluster.s3.get_object(Bucket=bucket, Key=f"{prefix}model")["Body"].read()


def test_the_same_inputs_are_trained_once(begun: Space) -> None:
    """A second run with the same inputs takes the first one's model, without a Job; and with another parameter it
    trains, and says which input was another.
    """
    first = begun.wait("trainingrun", "first", has("Ready", "True", "Trained"))["status"]
    assert first["cache"]["result"] == "Miss"
    version = begun.get("modelversion", first["modelVersion"])

    second = _run(begun, "second", _WRITES, parameters={"depth": "3"})
    begun.apply(second)
    taken = begun.wait("trainingrun", "second", has("Ready", "True", "CacheHit"))["status"]
    assert taken["inputKey"] == first["inputKey"]
    assert taken["cache"]["result"] == "Hit"
    assert first["modelVersion"] in taken["cache"]["reason"]
    assert taken["artifact"] == first["artifact"]
    assert begun.get("modelversion", taken["modelVersion"])["spec"]["artifact"] == version["spec"]["artifact"]
    assert _jobs(begun, "second") == []

    begun.apply(_run(begun, "second", _WRITES, parameters={"depth": "4"}))
    other = begun.wait("trainingrun", "second", has("Ready", "True", "Trained"))["status"]
    assert other["cache"] == {"result": "Miss", "reason": 'parameters: {"depth":"3"} → {"depth":"4"}'}
    assert other["inputKey"] != first["inputKey"]
    assert other["modelVersion"] != taken["modelVersion"]
    assert len(_jobs(begun, "second")) == 1
    assert begun.get("modelversion", taken["modelVersion"])["spec"]["artifact"] == version["spec"]["artifact"]


def test_a_run_follows_its_dataset(begun: Space) -> None:
    """`rerunOn: [DatasetChange]` trains again on new data, and the new model's origin is the new snapshot."""
    first = begun.wait("trainingrun", "follows", has("Ready", "True", "Trained"))["status"]
    before = begun.get("dataset", "data")["status"]["snapshot"]["digest"]
    begun.upload("data/a.csv", "x\n1\n2\n")
    again = begun.wait(
        "trainingrun",
        "follows",
        lambda body: has("Ready", "True", "Trained")(body) and body["status"]["inputKey"] != first["inputKey"],
    )["status"]
    after = begun.get("dataset", "data")["status"]["snapshot"]["digest"]
    assert after != before
    assert again["modelVersion"] != first["modelVersion"]
    assert "dataset train: " in again["cache"]["reason"]
    for status, digest in ((first, before), (again, after)):
        origin = begun.get("modelversion", status["modelVersion"])["spec"]["origin"]
        assert [one["digest"] for one in origin["datasets"]] == [digest]


def test_a_mutable_tag_is_never_called_reproducible(begun: Space) -> None:
    """A tag can come to mean another image: such a run says so, and shares no result."""
    done = begun.wait("trainingrun", "tag", has("Ready", "True", "Trained"))
    assert has("Reproducible", "False", "MutableImageTag")(done)
    assert begun.cluster.images["examples"].by_tag in condition(done, "Reproducible")["message"]  # type: ignore[index]
    assert "mutable tag" in done["status"]["cache"]["reason"]
    assert "@sha256:" in done["status"]["artifact"]["image"]
    pinned = begun.wait("trainingrun", "first", has("Ready"))
    assert has("Reproducible", "True", "Pinned")(pinned)
