"""What the operator tells the worker: one JSON document in the environment variable `MODELOPS_TASK`.

It names places and expectations, never credentials: those are mounted files, one directory a Secret, below
`CREDENTIALS_DIR` (`<dir>/<secret name>/AWS_ACCESS_KEY_ID` …). A place without a Secret uses the SDK's own chain,
that is, the ServiceAccount's workload identity.
"""

from typing import Literal

from pydantic import Field

from modelops.api.base import Model
from modelops.api.types import Format, Schema

TASK_VARIABLE = "MODELOPS_TASK"
CREDENTIALS_DIR = "/var/run/modelops/credentials"


class S3Place(Model):
    """A bucket and a key prefix, and how to reach them. `secret_name` names a directory in CREDENTIALS_DIR."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    secret_name: str | None = None


class SnapshotTask(Model):
    """Take, check and profile a snapshot of `source`; write manifest and profile below `store`."""

    source: S3Place
    store: S3Place
    expect_digest: str
    """What the operator's probe saw. A different listing now means the data still moves: `SourceChanged`."""
    format: Format
    schema_: Schema | None = Field(default=None, alias="schema")


class FetchDataset(Model):
    """One dataset of a training run: the objects of `manifest` (an s3:// URI in the store), read from `source`."""

    name: str
    digest: str
    manifest: str
    source: S3Place


class FetchTask(Model):
    """Fill `/opt/ml/input` and install the supervisor, before the trainer starts."""

    store: S3Place
    datasets: list[FetchDataset]
    hyperparameters: dict[str, str]
    content_type: dict[str, str] = Field(default_factory=dict)
    """Content type a dataset, for SageMaker's inputdataconfig.json."""


class CourierTask(Model):
    """Wait for the trainer; publish `/opt/ml/model` below `store`; report."""

    store: S3Place
    publish_timeout_seconds: float


class FetchModelTask(Model):
    """Fetch a model by digest to `/mnt/models`, and refuse any other bytes."""

    artifact_uri: str
    digest: str
    store: S3Place


TaskKind = Literal["snapshot", "fetch", "courier", "fetch-model"]
