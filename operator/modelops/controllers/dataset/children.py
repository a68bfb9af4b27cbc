"""A Dataset's children: the Job that reads a candidate, and the one that looks whether there is one. Pure.

Both pin, check and profile what they find. The first knows which digest it must find, the second which are no news.
"""

from typing import Any

from modelops.api.checks import Check
from modelops.api.contract.reports import EXIT_FINAL
from modelops.api.contract.tasks import VOLUME_DIR, ProbeTask, SnapshotTask
from modelops.api.dataset import Dataset
from modelops.api.durations import parse_duration
from modelops.controllers.containers import SCRATCH, credential_volumes, empty, pod_defaults, worker
from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.metadata import labels, owner_references
from modelops.controllers.sources import claim_mount, claim_volume, place_of
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

SNAPSHOT = "snapshot"
_DATA = "data"
_RETRIES = 2
_DEADLINE_SECONDS = 6 * 3600
_MEMORY = "2Gi"


def job_name(dataset: Dataset, digest: str) -> str:
    """The name of the Job that checks the data with this digest against the spec as it is now."""
    return _name(dataset, digest=digest)


def survey_name(dataset: Dataset, refresh: str | None = None) -> str:
    """The name of the Job that looks next. `refresh` is what asks for it, where that is not in the status yet."""
    status = dataset.status
    return _name(dataset, lookedAt=status.looked_at, refresh=refresh or status.refresh)


def job(dataset: Dataset, digest: str, settings: Settings) -> Body:
    """The Job that takes the snapshot, or says why it cannot be taken."""
    return _job(dataset, job_name(dataset, digest), settings, expect_digest=digest)


def survey(dataset: Dataset, settings: Settings) -> Body:
    """The Job that looks at the source, and takes a snapshot of what is new there."""
    return _job(dataset, survey_name(dataset), settings, probe=_known(dataset))


def _name(dataset: Dataset, **of_the_job: str | None) -> str:
    decides = {
        "uid": dataset.metadata.uid,
        "checkedWith": checks_of(dataset.spec),
        "source": dataset.spec.source.wire(),
        "pod": dataset.spec.pod.wire(),
        **of_the_job,
    }
    return f"{dataset.metadata.name}-{short(json_digest(decides), 10)}"


def _known(dataset: Dataset) -> ProbeTask:
    """What need not be read again: the snapshot, and what was rejected, by the checks that are wanted now."""
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


def _job(dataset: Dataset, name: str, settings: Settings, **look: Any) -> Body:
    spec = dataset.spec
    s3, claim = spec.source.s3, spec.source.pvc
    task = SnapshotTask(
        source=place_of(s3) if s3 is not None else None,
        store=settings.store.place,
        format=spec.format,
        schema_=spec.schema_,
        checks=spec.checks,
        baseline=_baseline(dataset),
        **look,
    )
    places = [place for place in (task.source, task.store) if place is not None]
    secrets = [place.secret_name for place in places if place.secret_name]
    volumes = [empty(SCRATCH), *credential_volumes(secrets)]
    mounts: list[Body] = []
    if claim is not None:
        volumes.append(claim_volume(_DATA, claim))
        mounts.append(claim_mount(_DATA, VOLUME_DIR, claim))
    container = worker(
        SNAPSHOT, settings.images.worker, settings.image_pull_policy, "snapshot", task, secrets, mounts, memory=_MEMORY
    )
    marks = labels(dataset, SNAPSHOT)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": dataset.metadata.namespace,
            "labels": marks,
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
                "metadata": {"labels": marks},
                "spec": {
                    **pod_defaults(spec.pod),
                    "restartPolicy": "Never",
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }


def _baseline(dataset: Dataset) -> str | None:
    """The profile to compare with, where anything is compared."""
    snapshot = dataset.status.snapshot
    return snapshot.profile if snapshot is not None and any(map(_compares, dataset.spec.checks)) else None


def _compares(check: Check) -> bool:
    return check.drift is not None or check.rows_change is not None
