"""A run's Job and ModelVersion: the Pod's contract with the trainer, what it may do, and which name stands for what."""

import json
from typing import Any

import pytest

from modelops.api.contract.reports import EXIT_FINAL
from modelops.api.contract.tasks import TASK_VARIABLE, FetchTask, SidecarTask
from modelops.api.modelversion import ModelVersion, OriginDataset
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Inputs, RunArtifact, TrainingRunStatus
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from support.builders.common import NAMESPACE, digest, settings
from support.builders.datasets import snapshot
from support.builders.trainingruns import PINNED, training_run

KEY = digest("1")


def resolved(secret: str | None = None) -> ResolvedInputs:
    source = {"s3": snapshot()["source"]["s3"] | ({"secretRef": {"name": secret}} if secret else {})}
    pinned = OriginDataset.model_validate(
        {**snapshot(), "name": "train", "dataset": "mortgage", "source": source, "versioned": True}
    )
    return ResolvedInputs(Inputs(generation=1, datasets=[pinned]), KEY)


def job(run: TrainingRun | None = None, secret: str | None = None) -> dict[str, Any]:
    run = run or training_run()
    return children.job(run, resolved(secret), settings(), children.job_name(run, KEY))


def pod_spec(made: dict[str, Any]) -> dict[str, Any]:
    return made["spec"]["template"]["spec"]


def containers(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    spec = pod_spec(made)
    return {one["name"]: one for one in [*spec["initContainers"], *spec["containers"]]}


def env(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container["env"]}


def expanded(text: str) -> str:
    """What the kubelet makes of a value that refers to nothing."""
    return text.replace("$$", "$")


def task(container: dict[str, Any]) -> str:
    return expanded(env(container)[TASK_VARIABLE])


def mounts(container: dict[str, Any]) -> dict[str, bool]:
    return {one["mountPath"]: one.get("readOnly", False) for one in container["volumeMounts"]}


def test_every_container_is_restricted() -> None:
    """A namespace that enforces the restricted Pod Security Standard must admit it, the user's own image included."""
    made = job()
    assert pod_spec(made)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod_spec(made)["automountServiceAccountToken"] is False
    for container in containers(made).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_trainer_sees_sagemakers_places() -> None:
    """Existing SageMaker images run unchanged; the data cannot be altered by the code that learns from it."""
    made = containers(job())
    assert mounts(made["trainer"]) == {
        "/modelops": False,
        "/opt/ml/input": True,
        "/opt/ml/model": False,
        "/opt/ml/output": False,
        "/opt/ml/checkpoints": False,
        "/tmp": False,
    }
    given = env(made["trainer"])
    assert given["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert given["SM_CHANNELS"] == '["train"]'
    assert given["SM_HPS"] == '{"max_depth":"4"}'
    assert given["SM_HP_MAX_DEPTH"] == "4"
    assert given["SM_MODEL_DIR"] == "/opt/ml/model"
    assert given["SM_NUM_GPUS"] == "0"
    assert given["TRAINING_JOB_NAME"] == job()["metadata"]["name"]
    assert given["HOME"] == "/tmp"


def test_the_trainer_runs_under_the_supervisor() -> None:
    """Without the supervisor the sidecar never learns how the trainer ended."""
    trainer = containers(job(training_run(trainer={"image": PINNED, "command": ["python"], "args": ["a.py"]})))[
        "trainer"
    ]
    assert trainer["command"] == [
        "/modelops/bin/tini",
        "-g",
        "--",
        "/modelops/bin/busybox",
        "sh",
        "/modelops/bin/supervise.sh",
        "python",
    ]
    assert trainer["args"] == ["a.py"]


def test_no_two_containers_share_scratch() -> None:
    """What a worker writes to /tmp, such as a manifest, must be out of the trainer's reach."""
    made = containers(job())
    scratch = [one["name"] for made in made.values() for one in made["volumeMounts"] if one["mountPath"] == "/tmp"]
    assert len(scratch) == len(set(scratch)) == 3


def test_every_mount_has_its_volume() -> None:
    """A mount without a volume is refused by the API server; a volume that nobody mounts is a mistake of ours."""
    made = job(secret="s3")
    volumes = [volume["name"] for volume in pod_spec(made)["volumes"]]
    mounted = {one["name"] for container in containers(made).values() for one in container["volumeMounts"]}
    assert len(volumes) == len(set(volumes))
    assert mounted == set(volumes)


def test_each_container_gets_its_own_secrets() -> None:
    """The sidecar must find the store's Secret in the store's place, whatever other Secrets the Pod has."""
    made = job(secret="a-source")
    secrets = {
        volume["name"]: volume["secret"]["secretName"] for volume in pod_spec(made)["volumes"] if "secret" in volume
    }

    def credentials(name: str) -> dict[str, str]:
        found = containers(made)[name]["volumeMounts"]
        return {one["mountPath"].rsplit("/", 1)[1]: secrets[one["name"]] for one in found if one["name"] in secrets}

    assert credentials("fetch") == {"a-source": "a-source", "store": "store"}
    assert credentials("sidecar") == {"store": "store"}
    assert credentials("trainer") == {}


def test_tasks_can_be_read_back() -> None:
    """The worker gets what was meant, a dollar sign in a parameter included, which the kubelet would expand."""
    run = training_run(
        parameters={"pattern": "$(HOME)$$x"}, output={"model": "m", "format": "onnx", "publishTimeout": "2m"}
    )
    made = containers(job(run))
    fetch = FetchTask.model_validate_json(task(made["fetch"]))
    assert fetch.hyperparameters == {"pattern": "$(HOME)$$x"}
    assert [one.name for one in fetch.datasets] == ["train"]
    assert SidecarTask.model_validate_json(task(made["sidecar"])).publish_timeout_seconds == 120
    assert expanded(env(made["trainer"])["SM_HP_PATTERN"]) == "$(HOME)$$x"


def test_the_users_environment_wins() -> None:
    """A variable set by the user is set once, and to the user's value: twice would be refused by the API server."""
    trainer = {"image": PINNED, "command": ["x"], "env": [{"name": "HOME", "value": "/opt/ml/output"}]}
    variables = containers(job(training_run(trainer=trainer)))["trainer"]["env"]
    assert [one["value"] for one in variables if one["name"] == "HOME"] == ["/opt/ml/output"]


def test_variables_are_told_apart_and_named_well() -> None:
    """Parameters whose names make the same variable, or none, must not make a Pod that is refused."""
    run = training_run(parameters={"a b": "1", "a_b": "2", "learning-rate": "3", "$": "4"})
    variables = [one["name"] for one in containers(job(run))["trainer"]["env"]]
    assert len(variables) == len(set(variables))
    assert {"SM_HP_A_B", "SM_HP_LEARNING-RATE", "SM_HP__"} <= set(variables)


@pytest.mark.parametrize(("retries", "codes"), [({}, None), ({"nonRetryableExitCodes": [43, 42]}, [42, 43])])
def test_one_job_is_one_attempt(retries: dict[str, Any], codes: list[int] | None) -> None:
    """Whether there is another one is the run's decision: a Job knows not whose fault a failure was."""
    spec = job(training_run(retries=retries))["spec"]
    disrupted, *failing = spec["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    found = {rule["onExitCodes"]["containerName"]: rule["onExitCodes"]["values"] for rule in failing}
    trainer = {"trainer": codes} if codes else {}
    assert found == {"fetch": [EXIT_FINAL], "sidecar": [EXIT_FINAL], **trainer}
    assert spec["backoffLimit"] == 0
    assert spec["podReplacementPolicy"] == "Failed"


def test_timeout() -> None:
    """A timeout bounds each attempt; without one there is no bound."""
    assert job(training_run(timeout="90s"))["spec"]["activeDeadlineSeconds"] == 90
    assert "activeDeadlineSeconds" not in job()["spec"]


def test_marks_prove_the_origin() -> None:
    """Job and Pod alike say which inputs they are for, so that a log line or a metric can be traced to its data."""
    made = job()
    for meta in (made["metadata"], made["spec"]["template"]["metadata"]):
        assert meta["annotations"]["modelops.dev/input-key"] == KEY
        assert json.loads(meta["annotations"]["modelops.dev/dataset-digests"]) == {"train": digest("a")}
        assert meta["labels"]["modelops.dev/trainingrun"] == "train"
        assert meta["labels"]["app.kubernetes.io/managed-by"] == "modelops"
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("uid-of-train", True)


@pytest.mark.parametrize(
    "change",
    [
        {"trainer": {"image": PINNED, "command": ["x"], "resources": {"limits": {"memory": "1Gi"}}}},
        {"pod": {"nodeSelector": {"gpu": "yes"}}},
        {"timeout": "1h"},
        {"retries": {"limit": 1}},
        {"output": {"model": "mortgage", "format": "sklearn", "publishTimeout": "2h"}},
    ],
)
def test_what_decides_the_job_decides_its_name(change: dict[str, Any]) -> None:
    """A change that helps a failed run, such as more memory, makes another Job; one to the gates does not."""
    name = children.job_name(training_run(), KEY)
    gates = {"model": "mortgage", "format": "sklearn", "versionTemplate": {"gates": [{"metric": "a", "min": 1}]}}
    assert children.job_name(training_run(output=gates), KEY) == name
    assert children.job_name(training_run(**change), KEY) != name
    assert children.job_name(training_run(), digest("2")) != name


def test_names_fit() -> None:
    """The longest names that admission accepts make children that admission accepts."""
    assert len(children.job_name(training_run("r" * 52), KEY)) <= 63
    made = version(training_run(output={"model": "m" * 54, "format": "onnx"}))
    assert len(made["metadata"]["name"]) <= ModelVersion.name_limit


def version(run: TrainingRun | None = None, artifact: str = "d", **status: Any) -> dict[str, Any]:
    published = RunArtifact(uri="s3://store/models/d/", digest=digest(artifact), bytes=10, image="x@" + digest("e"))
    return children.model_version(
        run or training_run(), resolved(), TrainingRunStatus(artifact=published, metrics={"accuracy": 0.9}, **status)
    )


def test_a_version_tells_its_whole_origin() -> None:
    """An audit reads from the ModelVersion alone which code, data and parameters made it, after its run is gone."""
    made = version()
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["namespace"] == NAMESPACE
    origin = ModelVersion.model_validate(made).spec.origin
    assert origin.training_run is not None
    assert origin.training_run.wire() == {"name": "train", "uid": "uid-of-train", "inputKey": KEY}
    assert [one.digest for one in origin.datasets] == [digest("a")]
    assert (origin.image, origin.parameters, origin.metrics) == (
        "x@" + digest("e"),
        {"max_depth": "4"},
        {"accuracy": 0.9},
    )
    assert set(made["metadata"]["annotations"]) == {
        f"modelops.dev/{name}" for name in ("input-key", "dataset-digests", "artifact-digest", "image-id", "lineage")
    }


def test_other_bytes_are_another_version() -> None:
    """Two runs of one mutable tag may make different models: neither may pass for the other."""
    template = {"model": "mortgage", "format": "sklearn", "versionTemplate": {"approval": "Manual"}}
    made = {
        version()["metadata"]["name"],
        version(artifact="f")["metadata"]["name"],
        version(training_run(output=template))["metadata"]["name"],
    }
    assert len(made) == 3
    assert version()["metadata"]["name"] == version(training_run("another"))["metadata"]["name"]
