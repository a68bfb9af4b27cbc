"""A run's children: the Job that trains, and the ModelVersion that comes out. Pure."""

import json
import math
import re
from typing import Any

from modelops.api.kinds import API_VERSION
from modelops.api.modelversion import Artifact, ModelVersion, ModelVersionSpec, Origin, OriginRun
from modelops.api.pods import Resources
from modelops.api.reports import EXIT_FINAL
from modelops.api.tasks import CourierTask, FetchDataset, FetchTask
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.api.types import length_of
from modelops.controllers.containers import (
    SHARED,
    SHARED_DIR,
    container_security,
    credential_volumes,
    empty,
    environment,
    literal,
    mount,
    pod_defaults,
    resources,
    worker,
)
from modelops.controllers.marks import ARTIFACT_DIGEST, IMAGE_ID, INPUT_KEY, dataset_marks, label_of, labels, owned_by
from modelops.controllers.sources import place_of
from modelops.controllers.trainingrun.inputs import Taken
from modelops.controllers.trainingrun.outcome import COURIER, FETCH, TRAINER
from modelops.lineage.digests import sha256_of, short
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body
from modelops.machinery.settings import Settings

_ML = "/opt/ml"
_INPUT, _MODEL, _OUTPUT, _CHECKPOINTS = "input", "model", "output", "checkpoints"
_WRITTEN = (_MODEL, _OUTPUT, _CHECKPOINTS)
_SUPERVISED = [
    f"{SHARED_DIR}/bin/tini",
    "-g",
    "--",
    f"{SHARED_DIR}/bin/busybox",
    "sh",
    f"{SHARED_DIR}/bin/supervise.sh",
]
_DEFAULT_RESOURCES = {"requests": {"cpu": "250m", "memory": "256Mi"}}
"""No limits: how much a training needs is not ours to guess. The requests keep it from being evicted first."""
_HOST = "algo-1"


def job_name(run: TrainingRun, key: str) -> str:
    """The name of the Job for an input key and for everything else that decides how it runs."""
    spec = run.spec
    decides = {
        "uid": run.metadata.uid,
        "key": key,
        "trainer": spec.trainer.wire(),
        "pod": spec.pod.wire(),
        "timeout": spec.timeout,
        "retries": spec.retries.wire(),
        "publishTimeout": spec.output.publish_timeout,
    }
    return f"{run.metadata.name}-{short(sha256_of(decides), 10)}"


def job(run: TrainingRun, taken: Taken, settings: Settings, job_name: str) -> Body:
    """The Job that trains for the inputs taken."""
    meta = {
        "labels": labels(run, "trainer", model=run.spec.output.model),
        "annotations": {INPUT_KEY: taken.key, **dataset_marks(taken.inputs.datasets)},
    }
    spec: Body = {
        "backoffLimit": run.spec.retries.limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules(run)},
        "template": {"metadata": meta, "spec": _pod(run, taken, settings, job_name)},
    }
    if run.spec.timeout is not None:
        spec["activeDeadlineSeconds"] = math.ceil(length_of(run.spec.timeout).total_seconds())
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name,
            "namespace": run.metadata.namespace,
            **meta,
            "ownerReferences": owned_by(run),
        },
        "spec": spec,
    }


def model_version(run: TrainingRun, taken: Taken, status: TrainingRunStatus) -> Body:
    """The ModelVersion of a run that has succeeded. Nobody owns it: what serves outlives the run."""
    artifact = status.artifact
    assert artifact is not None, "a run that has succeeded has an artifact"
    output = run.spec.output
    decides = {
        "inputKey": taken.key,
        "template": output.version_template.wire(),
        "format": output.format,
        # The same inputs need not give the same bytes: other bytes are another version.
        "artifact": artifact.digest,
    }
    datasets = taken.inputs.datasets
    spec = ModelVersionSpec(
        model=output.model,
        artifact=Artifact(uri=artifact.uri, digest=artifact.digest, format=output.format, bytes=artifact.bytes),
        origin=Origin(
            training_run=OriginRun(name=run.metadata.name, uid=run.metadata.uid, input_key=taken.key),
            datasets=datasets,
            image=artifact.image or None,
            parameters=run.spec.parameters,
            metrics=status.metrics,
        ),
        gates=output.version_template.gates,
        approval=output.version_template.approval,
    )
    annotations = {INPUT_KEY: taken.key, ARTIFACT_DIGEST: artifact.digest, **dataset_marks(datasets)}
    if artifact.image:
        annotations[IMAGE_ID] = artifact.image
    return {
        "apiVersion": API_VERSION,
        "kind": ModelVersion.__name__,
        "metadata": {
            "name": f"{output.model}-{short(sha256_of(decides))}",
            "namespace": run.metadata.namespace,
            "labels": {
                "app.kubernetes.io/name": output.model,
                "app.kubernetes.io/component": "model",
                "app.kubernetes.io/part-of": "modelops",
                MANAGED_BY: MANAGER,
                label_of(TrainingRun.__name__): run.metadata.name,
                label_of("model"): output.model,
            },
            "annotations": annotations,
        },
        "spec": spec.wire(),
    }


def _failure_rules(run: TrainingRun) -> list[Body]:
    """The first rule that fits decides; a failure that none fits counts against `backoffLimit`."""
    rules: list[Body] = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        _fails_job(FETCH, [EXIT_FINAL]),
        _fails_job(COURIER, [EXIT_FINAL]),
    ]
    if run.spec.retries.non_retryable_exit_codes:
        rules.append(_fails_job(TRAINER, sorted(set(run.spec.retries.non_retryable_exit_codes))))
    return rules


def _fails_job(container: str, codes: list[int]) -> Body:
    return {"action": "FailJob", "onExitCodes": {"containerName": container, "operator": "In", "values": codes}}


def _pod(run: TrainingRun, taken: Taken, settings: Settings, job_name: str) -> Body:
    store = settings.store.place
    fetched = [
        FetchDataset(name=one.name, digest=one.digest, manifest=one.manifest, source=place_of(one.source))
        for one in taken.inputs.datasets
        if one.source is not None
    ]
    store_secrets = [store.secret_name] if store.secret_name else []
    secrets = [*store_secrets, *(one.source.secret_name for one in fetched if one.source.secret_name)]
    fetch = worker(
        FETCH,
        settings.images.worker,
        settings.image_pull_policy,
        "fetch",
        FetchTask(store=store, datasets=fetched, hyperparameters=run.spec.parameters),
        secrets,
        [mount(SHARED, SHARED_DIR), *(mount(name, f"{_ML}/{name}") for name in (_INPUT, *_WRITTEN))],
        scratch=_scratch(FETCH),
    )
    courier = worker(
        COURIER,
        settings.images.worker,
        settings.image_pull_policy,
        "courier",
        CourierTask(store=store, publish_timeout_seconds=length_of(run.spec.output.publish_timeout).total_seconds()),
        store_secrets,
        [
            mount(SHARED, SHARED_DIR, read_only=True),
            mount(_MODEL, f"{_ML}/{_MODEL}", read_only=True),
            mount(_OUTPUT, f"{_ML}/{_OUTPUT}", read_only=True),
        ],
        scratch=_scratch(COURIER),
    )
    volumes = (SHARED, _INPUT, *_WRITTEN, *(_scratch(name) for name in (FETCH, TRAINER, COURIER)))
    return {
        **pod_defaults(run.spec.pod),
        "restartPolicy": "Never",
        "initContainers": [fetch],
        "containers": [_trainer(run, settings, job_name), courier],
        "volumes": [*(empty(name) for name in volumes), *credential_volumes(secrets)],
    }


def _trainer(run: TrainingRun, settings: Settings, job_name: str) -> Body:
    trainer = run.spec.trainer
    return {
        "name": TRAINER,
        "image": trainer.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": [*_SUPERVISED, *trainer.command],
        "args": list(trainer.args),
        "env": _environment(run, job_name),
        "resources": resources(trainer.resources, _DEFAULT_RESOURCES),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            mount(SHARED, SHARED_DIR),
            mount(_INPUT, f"{_ML}/{_INPUT}", read_only=True),
            *(mount(name, f"{_ML}/{name}") for name in _WRITTEN),
            mount(_scratch(TRAINER), "/tmp"),
        ],
    }


def _scratch(container: str) -> str:
    return f"scratch-{container}"


def _environment(run: TrainingRun, job_name: str) -> list[Body]:
    """SageMaker's variables, then the user's, which win."""
    users = environment(run.spec.trainer.env)
    taken = {variable["name"] for variable in users}
    ours: list[Body] = [
        {"name": name, "value": literal(value)}
        for name, value in _sagemaker(run, job_name).items()
        if name not in taken
    ]
    if "SM_NUM_CPUS" not in taken:
        ours.append({"name": "SM_NUM_CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}})
    return [*ours, *users]


def _sagemaker(run: TrainingRun, job_name: str) -> dict[str, str]:
    channels = sorted(dataset.name for dataset in run.spec.datasets)
    parameters = run.spec.parameters
    return {
        "HOME": "/tmp",
        "TRAINING_JOB_NAME": job_name,
        "SM_CHANNELS": _text(channels),
        "SM_CURRENT_HOST": _HOST,
        "SM_HOSTS": _text([_HOST]),
        "SM_HPS": _text(parameters),
        "SM_INPUT_CONFIG_DIR": f"{_ML}/{_INPUT}/config",
        "SM_INPUT_DIR": f"{_ML}/{_INPUT}",
        "SM_MODEL_DIR": f"{_ML}/{_MODEL}",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_NUM_GPUS": str(_gpus(run.spec.trainer.resources)),
        "SM_OUTPUT_DATA_DIR": f"{_ML}/{_OUTPUT}/data",
        "SM_OUTPUT_DIR": f"{_ML}/{_OUTPUT}",
        **{f"SM_CHANNEL_{name.upper()}": f"{_ML}/{_INPUT}/data/{name}" for name in channels},
        **{f"SM_HP_{_variable(name)}": value for name, value in sorted(parameters.items())},
    }


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _variable(parameter: str) -> str:
    """A parameter's name as the part of a variable's name. SageMaker keeps dashes, and so does Kubernetes."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", parameter).upper()


def _gpus(wanted: Resources | None) -> int:
    limits = (wanted.limits if wanted else None) or {}
    counts = [str(count) for name, count in limits.items() if name.endswith("/gpu")]
    return sum(int(count) for count in counts if count.isdigit())
