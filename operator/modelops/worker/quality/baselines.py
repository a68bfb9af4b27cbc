"""Baseline: the profile of the current snapshot, which drift and growth of a new snapshot are measured against."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from modelops.api.base import Model
from modelops.api.checks import DataCheck
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import ObjectTooLargeError, fetch
from modelops.store.layout import parse
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.retry import retry

_MAX_BYTES = 64 << 20
"""Largest profile that is read: some thousand columns of long texts."""


class ValueCount(Model):
    """Count of one frequent value."""

    value: str
    count: int


class BaselineColumn(Model):
    """One column: `edges` and `counts` if it is numeric, else `values` and `other`. `count` is their sum."""

    name: str
    count: int
    nulls: int
    edges: list[float] = Field(default_factory=list)
    counts: list[int] | None = None
    values: list[ValueCount] = Field(default_factory=list)
    other: int = 0


class Baseline(Model):
    """The fields of a profile that checks compare with. Other fields are ignored."""

    rows: int
    columns: list[BaselineColumn]

    def column(self, name: str) -> BaselineColumn | None:
        """Return a column; None if the snapshot did not have it."""
        return next((column for column in self.columns if column.name == name), None)


def load_baseline(store: S3Client, uri: str | None, checks: Sequence[DataCheck], scratch: Path) -> Baseline | None:
    """Fetch and verify the profile at `uri`; return None without a profile, or if no check compares with one.

    Raises:
        TaskError: BaselineMissing, DigestMismatch or BaselineUnreadable.
        S3Error: the store does not answer, or refuses.
    """
    if uri is None or not any(check.drift or check.rows_change for check in checks):
        return None
    location, file = parse(uri), scratch / "baseline"
    try:
        sha256 = retry(lambda: fetch(store, location.bucket, location.key, file, max_bytes=_MAX_BYTES))
    except ObjectTooLargeError as error:
        raise TaskError(
            "BaselineUnreadable",
            f"{uri}: the profile has more than {_MAX_BYTES} bytes; restore the original object, or remove drift and"
            " rowsChange from spec.checks for one snapshot",
        ) from error
    except S3Error as error:
        if error.reason is not Reason.NO_SUCH_KEY:
            raise
        raise TaskError(
            "BaselineMissing",
            f"{uri}: the profile of the current snapshot is missing; restore the object, or remove drift and rowsChange"
            " from spec.checks for one snapshot",
        ) from error
    if f"sha256-{sha256}" not in location.key:
        raise TaskError(
            "DigestMismatch", f"{uri}: the profile was altered, its SHA-256 is {sha256}; restore the original object"
        )
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TaskError(
            "BaselineUnreadable",
            f"{uri}: not a profile of this version: {where}: {first['msg']}; remove drift and rowsChange from"
            " spec.checks for one snapshot",
        ) from error
