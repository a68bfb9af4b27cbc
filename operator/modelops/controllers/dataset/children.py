"""A Dataset's child: the Job that reads, checks and profiles one state of the data. Pure."""

from modelops.api.dataset import Dataset
from modelops.api.reports import EXIT_FINAL
from modelops.api.tasks import SnapshotTask
from modelops.controllers.containers import SCRATCH, credential_volumes, empty, pod_defaults, worker
from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.marks import labels, owned_by
from modelops.controllers.sources import place_of
from modelops.lineage.digests import sha256_of, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

SNAPSHOT = "snapshot"
_RETRIES = 2
_DEADLINE_SECONDS = 6 * 3600
_MEMORY = "2Gi"


def job_name(dataset: Dataset, digest: str) -> str:
    """The name of the Job that checks the data with this digest against the spec as it is now."""
    spec = dataset.spec
    decides = {
        "uid": dataset.metadata.uid,
        "digest": digest,
        "checkedWith": checks_of(spec),
        "source": spec.source.wire(),
        "pod": spec.pod.wire(),
    }
    return f"{dataset.metadata.name}-{short(sha256_of(decides), 10)}"


def job(dataset: Dataset, digest: str, settings: Settings) -> Body:
    """The Job that takes the snapshot, or says why it cannot be taken."""
    spec = dataset.spec
    task = SnapshotTask(
        source=place_of(spec.source.s3),
        store=settings.store.place,
        expect_digest=digest,
        format=spec.format,
        schema_=spec.schema_,
    )
    secrets = [name for name in (task.source.secret_name, task.store.secret_name) if name]
    container = worker(
        SNAPSHOT, settings.images.worker, settings.image_pull_policy, "snapshot", task, secrets, memory=_MEMORY
    )
    marks = labels(dataset, SNAPSHOT)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(dataset, digest),
            "namespace": dataset.metadata.namespace,
            "labels": marks,
            "ownerReferences": owned_by(dataset),
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
                    "volumes": [empty(SCRATCH), *credential_volumes(secrets)],
                },
            },
        },
    }
