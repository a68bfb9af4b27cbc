"""The profile of the current snapshot, as it was written: what change is measured against."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from modelops.api.base import Model
from modelops.api.checks import DataCheck
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import fetch
from modelops.store.layout import parse
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.retry import patiently


class CountedValue(Model):
    """A frequent value."""

    value: str
    count: int


class BaselineColumn(Model):
    """One column: `edges` and `counts` where it is numeric, else `values` and `other`. `count` is their sum."""

    name: str
    count: int
    nulls: int
    edges: list[float] = Field(default_factory=list)
    counts: list[int] | None = None
    values: list[CountedValue] = Field(default_factory=list)
    other: int = 0


class Baseline(Model):
    """What of a profile change is measured against."""

    rows: int
    columns: list[BaselineColumn]

    def column(self, name: str) -> BaselineColumn | None:
        """A column, if the snapshot had it."""
        return next((column for column in self.columns if column.name == name), None)


def baseline_of(store: S3Client, uri: str | None, checks: Sequence[DataCheck], scratch: Path) -> Baseline | None:
    """The profile at `uri`; None where there is none, or no check needs it. Raises TaskError and S3Error."""
    if uri is None or not any(check.drift or check.rows_change for check in checks):
        return None
    at, file = parse(uri), scratch / "baseline"
    try:
        sha256 = patiently(lambda: fetch(store, at.bucket, at.key, file))
    except S3Error as problem:
        if problem.reason is not Reason.NO_SUCH_KEY:
            raise
        raise TaskError(
            "BaselineMissing",
            f"the profile of the current snapshot is not in the store any more ({uri}); put it back, or take drift"
            " and rowsChange out of spec.checks for one snapshot",
        ) from problem
    if f"sha256-{sha256}" not in at.key:
        raise TaskError("DigestMismatch", f"{uri} was altered: its SHA-256 is {sha256}; put the profile back as it was")
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TaskError(
            "BaselineUnreadable", f"{uri} is no profile of this version: {where}: {first['msg']}"
        ) from error
