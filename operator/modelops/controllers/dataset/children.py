"""A Dataset's children: the snapshot Job, which reads a candidate, and the probe Job, which finds changes. Pure.

Both pin, check and profile the data. The snapshot Job gets the digest that it must find, the probe Job gets the digests
that were decided on already and need not be read.
"""

from typing import Any

from modelops.api.checks import DataCheck
from modelops.api.contract.reports import EXIT_FINAL
from modelops.api.contract.tasks import VOLUME_DIR, ProbeTask, SnapshotTask
from modelops.api.dataset import Dataset
from modelops.api.durations import parse_duration
from modelops.controllers.containers import SCRATCH, credential_volumes, empty_dir, pod_defaults, worker_container
from modelops.controllers.dataset.checks_digest import checks_of
from modelops.controllers.disk import room_for_reading
from modelops.controllers.metadata import labels, owner_references
from modelops.controllers.sources import claim_mount, claim_volume, place_of
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

SNAPSHOT = "snapshot"
_DATA = "data"
_RETRIES = 2
_DEADLINE_SECONDS = 6 * 3600
MEMORY = "2Gi"
"""Memory limit of the Pod."""


def snapshot_job_name(dataset: Dataset, digest: str) -> str:
    """Return the name of the Job that reads the data with this digest, checked as the spec says now."""
    return _name(dataset, digest=digest)


def probe_job_name(dataset: Dataset, refresh: str | None = None) -> str:
    """Return the name of the next probe Job. `refresh` is a requested refresh that the status does not show yet."""
    status = dataset.status
    return _name(dataset, probedAt=status.probed_at, lastHandledRefresh=refresh or status.last_handled_refresh)


def snapshot_job(dataset: Dataset, digest: str, settings: Settings) -> Body:
    """Build the Job that takes the snapshot with this digest, or reports why no snapshot can be taken."""
    return _job(dataset, snapshot_job_name(dataset, digest), settings, expect_digest=digest)


def probe_job(dataset: Dataset, settings: Settings) -> Body:
    """Build the Job that probes the source, and takes a snapshot of data that was not decided on before."""
    return _job(dataset, probe_job_name(dataset), settings, probe=_probe_task(dataset))


def _name(dataset: Dataset, **purpose: str | None) -> str:
    identity = {
        "uid": dataset.metadata.uid,
        "checkedWith": checks_of(dataset.spec),
        "source": dataset.spec.source.wire(),
        "pod": dataset.spec.pod.wire(),
        **purpose,
    }
    return f"{dataset.metadata.name}-{short(json_digest(identity), 10)}"


def _probe_task(dataset: Dataset) -> ProbeTask:
    """Name the data that need not be read: the snapshot and a rejected candidate, if the spec's checks decided them."""
    spec, status, checks = dataset.spec, dataset.status, checks_of(dataset.spec)
    digests, token = [], None
    if status.snapshot is not None and status.snapshot.checked_with == checks:
        digests.append(status.snapshot.digest)
        token = status.snapshot.change_token if status.snapshot.source == spec.source else None
    candidate = status.candidate
    if candidate is not None and candidate.state == "Rejected" and candidate.checked_with == checks:
        digests += [candidate.digest] if candidate.digest is not None else []
    return ProbeTask(
        settle_seconds=parse_duration(spec.settle).total_seconds(), known_digests=digests, known_token=token
    )


def _job(dataset: Dataset, name: str, settings: Settings, **finds: Any) -> Body:
    spec = dataset.spec
    s3, claim = spec.source.s3, spec.source.pvc
    task = SnapshotTask(
        source=place_of(s3) if s3 is not None else None,
        store=settings.store.place_of(dataset.metadata.namespace),
        format=spec.format,
        schema_=spec.schema_,
        checks=spec.checks,
        baseline=_baseline(dataset),
        **finds,
    )
    places = [place for place in (task.source, task.store) if place is not None]
    secrets = [place.secret_name for place in places if place.secret_name]
    volumes = [empty_dir(SCRATCH, _scratch_size(dataset, settings)), *credential_volumes(secrets)]
    mounts: list[Body] = []
    if claim is not None:
        volumes.append(claim_volume(_DATA, claim))
        mounts.append(claim_mount(_DATA, VOLUME_DIR, claim))
    container = worker_container(
        SNAPSHOT, settings.images.worker, settings.image_pull_policy, "snapshot", task, secrets, mounts, memory=MEMORY
    )
    job_labels = labels(dataset, SNAPSHOT)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": dataset.metadata.namespace,
            "labels": job_labels,
            "ownerReferences": owner_references(dataset),
        },
        "spec": {
            "backoffLimit": _RETRIES,
            "activeDeadlineSeconds": _DEADLINE_SECONDS,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": SNAPSHOT, "operator": "In", "values": [EXIT_FINAL]},
                    },
                ]
            },
            "template": {
                "metadata": {"labels": job_labels},
                "spec": {
                    **pod_defaults(spec.pod, settings),
                    "restartPolicy": "Never",
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }


def _scratch_size(dataset: Dataset, settings: Settings) -> str:
    """Return the room for reading the data: as large as the source was when it was last seen, if it was."""
    known = [seen for seen in (dataset.status.candidate, dataset.status.snapshot) if seen is not None]
    largest = max((seen.bytes for seen in known), default=0)
    return room_for_reading(settings.disk, largest, max((seen.objects for seen in known), default=0))


def _baseline(dataset: Dataset) -> str | None:
    """Return the profile that checks compare with; None if no check compares."""
    snapshot = dataset.status.snapshot
    return snapshot.profile if snapshot is not None and any(map(_compares, dataset.spec.checks)) else None


def _compares(check: DataCheck) -> bool:
    return check.drift is not None or check.rows_change is not None
