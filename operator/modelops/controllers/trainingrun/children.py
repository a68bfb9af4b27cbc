"""Build a run's children: the Job of an attempt, and the ModelVersion of its model. Pure."""

import json
import math
from collections.abc import Sequence

from modelops.api.checkpoints import Checkpoint
from modelops.api.contract.reports import EXIT_FINAL
from modelops.api.contract.tasks import CHECKPOINTS_FILE, PinnedCheckpoints
from modelops.api.durations import parse_duration
from modelops.api.kinds import API_VERSION
from modelops.api.modelversion import Artifact, ModelVersion, ModelVersionSpec, Origin, OriginRun
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.metadata import (
    ARTIFACT_DIGEST,
    IMAGE_ID,
    INPUT_KEY,
    dataset_annotations,
    kind_label,
    labels,
    owner_references,
)
from modelops.controllers.trainingrun.attempt import gang
from modelops.controllers.trainingrun.attempt.outcome import FETCH, SIDECAR, TRAINER
from modelops.controllers.trainingrun.attempt.pod import checkpoints_config_map, pod_spec
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.revision import code_revision
from modelops.controllers.trainingrun.sweep.result import model_parameters
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body
from modelops.machinery.settings import Settings

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_GANG_NAME_LIMIT = 47
"""Most characters of a run's name in the name of its Job: a worker's host name adds a dash and its rank, up to 63."""


def job_name(run: TrainingRun, key: str, attempt: int = 1) -> str:
    """Return the name of the Job for an attempt at an input key. It changes with all that changes how the Job runs."""
    spec = run.spec
    hashed = {
        "uid": run.metadata.uid,
        "key": key,
        "trainer": spec.trainer.wire(),
        "pod": spec.pod.wire(),
        "timeout": spec.timeout,
        "retries": spec.retries.wire(),
        "publishTimeout": spec.output.publish_timeout,
        "queue": spec.queue_name,
        "attempt": attempt,
    }
    name = run.metadata.name[:_GANG_NAME_LIMIT].rstrip("-") if gang.is_gang(run) else run.metadata.name
    return f"{name}-{short(json_digest(hashed), 10)}"


def job(run: TrainingRun, resolved: ResolvedInputs, settings: Settings, job_name: str) -> Body:
    """Return the Job of one attempt at the inputs.

    A retry is another Job: a Job itself knows neither whose fault a failure was nor how to restart all of its ranks.
    """
    meta = {
        "labels": labels(run, "trainer", model=run.spec.output.model),
        "annotations": {INPUT_KEY: resolved.key, **dataset_annotations(resolved.inputs.datasets)},
    }
    spec: Body = {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules(run)},
        **gang.job_fields(run),
        "template": {"metadata": meta, "spec": pod_spec(run, resolved, settings, job_name)},
    }
    own_labels = meta["labels"]
    if run.spec.queue_name is not None:
        # Suspended from the start, also while Kueue's webhook is not available: no Pod without quota.
        spec["suspend"] = True
        own_labels = {**own_labels, QUEUE_LABEL: run.spec.queue_name}
    if run.spec.timeout is not None:
        spec["activeDeadlineSeconds"] = math.ceil(parse_duration(run.spec.timeout).total_seconds())
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name,
            "namespace": run.metadata.namespace,
            **meta,
            "labels": own_labels,
            "ownerReferences": owner_references(run),
        },
        "spec": spec,
    }


def pinned_checkpoints(run: TrainingRun, resolved: ResolvedInputs, checkpoints: Sequence[Checkpoint]) -> Body:
    """Return the ConfigMap with the checkpoints that the Pods of a run may restore for these inputs."""
    pinned = PinnedCheckpoints(checkpoints=list(checkpoints))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": checkpoints_config_map(run, resolved),
            "namespace": run.metadata.namespace,
            "labels": labels(run, "checkpoints"),
            "ownerReferences": owner_references(run),
        },
        "data": {CHECKPOINTS_FILE: json.dumps(pinned.wire(), sort_keys=True)},
    }


def model_version(run: TrainingRun, resolved: ResolvedInputs, status: TrainingRunStatus) -> Body:
    """Return the ModelVersion of a run that has succeeded. It has no owner, since it outlives the run."""
    artifact = status.artifact
    assert artifact is not None, "a run that has succeeded has an artifact"
    output = run.spec.output
    hashed = {
        "inputKey": resolved.key,
        "template": output.version_template.wire(),
        "format": output.format,
        # The same inputs may give other bytes, which are another version.
        "artifact": artifact.digest,
    }
    datasets = resolved.inputs.datasets
    spec = ModelVersionSpec(
        model=output.model,
        artifact=Artifact(uri=artifact.uri, digest=artifact.digest, format=output.format, bytes=artifact.bytes),
        origin=Origin(
            training_run=OriginRun(name=run.metadata.name, uid=run.metadata.uid, input_key=resolved.key),
            datasets=datasets,
            image=artifact.image or None,
            parameters=model_parameters(run, status),
            metrics=status.metrics,
            revision=code_revision(run),
            packages=artifact.packages,
            history=artifact.history,
            sweep=run.metadata.name if run.spec.sweep is not None else None,
        ),
        gates=output.version_template.gates,
        approval=output.version_template.approval,
    )
    annotations = {INPUT_KEY: resolved.key, ARTIFACT_DIGEST: artifact.digest, **dataset_annotations(datasets)}
    if artifact.image:
        annotations[IMAGE_ID] = artifact.image
    return {
        "apiVersion": API_VERSION,
        "kind": ModelVersion.__name__,
        "metadata": {
            "name": f"{output.model}-{short(json_digest(hashed))}",
            "namespace": run.metadata.namespace,
            "labels": {
                "app.kubernetes.io/name": output.model,
                "app.kubernetes.io/component": "model",
                "app.kubernetes.io/part-of": "modelops",
                MANAGED_BY: MANAGER,
                kind_label(TrainingRun.__name__): run.metadata.name,
                kind_label("model"): output.model,
            },
            "annotations": annotations,
        },
        "spec": spec.wire(),
    }


def _failure_rules(run: TrainingRun) -> list[Body]:
    """Return rules by which any failure ends the Job. Its message names the rule, also of a deleted Pod."""
    rules: list[Body] = [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    rules += [
        {"action": "FailJob", "onExitCodes": {"containerName": name, "operator": "In", "values": [EXIT_FINAL]}}
        for name in (FETCH, SIDECAR)
    ]
    codes = sorted(set(run.spec.retries.non_retryable_exit_codes))
    if codes:
        rules.append(
            {"action": "FailJob", "onExitCodes": {"containerName": TRAINER, "operator": "In", "values": codes}}
        )
    return rules
