"""What the operator tells the worker: one JSON document in the environment variable `MODELOPS_TASK`.

It names places and expectations, never credentials: those are mounted files, one directory a Secret, below
`CREDENTIALS_DIR` (`<dir>/<secret name>/AWS_ACCESS_KEY_ID` …). A place without a Secret uses the SDK's own chain,
that is, the ServiceAccount's workload identity.
"""

from typing import Literal

from pydantic import Field

from modelops.api.base import Model
from modelops.api.checks import DataCheck
from modelops.api.types import Format, Schema

TASK_VARIABLE = "MODELOPS_TASK"
CREDENTIALS_DIR = "/var/run/modelops/credentials"
VOLUME_DIR = "/var/run/modelops/volume"
"""Where a snapshot Job finds a Dataset's PersistentVolumeClaim."""
PROGRESS_PORT = 9102
"""Where a sidecar tells the trainer's progress, as JSON (/progress) and to Prometheus (/metrics)."""


class S3Place(Model):
    """A bucket and a key prefix, and how to reach them. `secret_name` names a directory in CREDENTIALS_DIR."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    secret_name: str | None = None


class ProbeTask(Model):
    """Look whether there is anything new, where the operator did not look itself."""

    settle_seconds: float
    """A change must hold still this long before it is read."""
    known_digests: list[str] = Field(default_factory=list)
    """Data with one of these digests has been decided on: report `unchanged`, and read nothing. That of the current
    snapshot comes first."""
    known_token: str | None = None
    """Of a volume: the change token of the current snapshot. The same token is the same data, unread: what is reported
    is the first of `known_digests`."""


class SnapshotTask(Model):
    """Take, check and profile a snapshot of `source` or of the volume; write manifest and profile below `store`."""

    source: S3Place | None = None
    """Absent: the data is in the volume mounted at VOLUME_DIR."""
    store: S3Place
    expect_digest: str | None = None
    """What the operator's probe saw. A different listing now means the data still moves: `SourceChanged`."""
    probe: ProbeTask | None = None
    """Set exactly where `expect_digest` is not."""
    format: Format
    schema_: Schema | None = Field(default=None, alias="schema")
    checks: list[DataCheck] = Field(default_factory=list)
    baseline: str | None = None
    """The profile of the current snapshot, as an s3:// URI in the store: what drift and growth are measured against."""


class FetchDataset(Model):
    """One dataset of a training run: the objects of `manifest` (an s3:// URI in the store), read from `source`."""

    name: str
    digest: str
    manifest: str
    source: S3Place | None = None
    """Absent: the files are mounted where the trainer finds them, and only verified."""


class FetchTask(Model):
    """Fill `/opt/ml/input`, restore checkpoints and install the supervisor, before the trainer starts."""

    store: S3Place
    datasets: list[FetchDataset]
    hyperparameters: dict[str, str]
    content_type: dict[str, str] = Field(default_factory=dict)
    """Content type a dataset, for SageMaker's inputdataconfig.json."""
    hosts: list[str] = Field(default_factory=lambda: ["algo-1"])
    """The workers by rank, for SageMaker's resourceconfig.json. Which one this is, JOB_COMPLETION_INDEX says."""
    checkpoints: str
    """The prefix (an s3:// URI in the store, with its slash) that checkpoints of this run are kept below."""


class SidecarTask(Model):
    """Watch over the trainer: keep its checkpoints, tell its progress, publish `/opt/ml/model`; report."""

    store: S3Place
    publish_timeout_seconds: float
    checkpoints: str
    """As in FetchTask."""
    stop_seconds: float = 30.0
    """How long after SIGTERM everything must have ended: what the Pod's grace period is."""


class FetchModelTask(Model):
    """Fetch a model by digest to `/mnt/models`, and refuse any other bytes."""

    artifact_uri: str
    digest: str
    store: S3Place


TaskKind = Literal["snapshot", "fetch", "sidecar", "fetch-model"]
