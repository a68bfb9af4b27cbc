"""Build the Pod that trains: `fetch` before the trainer, `sidecar` beside it. Pure."""

import hashlib

from modelops.api.contract.tasks import CHECKPOINTS_DIR, PROGRESS_PORT, FetchDataset, FetchTask, SidecarTask
from modelops.api.durations import parse_duration
from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.containers import (
    SHARED,
    SHARED_DIR,
    container_security,
    credential_volumes,
    empty_dir,
    mount,
    pod_defaults,
    resources_or_default,
    termination_message_policy,
    worker_container,
)
from modelops.controllers.disk import (
    RECORDS,
    TOOLS,
    room_for_files,
    room_for_input,
    room_for_scratch,
    room_for_training,
)
from modelops.controllers.sources import claim_mount, claim_volume, place_of
from modelops.controllers.trainingrun.attempt import gang
from modelops.controllers.trainingrun.attempt.environment import ML, trainer_environment
from modelops.controllers.trainingrun.attempt.outcome import FETCH, SIDECAR, TRAINER
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE
from modelops.lineage.digests import hex_digits, json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings
from modelops.store.layout import checkpoints_of

_INPUT, _MODEL, _OUTPUT, _CHECKPOINTS = "input", "model", "output", "checkpoints"
_WRITTEN = (_MODEL, _OUTPUT, _CHECKPOINTS)
_PINNED = "pinned-checkpoints"
_SUPERVISED = [
    f"{SHARED_DIR}/bin/tini",
    "-g",
    "--",
    f"{SHARED_DIR}/bin/busybox",
    "sh",
    f"{SHARED_DIR}/bin/supervise.sh",
]
_DEFAULT_RESOURCES = {"requests": {"cpu": "250m", "memory": "256Mi"}}
"""Without limits: the needs of a training are not known. The requests keep it from being evicted first."""
_GRACE_SECONDS = 60
"""Time for the trainer to end after SIGTERM, and for its last checkpoint to be stored."""


def checkpoints_config_map(run: TrainingRun, resolved: ResolvedInputs) -> str:
    """Return the name of the ConfigMap with a run's pinned checkpoints: checkpoints are of one run and its inputs."""
    return f"checkpoints-{short(json_digest({'uid': run.metadata.uid, 'key': resolved.key}), 10)}"


def pod_spec(run: TrainingRun, resolved: ResolvedInputs, settings: Settings, job_name: str) -> Body:
    """Return the spec of one worker's Pod."""
    store = settings.store.place_of(run.metadata.namespace)
    store_secrets = [store.secret_name] if store.secret_name else []
    datasets = [_fetch_dataset(dataset) for dataset in resolved.inputs.datasets]
    source_secrets = [dataset.source.secret_name for dataset in datasets if dataset.source is not None]
    secrets = [*store_secrets, *(secret for secret in source_secrets if secret)]
    checkpoints = checkpoints_of(store, run.metadata.name, hex_digits(resolved.key)).uri
    claims = {
        dataset.name: dataset.source.pvc
        for dataset in resolved.inputs.datasets
        if dataset.source is not None and dataset.source.pvc is not None
    }
    # The trainer reads a claim's files where they are: nothing is copied.
    on_claims = [claim_mount(_volume_of(name), f"{ML}/{_INPUT}/data/{name}", claim) for name, claim in claims.items()]
    fetch = worker_container(
        FETCH,
        settings.images.worker,
        settings.image_pull_policy,
        "fetch",
        FetchTask(
            store=store,
            datasets=datasets,
            hyperparameters=run.spec.parameters,
            hosts=gang.hosts(run, job_name),
            checkpoints=checkpoints,
        ),
        secrets,
        [
            mount(SHARED, SHARED_DIR),
            mount(_PINNED, CHECKPOINTS_DIR, read_only=True),
            *(mount(name, f"{ML}/{name}") for name in (_INPUT, *_WRITTEN)),
            *on_claims,
        ],
        scratch=_scratch(FETCH),
    )
    sidecar = worker_container(
        SIDECAR,
        settings.images.worker,
        settings.image_pull_policy,
        "sidecar",
        SidecarTask(
            store=store,
            publish_timeout_seconds=parse_duration(run.spec.output.publish_timeout).total_seconds(),
            checkpoints=checkpoints,
            objective=run.metadata.annotations.get(OBJECTIVE),
            stop_seconds=_GRACE_SECONDS,
        ),
        store_secrets,
        [
            mount(SHARED, SHARED_DIR, read_only=True),
            mount(_PINNED, CHECKPOINTS_DIR, read_only=True),
            *(mount(name, f"{ML}/{name}", read_only=True) for name in _WRITTEN),
        ],
        scratch=_scratch(SIDECAR),
    )
    sidecar["ports"] = [{"name": "progress", "containerPort": PROGRESS_PORT, "protocol": "TCP"}]
    disk, pinned = settings.disk, resolved.inputs.datasets
    directories = {
        SHARED: TOOLS,
        _INPUT: room_for_input(disk, pinned),
        **{name: room_for_training(disk) for name in _WRITTEN},
        _scratch(FETCH): room_for_files(0, sum(dataset.objects for dataset in pinned)),
        _scratch(TRAINER): room_for_scratch(disk),
        _scratch(SIDECAR): RECORDS,
    }
    spec = {
        **pod_defaults(run.spec.pod, settings),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "initContainers": [fetch],
        "containers": [_trainer(run, settings, job_name, on_claims), sidecar],
        "volumes": [
            *(empty_dir(name, size) for name, size in directories.items()),
            # Optional: there is none before a checkpoint was reported. The kubelet updates it while the Pod runs.
            {"name": _PINNED, "configMap": {"name": checkpoints_config_map(run, resolved), "optional": True}},
            *credential_volumes(secrets),
            *(claim_volume(_volume_of(name), claim) for name, claim in claims.items()),
        ],
    }
    return {**spec, "subdomain": gang.service_name(job_name)} if gang.is_gang(run) else spec


def _trainer(run: TrainingRun, settings: Settings, job_name: str, on_claims: list[Body]) -> Body:
    trainer, variables = run.spec.trainer, trainer_environment(run, job_name)
    return {
        "name": TRAINER,
        "image": trainer.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": [*_SUPERVISED, *trainer.command],
        "args": list(trainer.args),
        "env": variables,
        "resources": resources_or_default(trainer.resources, _DEFAULT_RESOURCES),
        "securityContext": container_security(),
        "terminationMessagePolicy": termination_message_policy(variables),
        "volumeMounts": [
            mount(SHARED, SHARED_DIR),
            mount(_INPUT, f"{ML}/{_INPUT}", read_only=True),
            *(mount(name, f"{ML}/{name}") for name in _WRITTEN),
            *on_claims,
            mount(_scratch(TRAINER), "/tmp"),
        ],
    }


def _scratch(container: str) -> str:
    return f"scratch-{container}"


def _fetch_dataset(dataset: OriginDataset) -> FetchDataset:
    source = dataset.source
    place = place_of(source.s3) if source is not None and source.s3 is not None else None
    return FetchDataset(
        name=dataset.name, digest=dataset.digest, manifest=dataset.manifest, objects=dataset.objects, source=place
    )


def _volume_of(channel: str) -> str:
    """Return a volume's name for a channel, whose own name may have capitals and underscores."""
    return f"data-{hashlib.sha256(channel.encode()).hexdigest()[:8]}"
