"""Listing of a prefix page by page, with the API that shows current objects in a bucket with or without versions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error, translate_errors

NO_VERSION = "null"
"""Version ID of an object that was written without versioning, as S3 itself calls it."""

Position = Mapping[str, str]
"""Start of a page: arguments of the next request. Empty: the first key."""


class ListedObject(NamedTuple):
    """One object of a listing."""

    pinned: PinnedObject
    modified: str
    """Time of the last write, as S3 writes it: ISO 8601, in UTC."""


class Page(NamedTuple):
    """Up to a thousand entries of a listing."""

    objects: list[ListedObject]
    """Current objects, without "directories" (empty objects whose key ends with a slash)."""
    keys: list[str]
    """Key of every entry, sorted. Old versions and delete markers are entries too."""
    in_order: bool
    """True if the service listed the keys sorted, as S3 does."""
    next: Position | None
    """Start of the next page; None on the last page."""


@dataclass(frozen=True)
class Pages:
    """Listing of a prefix, page by page."""

    client: S3Client
    bucket: str
    prefix: str
    status: str
    """State of the bucket's versioning: `Enabled`, `Suspended` or `Off`."""

    @property
    def versioned(self) -> bool:
        """True if every state of the data stays readable: versioning is on, not off or suspended."""
        return self.status == "Enabled"

    def after(self, key: str) -> Position:
        """Return the position of the first entry whose key is greater than `key`."""
        return {"KeyMarker" if self._by_versions else "StartAfter": key}

    def page(self, at: Position) -> Page:
        """Request the page that starts at a position. Raises S3Error."""
        with translate_errors(self.client, self.bucket):
            list_page = self.client.list_object_versions if self._by_versions else self.client.list_objects_v2
            answer = list_page(Bucket=self.bucket, Prefix=self.prefix, **at)
        page = _page_of_versions(answer) if self._by_versions else _page_of_objects(answer)
        if page.next is not None and (page.next == at or not all(page.next.values())):
            where = f'bucket "{self.bucket}" at {self.client.meta.endpoint_url}'
            raise S3Error(
                Reason.NOT_S3,
                f"{where}: truncated listing without a marker of the next page; use an S3-compatible service",
                transient=False,
            )
        return page

    def all(self) -> Iterator[Page]:
        """Yield every page. A page is requested only when it is reached. Raises S3Error."""
        at: Position | None = {}
        while at is not None:
            page = self.page(at)
            yield page
            at = page.next

    def sub_prefixes(self, prefix: str) -> list[str]:
        """Return the prefixes that end at the next slash, as many as one request lists. Raises S3Error."""
        with translate_errors(self.client, self.bucket):
            answer = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        return sorted(entry["Prefix"] for entry in answer.get("CommonPrefixes", ()))

    @property
    def _by_versions(self) -> bool:
        return self.status != "Off"


def pages(client: S3Client, bucket: str, prefix: str) -> Pages:
    """Return the listing of `prefix`, after a request for the bucket's versioning. Raises S3Error."""
    try:
        with translate_errors(client, bucket):
            status = str(client.get_bucket_versioning(Bucket=bucket).get("Status", "Off"))
    except S3Error as problem:
        if problem.reason is not Reason.UNEXPECTED or "NotImplemented" not in problem.message:
            raise
        status = "Off"
    return Pages(client, bucket, prefix, status if status in ("Enabled", "Suspended") else "Off")


def in_seconds(modified: str) -> str | None:
    """Return a listing's time as Kubernetes writes times, in whole seconds; None if it is not a time."""
    try:
        return datetime.fromisoformat(modified).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None


def _page_of_objects(answer: Mapping[str, Any]) -> Page:
    entries = answer.get("Contents", ())
    keys = [entry["Key"] for entry in entries]
    objects = [_listed_object(entry, NO_VERSION) for entry in entries if not _is_directory(entry)]
    return _page(objects, [keys], {"ContinuationToken": answer.get("NextContinuationToken", "")}, answer)


def _page_of_versions(answer: Mapping[str, Any]) -> Page:
    """Return a page. Delete markers are in a list of their own: a deleted object has no latest version."""
    versions = answer.get("Versions", ())
    keys = [[entry["Key"] for entry in entries] for entries in (versions, answer.get("DeleteMarkers", ()))]
    objects = [
        _listed_object(version, version.get("VersionId") or NO_VERSION)
        for version in versions
        if version["IsLatest"] and not _is_directory(version)
    ]
    marker = {"KeyMarker": answer.get("NextKeyMarker", "")}
    if answer.get("NextVersionIdMarker"):
        marker["VersionIdMarker"] = answer["NextVersionIdMarker"]
    return _page(objects, keys, marker, answer)


def _page(objects: list[ListedObject], lists: list[list[str]], marker: Position, answer: Mapping[str, Any]) -> Page:
    in_order = all(keys == sorted(keys) for keys in lists)
    keys = sorted(key for keys in lists for key in keys)
    return Page(objects, keys, in_order, marker if answer.get("IsTruncated") else None)


def _is_directory(entry: Mapping[str, Any]) -> bool:
    return not entry["Size"] and entry["Key"].endswith("/")


def _listed_object(entry: Mapping[str, Any], version_id: str) -> ListedObject:
    pinned = PinnedObject(
        key=entry["Key"], version_id=version_id, size=entry["Size"], etag=entry.get("ETag", "").strip('"')
    )
    return ListedObject(pinned, modified=entry.get("LastModified", ""))
