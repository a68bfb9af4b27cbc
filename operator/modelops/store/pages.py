"""A listing, page by page, in the one of S3's two ways that tells what is current in a bucket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error, translate_errors

NO_VERSION = "null"

Position = Mapping[str, str]
"""Where a page begins: what the next request is asked with. Empty: at the first key."""


class Seen(NamedTuple):
    """One object as a listing shows it."""

    pinned: PinnedObject
    modified: str
    """When it was written, as S3 says it: an ISO 8601 time in UTC."""


class Page(NamedTuple):
    """Up to a thousand entries of a listing."""

    objects: list[Seen]
    """The current objects, without "directories" (empty objects whose key ends in a slash)."""
    keys: list[str]
    """Every entry's key, sorted: of old versions and delete markers too."""
    in_order: bool
    """Whether the service listed its keys sorted, as S3 does."""
    next: Position | None
    """Where the next page begins; None: this is the last one."""


@dataclass(frozen=True)
class Pages:
    """How to list what is below a prefix."""

    client: S3Client
    bucket: str
    prefix: str
    status: str
    """Of the bucket's versioning: `Enabled`, `Suspended` or `Off`."""

    @property
    def versioned(self) -> bool:
        """Whether every state of the data stays readable: versioning is on, not off or suspended."""
        return self.status == "Enabled"

    def after(self, key: str) -> Position:
        """The position of the first entry whose key is greater than `key`."""
        return {"KeyMarker" if self._by_versions else "StartAfter": key}

    def page(self, at: Position) -> Page:
        """The page that begins there. Raises S3Error."""
        with translate_errors(self.client, self.bucket):
            ask = self.client.list_object_versions if self._by_versions else self.client.list_objects_v2
            answer = ask(Bucket=self.bucket, Prefix=self.prefix, **at)
        page = _of_versions(answer) if self._by_versions else _of_objects(answer)
        if page.next is not None and (page.next == at or not all(page.next.values())):
            where = f'bucket "{self.bucket}" at {self.client.meta.endpoint_url}'
            raise S3Error(
                Reason.NOT_S3, f"{where}: a listing is cut off and does not say where it goes on", transient=False
            )
        return page

    def all(self) -> Iterator[Page]:
        """Every page, each asked for when it is reached."""
        at: Position | None = {}
        while at is not None:
            page = self.page(at)
            yield page
            at = page.next

    def sub_prefixes(self, prefix: str) -> list[str]:
        """The first of the prefixes one slash further down: as many as one request tells. Raises S3Error."""
        with translate_errors(self.client, self.bucket):
            answer = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        return sorted(one["Prefix"] for one in answer.get("CommonPrefixes", ()))

    @property
    def _by_versions(self) -> bool:
        return self.status != "Off"


def pages(client: S3Client, bucket: str, prefix: str) -> Pages:
    """How to list what is below `prefix`, which depends on whether the bucket keeps versions. Raises S3Error."""
    try:
        with translate_errors(client, bucket):
            status = str(client.get_bucket_versioning(Bucket=bucket).get("Status", "Off"))
    except S3Error as problem:
        if problem.reason is not Reason.UNEXPECTED or "NotImplemented" not in problem.message:
            raise
        status = "Off"
    return Pages(client, bucket, prefix, status if status in ("Enabled", "Suspended") else "Off")


def in_seconds(modified: str) -> str | None:
    """A time of a listing as Kubernetes writes one, with whole seconds; None for one that is no time."""
    try:
        return datetime.fromisoformat(modified).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None


def _of_objects(answer: Mapping[str, Any]) -> Page:
    listed = answer.get("Contents", ())
    keys = [one["Key"] for one in listed]
    objects = [_seen(one, NO_VERSION) for one in listed if _counts(one)]
    return _page(objects, [keys], {"ContinuationToken": answer.get("NextContinuationToken", "")}, answer)


def _of_versions(answer: Mapping[str, Any]) -> Page:
    """Delete markers come in a list of their own: an object that is deleted has no latest version."""
    listed = answer.get("Versions", ())
    keys = [[one["Key"] for one in entries] for entries in (listed, answer.get("DeleteMarkers", ()))]
    objects = [_seen(one, one.get("VersionId") or NO_VERSION) for one in listed if one["IsLatest"] and _counts(one)]
    marker = {"KeyMarker": answer.get("NextKeyMarker", "")}
    if answer.get("NextVersionIdMarker"):
        marker["VersionIdMarker"] = answer["NextVersionIdMarker"]
    return _page(objects, keys, marker, answer)


def _page(objects: list[Seen], lists: list[list[str]], marker: Position, answer: Mapping[str, Any]) -> Page:
    in_order = all(keys == sorted(keys) for keys in lists)
    keys = sorted(key for keys in lists for key in keys)
    return Page(objects, keys, in_order, marker if answer.get("IsTruncated") else None)


def _counts(one: Mapping[str, Any]) -> bool:
    return bool(one["Size"]) or not one["Key"].endswith("/")


def _seen(one: Mapping[str, Any], version_id: str) -> Seen:
    return Seen(
        PinnedObject(one["Key"], version_id, one["Size"], one.get("ETag", "").strip('"')), one.get("LastModified", "")
    )
