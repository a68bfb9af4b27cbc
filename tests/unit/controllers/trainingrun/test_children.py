"""Children of a run: the Job and its Pod's contract with the trainer, the ModelVersion, and the names of both."""

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
from support.golden import assert_golden

KEY = digest("1")


def resolved(secret: str | None = None) -> ResolvedInputs:
    """Return inputs with the key KEY, whose Dataset needs this Secret."""
    source = {"s3": snapshot()["source"]["s3"] | ({"secretRef": {"name": secret}} if secret else {})}
    pinned = OriginDataset.model_validate(
        {**snapshot(), "name": "train", "dataset": "mortgage", "source": source, "versioned": True}
    )
    return ResolvedInputs(Inputs(generation=1, datasets=[pinned]), KEY)


def job(run: TrainingRun | None = None, secret: str | None = None) -> dict[str, Any]:
    """Return the Job of a run's first attempt."""
    run = run or training_run()
    return children.job(run, resolved(secret), settings(), children.job_name(run, KEY))


def pod_spec(made: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a Job's Pod."""
    spec: dict[str, Any] = made["spec"]["template"]["spec"]
    return spec


def containers(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return all containers of a Job's Pod by name."""
    spec = pod_spec(made)
    return {container["name"]: container for container in [*spec["initContainers"], *spec["containers"]]}


def env(container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container by name."""
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def expanded(text: str) -> str:
    """Return a value without references as the kubelet expands it."""
    return text.replace("$$", "$")


def task(container: dict[str, Any]) -> str:
    """Return the task that a worker's container reads."""
    return expanded(env(container)[TASK_VARIABLE])


def mounts(container: dict[str, Any]) -> dict[str, bool]:
    """Return path and whether it is read-only of each mount."""
    return {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}


def test_golden_job_of_one_worker() -> None:
    """An upgrade must not change a Job by accident: its name is its identity, and another name trains again."""
    assert_golden("trainingrun-job.yaml", job())


def test_golden_job_of_a_gang() -> None:
    """A gang differs from one worker in completions, ranks, subdomain and the variables of its framework."""
    gang = training_run(workers={"count": 2, "framework": "torch"}, queueName="team-a", timeout="6h")
    assert_golden("trainingrun-job-gang.yaml", job(gang))


@pytest.mark.parametrize(
    ("spec", "attempt", "name"),
    [
        ({}, 1, "train-54e53c3de0"),
        ({}, 2, "train-20bca968f0"),
        ({"workers": {"count": 2}}, 1, "train-54e53c3de0"),
        ({"timeout": "6h", "queueName": "team-a", "retries": {"limit": 3}}, 1, "train-34241f806b"),
    ],
    ids=["first attempt", "second attempt", "gang", "other ways to run"],
)
def test_the_name_of_a_job_is_the_same_in_every_version(spec: dict[str, Any], attempt: int, name: str) -> None:
    """An operator that names the Job of a run otherwise trains every run again after its upgrade."""
    assert children.job_name(training_run(**spec), KEY, attempt) == name


def test_the_name_of_a_version_is_the_same_in_every_version_of_the_operator() -> None:
    """Another name would register every model again after an upgrade."""
    assert version()["metadata"]["name"] == "mortgage-4c72ac9c"


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


def test_the_trainer_finds_the_directories_and_variables_of_sagemaker() -> None:
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


def test_the_trainers_command_runs_under_the_supervisor() -> None:
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


def test_no_two_containers_share_a_scratch_volume() -> None:
    """Files of a worker in /tmp, such as a manifest, must be out of the trainer's reach."""
    scratch = [
        mount["name"]
        for container in containers(job()).values()
        for mount in container["volumeMounts"]
        if mount["mountPath"] == "/tmp"
    ]
    assert len(scratch) == len(set(scratch)) == 3


def test_every_mount_has_its_volume_and_every_volume_a_mount() -> None:
    """The API server refuses a mount without a volume; a volume without a mount is a mistake of the operator."""
    made = job(secret="s3")
    volumes = [volume["name"] for volume in pod_spec(made)["volumes"]]
    mounted = {mount["name"] for container in containers(made).values() for mount in container["volumeMounts"]}
    assert len(volumes) == len(set(volumes))
    assert mounted == set(volumes)


def test_each_container_mounts_only_the_secrets_that_it_needs() -> None:
    """The sidecar must find the store's Secret in the store's place, whatever other Secrets the Pod has."""
    made = job(secret="a-source")
    secrets = {
        volume["name"]: volume["secret"]["secretName"] for volume in pod_spec(made)["volumes"] if "secret" in volume
    }

    def credentials(name: str) -> dict[str, str]:
        mounted = [mount for mount in containers(made)[name]["volumeMounts"] if mount["name"] in secrets]
        return {mount["mountPath"].rsplit("/", 1)[1]: secrets[mount["name"]] for mount in mounted}

    assert credentials("fetch") == {"a-source": "a-source", "store": "store"}
    assert credentials("sidecar") == {"store": "store"}
    assert credentials("trainer") == {}


def test_the_worker_reads_back_the_task_that_was_written() -> None:
    """Also with a dollar sign in a parameter, which the kubelet would expand."""
    run = training_run(
        parameters={"pattern": "$(HOME)$$x"}, output={"model": "m", "format": "onnx", "publishTimeout": "2m"}
    )
    made = containers(job(run))
    fetch = FetchTask.model_validate_json(task(made["fetch"]))
    assert fetch.hyperparameters == {"pattern": "$(HOME)$$x"}
    assert [dataset.name for dataset in fetch.datasets] == ["train"]
    assert SidecarTask.model_validate_json(task(made["sidecar"])).publish_timeout_seconds == 120
    assert expanded(env(made["trainer"])["SM_HP_PATTERN"]) == "$(HOME)$$x"


def test_a_users_variable_replaces_the_operators() -> None:
    """The variable is set once, to the user's value: the API server would refuse two of one name."""
    trainer = {"image": PINNED, "command": ["x"], "env": [{"name": "HOME", "value": "/opt/ml/output"}]}
    variables = containers(job(training_run(trainer=trainer)))["trainer"]["env"]
    assert [variable["value"] for variable in variables if variable["name"] == "HOME"] == ["/opt/ml/output"]


def test_parameters_become_variables_with_valid_and_distinct_names() -> None:
    """The API server would refuse a Pod with an invalid name, or with two variables of one name."""
    run = training_run(parameters={"a b": "1", "a_b": "2", "learning-rate": "3", "$": "4"})
    variables = [variable["name"] for variable in containers(job(run))["trainer"]["env"]]
    assert len(variables) == len(set(variables))
    assert {"SM_HP_A_B", "SM_HP_LEARNING-RATE", "SM_HP__"} <= set(variables)


@pytest.mark.parametrize(
    ("retries", "codes"),
    [({}, None), ({"nonRetryableExitCodes": [43, 42]}, [42, 43])],
    ids=["without exit codes", "with exit codes that are not retried"],
)
def test_any_failure_ends_the_job(retries: dict[str, Any], codes: list[int] | None) -> None:
    """A retry is another Job, by the run's decision: a Job does not know whose fault a failure was."""
    spec = job(training_run(retries=retries))["spec"]
    disrupted, *failing = spec["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    found = {rule["onExitCodes"]["containerName"]: rule["onExitCodes"]["values"] for rule in failing}
    trainer = {"trainer": codes} if codes else {}
    assert found == {"fetch": [EXIT_FINAL], "sidecar": [EXIT_FINAL], **trainer}
    assert spec["backoffLimit"] == 0
    assert spec["podReplacementPolicy"] == "Failed"


def test_a_timeout_bounds_each_attempt() -> None:
    """Without a timeout an attempt has no bound."""
    assert job(training_run(timeout="90s"))["spec"]["activeDeadlineSeconds"] == 90
    assert "activeDeadlineSeconds" not in job()["spec"]


def test_job_and_pod_carry_input_key_digests_and_owner() -> None:
    """A log line or a metric of a Pod can be traced to its data."""
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
    ids=["trainer", "pod", "timeout", "retries", "publishTimeout"],
)
def test_a_change_of_how_a_job_runs_changes_its_name(change: dict[str, Any]) -> None:
    """A change that may help a failed run, such as more memory, makes another Job. A change of the gates does not."""
    name = children.job_name(training_run(), KEY)
    gates = {"model": "mortgage", "format": "sklearn", "versionTemplate": {"gates": [{"metric": "a", "min": 1}]}}
    assert children.job_name(training_run(output=gates), KEY) == name
    assert children.job_name(training_run(**change), KEY) != name
    assert children.job_name(training_run(), digest("2")) != name


def test_the_longest_names_of_runs_and_models_give_valid_names_of_children() -> None:
    """Every name that admission accepts leads to children that the API server accepts."""
    assert len(children.job_name(training_run("r" * 52), KEY)) <= 63
    made = version(training_run(output={"model": "m" * 54, "format": "onnx"}))
    assert len(made["metadata"]["name"]) <= ModelVersion.name_limit


def version(run: TrainingRun | None = None, artifact: str = "d", **status: Any) -> dict[str, Any]:
    """Return the ModelVersion of a run whose artifact has this digit in its digest."""
    published = RunArtifact(uri="s3://store/models/d/", digest=digest(artifact), bytes=10, image="x@" + digest("e"))
    return children.model_version(
        run or training_run(), resolved(), TrainingRunStatus(artifact=published, metrics={"accuracy": 0.9}, **status)
    )


def test_a_version_has_its_whole_origin() -> None:
    """An audit reads code, data and parameters from the ModelVersion alone, after its run was deleted."""
    made = version()
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["namespace"] == NAMESPACE
    origin = ModelVersion.model_validate(made).spec.origin
    assert origin.training_run is not None
    assert origin.training_run.wire() == {"name": "train", "uid": "uid-of-train", "inputKey": KEY}
    assert [dataset.digest for dataset in origin.datasets] == [digest("a")]
    assert (origin.image, origin.parameters, origin.metrics) == (
        "x@" + digest("e"),
        {"max_depth": "4"},
        {"accuracy": 0.9},
    )
    assert set(made["metadata"]["annotations"]) == {
        f"modelops.dev/{name}" for name in ("input-key", "dataset-digests", "artifact-digest", "image-id", "lineage")
    }


def test_other_bytes_or_gates_are_another_version() -> None:
    """Two runs of one mutable tag may make different models, which must not share a version."""
    template = {"model": "mortgage", "format": "sklearn", "versionTemplate": {"approval": "Manual"}}
    made = {
        version()["metadata"]["name"],
        version(artifact="f")["metadata"]["name"],
        version(training_run(output=template))["metadata"]["name"],
    }
    assert len(made) == 3
    assert version()["metadata"]["name"] == version(training_run("another"))["metadata"]["name"]
