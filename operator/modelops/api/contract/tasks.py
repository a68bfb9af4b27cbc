"""Tasks of the operator to the worker: one JSON document in the environment variable `MODELOPS_TASK`.

A task has no credentials. Each Secret is mounted as a directory under `CREDENTIALS_DIR`, such as
`<dir>/<secret name>/AWS_ACCESS_KEY_ID`. A place without a Secret uses the credential chain of the AWS SDK, that is,
the workload identity of the ServiceAccount.
"""

from typing import Literal

from pydantic import Field

from modelops.api.base import Model
from modelops.api.checkpoints import Checkpoints
from modelops.api.checks import DataCheck
from modelops.api.types import Format, Schema

TASK_VARIABLE = "MODELOPS_TASK"
CREDENTIALS_DIR = "/var/run/modelops/credentials"
VOLUME_DIR = "/var/run/modelops/volume"
"""Mount path of a Dataset's PersistentVolumeClaim in a snapshot Job."""
CHECKPOINTS_DIR = "/var/run/modelops/checkpoints"
CHECKPOINTS_FILE = "pinned.json"
"""File in CHECKPOINTS_DIR with PinnedCheckpoints. It does not exist before a checkpoint was reported, and it changes
while the Pod runs."""
PROGRESS_PORT = 9102
"""Port at which a sidecar serves the trainer's progress: /progress as JSON, /metrics for Prometheus."""


class S3Place(Model):
    """Bucket and key prefix, with the endpoint and credentials. `secret_name` is a directory in CREDENTIALS_DIR."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    secret_name: str | None = None


class ProbeTask(Model):
    """Probe of the source, for sources that the operator does not list itself."""

    settle_seconds: float
    """Seconds without further change after which a change is read."""
    known_digests: list[str] = Field(default_factory=list)
    """Digests of data that needs no snapshot: report `unchanged`, and read nothing. The digest of the current snapshot
    comes first."""
    known_token: str | None = None
    """Change token of the current snapshot of a volume. With the same token the data counts as unchanged without being
    read, and the first of `known_digests` is reported."""


class SnapshotTask(Model):
    """Take, check and profile a snapshot of `source` or of the volume; write its manifest and profile to `store`."""

    source: S3Place | None = None
    """S3 source. Absent: the data is in the volume mounted at VOLUME_DIR."""
    store: S3Place
    expect_digest: str | None = None
    """Digest that the operator's probe found. Another digest fails the task with the reason `SourceChanged`."""
    probe: ProbeTask | None = None
    """Probe to run first. Set exactly when `expect_digest` is None."""
    format: Format
    schema_: Schema | None = Field(default=None, alias="schema")
    checks: list[DataCheck] = Field(default_factory=list)
    baseline: str | None = None
    """Baseline profile, an s3:// URI in the store: that of the current snapshot, for checks of drift and growth."""


class FetchDataset(Model):
    """Dataset of a training run: the objects in `manifest` (an s3:// URI in the store), read from `source`."""

    name: str
    digest: str
    manifest: str
    objects: int
    """Number of objects in the manifest, which bounds the manifest's size."""
    source: S3Place | None = None
    """S3 source. Absent: the files are in a mounted volume, and are only verified."""


class PinnedCheckpoints(Model):
    """Checkpoints that sidecars of the run have reported: no other one is restored."""

    checkpoints: Checkpoints


class FetchTask(Model):
    """Before the trainer starts, fill `/opt/ml/input`, restore checkpoints and install the supervisor."""

    store: S3Place
    datasets: list[FetchDataset]
    hyperparameters: dict[str, str]
    content_type: dict[str, str] = Field(default_factory=dict)
    """Content type of each dataset, for SageMaker's inputdataconfig.json."""
    hosts: list[str] = Field(default_factory=lambda: ["algo-1"])
    """Workers by rank, for SageMaker's resourceconfig.json. JOB_COMPLETION_INDEX is the rank of the reader."""
    checkpoints: str
    """Prefix of the checkpoints of the run: an s3:// URI in the store, with a trailing slash. Only those pinned in
    CHECKPOINTS_FILE are restored."""


class SidecarTask(Model):
    """Accompany the trainer: upload its checkpoints, serve its progress, publish `/opt/ml/model`, report."""

    store: S3Place
    publish_timeout_seconds: float
    checkpoints: str
    """Prefix of the checkpoints, as in FetchTask."""
    objective: str | None = None
    """Metric whose values over the steps are reported at the end: the objective of a sweep's trial."""
    stop_seconds: float = 30.0
    """Seconds from SIGTERM to the end of the container: the grace period of the Pod."""


class FetchModelTask(Model):
    """Fetch a model to `/mnt/models`, and verify its digest."""

    artifact_uri: str
    digest: str
    bytes: int
    """Total size of the artifact's files. No more is downloaded."""
    store: S3Place


TaskKind = Literal["snapshot", "fetch", "sidecar", "fetch-model"]
