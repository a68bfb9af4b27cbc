"""Types that several kinds share: names, durations, places in S3, data formats, columns, conditions."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from modelops.api.base import Model
from modelops.api.durations import parse_duration
from modelops.api.markers import Rule, list_map, list_set, rules

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
Text = Annotated[str, StringConstraints(max_length=1024)]
LongText = Annotated[str, StringConstraints(max_length=32768)]
Uri = Annotated[str, StringConstraints(pattern=r"^s3://.+", max_length=2048)]
Timestamp = Annotated[str, StringConstraints(max_length=40), Field(json_schema_extra={"format": "date-time"})]
_QUANTITY = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$"
Quantity = Annotated[
    str | int,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 64,
            "pattern": _QUANTITY,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        }
    ),
]


DURATION_PATTERN = "^([0-9]{1,5}([.][0-9]{1,3})?(ms|s|m|h))+$"
"""Of at most five digits a part: what is longer overflows what CEL and Python can count."""


def minimum_duration(field: str, shortest: str, advice: str = "") -> Rule:
    """A rule for a duration, silent where the pattern has already refused it: one mistake is told once."""
    value = f"self.{field}"
    fine = f"!has({value}) || !{value}.matches('{DURATION_PATTERN}') || duration({value}) >= duration('{shortest}')"
    return fine, f"{field} must be at least {shortest}{advice}"


def _is_duration(text: str) -> str:
    parse_duration(text)
    return text


DurationText = Annotated[
    str,
    StringConstraints(pattern=DURATION_PATTERN, max_length=32),
    AfterValidator(_is_duration),
]
"""A Go duration such as 90s, 5m or 1h30m."""


def parse_duration(duration: str) -> timedelta:
    """The length of a duration that admission has accepted."""
    return parse_duration(duration)


class LocalRef(Model):
    """A reference by name to an object of the same namespace."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The object's name."""


class S3Source(Model):
    """Objects below a prefix of an S3 bucket."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", max_length=63)]
    """The bucket's name."""
    prefix: Annotated[str, StringConstraints(max_length=512)] = ""
    """Only objects whose key begins with this belong to the Dataset, such as `mortgage/`. Empty: the whole bucket."""
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+/?$", max_length=512)] | None = None
    """The URL of an S3-compatible service, such as `http://s3:8333`. Absent: AWS."""
    region: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """The bucket's region."""
    secret_ref: LocalRef | None = None
    """A Secret of this namespace with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN where
    there is one. Absent: the workload identity of the ServiceAccount."""


class VolumeSource(Model):
    """A directory of a PersistentVolumeClaim of the same namespace."""

    model_config = rules(
        (
            "!has(self.path) || !self.path.split('/').exists(part, part in ['', '.', '..'])",
            "path must be a directory in the claim, such as data/mortgage: no slash at its ends, no . and no ..",
        )
    )

    claim_name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The claim. Its access mode must let snapshot Jobs and training Pods mount it at once."""
    path: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    """The directory in it, such as `data/mortgage`. Absent: all of it."""


class DataSource(Model):
    """Where data lives."""

    model_config = rules(("has(self.s3) != has(self.pvc)", "set exactly one of s3 and pvc"))

    s3: S3Source | None = None
    """An S3 bucket. With versioning on, every snapshot can be fetched again, byte for byte."""
    pvc: VolumeSource | None = None
    """A directory of a PersistentVolumeClaim. Training Pods mount it read-only instead of copying it."""


class Format(Model):
    """How the objects of a Dataset are written."""

    type: Literal["csv", "jsonl", "parquet"] = "csv"
    """csv: comma-separated with a header line. jsonl: one JSON object a line. parquet: Apache Parquet."""


ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
CellText = Annotated[str, StringConstraints(max_length=256)]
OnViolation = Literal["Reject", "Warn"]


class ColumnType(StrEnum):
    """What a column holds."""

    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"


class Column(Model):
    """What one column must look like."""

    model_config = rules(
        ("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max"),
        (
            "(!has(self.min) && !has(self.max)) || self.type in ['number', 'integer']",
            "min and max need type number or integer",
        ),
    )

    name: ColumnName
    """The column's name: in CSV its header, in JSON Lines its key."""
    type: ColumnType
    """number, integer, string or boolean. A value of another type is a violation."""
    min: float | None = None
    """The least value allowed, for numbers and integers."""
    max: float | None = None
    """The greatest value allowed, for numbers and integers."""
    nullable: bool = True
    """Whether a value may be missing. An empty CSV field is missing."""
    enum: Annotated[list[CellText], Field(max_length=100), list_set()] = Field(default_factory=list)
    """The only values allowed, as text: numbers are compared as numbers. Absent: any."""
    unique: bool = False
    """Whether no value may come twice in the whole snapshot. Missing values do not count."""


class Label(Model):
    """What the model shall predict."""

    column: ColumnName
    """The label's column."""
    positive: Annotated[list[CellText], Field(max_length=20), list_set()] = Field(default_factory=list)
    """The values that are the favourable outcome, such as `no` for a column `deny`. Bias by proportions of labels needs
    them."""


class Schema(Model):
    """What data must look like to become the current snapshot. Columns not listed are allowed, and profiled as well."""

    columns: Annotated[list[Column], Field(max_length=256), list_map("name")] = Field(default_factory=list)
    """The columns that must be there, and what they must hold."""
    label: Label | None = None
    """What the model shall predict: its bias is measured against the protected columns."""
    protected: Annotated[list[ColumnName], Field(max_length=8), list_set()] = Field(default_factory=list)
    """Columns of attributes that must not decide, such as race or sex. The profile has the bias of each of their groups
    against all others."""
    on_violation: OnViolation = "Reject"
    """Reject: data that is not so does not become current, and the last good snapshot stays. Warn: it does, if it can
    be read at all, and the condition Valid says what is wrong with it."""


class ObjectVersion(Model):
    """One object of a snapshot, pinned."""

    key: Annotated[str, StringConstraints(max_length=1024)]
    """The object's key in its bucket."""
    version_id: Annotated[str, StringConstraints(max_length=1024)]
    """The object's version in S3; `null` in a bucket without versioning."""
    size: Annotated[int, Field(ge=0)]
    """Its size in bytes."""
    etag: Annotated[str, StringConstraints(max_length=256)]
    """Its entity tag: an opaque token that changes with the content."""


class Condition(Model):
    """One aspect of an object's state, as Kubernetes' API conventions have it."""

    type: Annotated[str, StringConstraints(max_length=316)]
    """Which aspect."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
    """Why, in one CamelCase word for programs."""
    message: LongText
    """Why, in a sentence for people."""
    last_transition_time: Timestamp
    """When `status` last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this speaks of."""


Conditions = Annotated[list[Condition], Field(max_length=16), list_map("type")]
StringMap = Annotated[
    dict[
        str,
        Annotated[str, StringConstraints(max_length=4096)],
    ],
    Field(max_length=128),
]
Metrics = Annotated[dict[str, float], Field(max_length=50)]
Opaque = dict[str, Any]
