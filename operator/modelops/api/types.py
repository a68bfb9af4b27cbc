"""Types shared by several kinds: names, durations, places in S3, data formats, columns, conditions."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from modelops.api.base import Model
from modelops.api.durations import parse_duration
from modelops.api.markers import Rule, list_map, list_set, rules

_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
OBJECT_NAME_PATTERN = f"^{_DNS_LABEL}([.]{_DNS_LABEL})*$"
Name = Annotated[str, StringConstraints(pattern=f"^{_DNS_LABEL}$", max_length=63)]
"""DNS-1123 label, such as the name of a namespace."""
ObjectName = Annotated[str, StringConstraints(pattern=OBJECT_NAME_PATTERN, max_length=253)]
"""DNS-1123 subdomain: the name of an object of any kind that a field refers to."""
Uid = Annotated[str, StringConstraints(pattern="^[-a-zA-Z0-9]+$", max_length=64)]
"""UID of an object."""
Hostname = Annotated[str, StringConstraints(pattern=f"^([*][.])?{_DNS_LABEL}([.]{_DNS_LABEL})*$", max_length=253)]
"""Host name of a route, whose first label may be `*`, as in the Gateway API."""
DataKey = Annotated[str, StringConstraints(pattern=r"^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=253)]
"""Key in the data of a ConfigMap or Secret. Never `.` or `..`, and never begins with `..`, as in Kubernetes."""
ChannelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=63)]
"""Name of a training channel, which is a directory of the trainer's."""
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
"""Go duration of at most five digits a part: more would overflow in CEL and in Python."""


def minimum_duration(field: str, shortest: str, advice: str = "") -> Rule:
    """Return a CEL rule that a duration is at least `shortest`."""
    return _duration_rule(field, f">= duration('{shortest}')"), f"{field} must be at least {shortest}{advice}"


def maximum_duration(field: str, longest: str) -> Rule:
    """Return a CEL rule that a duration is at most `longest`."""
    return _duration_rule(field, f"<= duration('{longest}')"), f"{field} must be at most {longest}"


def _duration_rule(field: str, comparison: str) -> str:
    """Return a rule that is true for a text that violates the pattern of durations: one mistake gives one message."""
    value = f"self.{field}"
    return f"!has({value}) || !{value}.matches('{DURATION_PATTERN}') || duration({value}) {comparison}"


def _is_duration(text: str) -> str:
    parse_duration(text)
    return text


DurationText = Annotated[
    str,
    StringConstraints(pattern=DURATION_PATTERN, max_length=32),
    AfterValidator(_is_duration),
]
"""Go duration such as 90s, 5m or 1h30m."""


class LocalRef(Model):
    """Reference by name to an object in the same namespace."""

    name: ObjectName
    """Name of the object."""


class S3Source(Model):
    """Objects under a prefix of an S3 bucket."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", max_length=63)]
    """Name of the bucket."""
    prefix: Annotated[str, StringConstraints(max_length=512)] = ""
    """Prefix of the keys of the objects, such as `mortgage/`. Empty: all objects in the bucket."""
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+/?$", max_length=512)] | None = None
    """URL of an S3-compatible service, such as `http://s3:8333`. Absent: AWS."""
    region: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """Region of the bucket."""
    secret_ref: LocalRef | None = None
    """Secret in this namespace with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and optionally
    AWS_SESSION_TOKEN. Absent: the workload identity of the ServiceAccount."""


class VolumeSource(Model):
    """Directory in a PersistentVolumeClaim in the same namespace."""

    model_config = rules(
        (
            "!has(self.path) || !self.path.split('/').exists(part, part in ['', '.', '..'])",
            "path must be a relative path in the claim, such as data/mortgage: no slash at either end, no . and no ..",
        )
    )

    claim_name: ObjectName
    """Name of the claim. Its access mode must let snapshot Jobs and training Pods mount the claim at the same time."""
    path: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    """Directory in the claim, such as `data/mortgage`. Absent: the whole claim."""


class DataSource(Model):
    """Location of data: an S3 bucket or a PersistentVolumeClaim."""

    model_config = rules(("has(self.s3) != has(self.pvc)", "set exactly one of s3 and pvc"))

    s3: S3Source | None = None
    """S3 bucket. With versioning enabled, every snapshot can be fetched again, byte for byte."""
    pvc: VolumeSource | None = None
    """Directory in a PersistentVolumeClaim. Training Pods mount the claim read-only instead of copying the data."""


class Format(Model):
    """Format of the objects."""

    type: Literal["csv", "jsonl", "parquet"] = "csv"
    """csv: comma-separated values with a header line. jsonl: one JSON object per line. parquet: Apache Parquet."""


ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
CellText = Annotated[str, StringConstraints(max_length=256)]
OnViolation = Literal["Reject", "Warn"]
Quote = Literal["Numbers", "All", "None"]


class ColumnType(StrEnum):
    """Type of a column's values."""

    NUMBER = "number"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"


class Column(Model):
    """Requirements on one column."""

    model_config = rules(
        ("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max"),
        (
            "(!has(self.min) && !has(self.max)) || self.type in ['number', 'integer']",
            "min and max need type number or integer",
        ),
    )

    name: ColumnName
    """Name of the column: the header in CSV, the key in JSON Lines."""
    type: ColumnType
    """Type of the values: number, integer, string or boolean. A value of another type is a violation."""
    min: float | None = None
    """Least allowed value, for numbers and integers."""
    max: float | None = None
    """Greatest allowed value, for numbers and integers."""
    nullable: bool = True
    """Whether values may be missing. An empty CSV field is a missing value."""
    enum: Annotated[list[CellText], Field(max_length=100), list_set()] = Field(default_factory=list)
    """Allowed values, as text. Numbers are compared as numbers. Absent: any value."""
    unique: bool = False
    """Whether each value may occur only once in the whole snapshot. Missing values do not count."""
    quote: Quote = "Numbers"
    """Which values violations quote, in status, Events and logs, beside object, row, column and rule. Numbers: numbers
    of columns of another type than string. All: also text, which may be about a person. None: no value. Values of
    protected columns are never quoted."""


class Label(Model):
    """Column that the model predicts."""

    column: ColumnName
    """Name of the column."""
    positive: Annotated[list[CellText], Field(max_length=20), list_set()] = Field(default_factory=list)
    """Values that are the favourable outcome, such as `no` for a column `deny`. The bias metric DPL needs these
    values."""


class Schema(Model):
    """Requirements that data must meet to become the current snapshot. Columns not listed are allowed and profiled."""

    model_config = rules(
        (
            "!has(self.protected) || !has(self.columns) || self.columns.all(c, !has(c.quote) || c.quote != 'All'"
            " || !(c.name in self.protected))",
            "values of a protected column are never quoted: quote All is for other columns",
        )
    )

    columns: Annotated[list[Column], Field(max_length=256), list_map("name")] = Field(default_factory=list)
    """Required columns, and the requirements on their values."""
    label: Label | None = None
    """Column that the model predicts. Its bias is measured for the protected columns."""
    protected: Annotated[list[ColumnName], Field(max_length=8), list_set()] = Field(default_factory=list)
    """Columns of protected attributes, such as race or sex. The profile has the bias of each of their groups compared
    to all other rows."""
    on_violation: OnViolation = "Reject"
    """Reject: data that violates the schema does not become current, and the last good snapshot stays. Warn: data that
    can be read becomes current, and the condition Valid names the violations."""


class ObjectVersion(Model):
    """Object of a snapshot, pinned to a version."""

    key: Annotated[str, StringConstraints(max_length=1024)]
    """Key of the object in its bucket."""
    version_id: Annotated[str, StringConstraints(max_length=1024)]
    """Version ID of the object in S3; `null` in a bucket without versioning."""
    size: Annotated[int, Field(ge=0)]
    """Size of the object in bytes."""
    etag: Annotated[str, StringConstraints(max_length=256)]
    """Entity tag of the object: an opaque token that changes with the content."""


class Condition(Model):
    """Condition, as in the API conventions of Kubernetes."""

    type: Annotated[str, StringConstraints(max_length=316)]
    """Type of the condition, such as Ready."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition."""
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
    """Reason for the status, as one CamelCase word for programs."""
    message: LongText
    """Reason for the status, as a sentence for people."""
    last_transition_time: Timestamp
    """Time at which `status` last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that the condition was derived from."""


class MadeJob(Model):
    """Job that the operator has made."""

    name: Name
    """Name of the Job."""
    uid: Uid
    """UID of the Job. Another Job of this name is not believed, and is deleted."""


MadeJobs = Annotated[list[MadeJob], Field(max_length=16), list_map("name")]
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
