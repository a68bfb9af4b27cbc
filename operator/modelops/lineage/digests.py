"""Digests of datasets, artifacts and JSON values. Pure.

A digest is `sha256:` and 64 hex digits of the SHA-256 of a text that a person can reproduce: `sha256sum` of a manifest
file is the digest of the dataset.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

PREFIX = "sha256:"
BY_CONTENT = "sha256"
"""Version ID in a manifest line whose entity tag is the SHA-256 of the content in hex: the content itself is pinned.

No object in S3 has this version ID: services generate them, and `null` is the one of an unversioned bucket."""
_FORBIDDEN = ("\0", "\n")


class UnrepresentableNameError(ValueError):
    """Name that a manifest cannot represent unambiguously: it has a NUL or a line break, or is not valid Unicode."""


class NotCanonicalError(ValueError):
    """Value that JSON cannot represent without loss, such as NaN or a key that is not a string."""


class NotAManifestError(ValueError):
    """Bytes that are not a manifest."""


class OutOfOrderError(ValueError):
    """Manifest line that sorts before the previous line."""


class PinnedObject(NamedTuple):
    """Object pinned to its content. `version_id` is `null` in a bucket without versioning; `size` is in bytes."""

    key: str
    version_id: str
    size: int
    etag: str


class ArtifactFile(NamedTuple):
    """File of an artifact: path relative to the artifact, size in bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


class DatasetDigest:
    """Digest of a manifest, computed in constant memory from sorted lines. S3 lists objects in that order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._last = b""

    def add(self, line: bytes) -> None:
        """Add the next line. Raises OutOfOrderError when it sorts before the previous line."""
        if line < self._last:
            raise OutOfOrderError(f"{line!r} follows {self._last!r}")
        self._hash.update(line)
        self._last = line

    @property
    def value(self) -> str:
        """Digest of the lines added so far."""
        return PREFIX + self._hash.hexdigest()


def join_fields(*fields: str) -> bytes:
    """Join fields by NUL into one line. Raises UnrepresentableNameError for a NUL or a line break in a field."""
    for field in fields:
        if any(character in field for character in _FORBIDDEN):
            raise UnrepresentableNameError(f"{field!r} has a NUL or a line break; rename the object")
    try:
        return "\0".join(fields).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise UnrepresentableNameError(f"{fields[0]!r} is not valid Unicode; rename the object") from error


def manifest_line(key: str, version_id: str, size: int, etag: str) -> bytes:
    """Return an object's line, `key NUL versionId NUL size NUL etag LF`. Raises UnrepresentableNameError."""
    return join_fields(key, version_id, str(size), etag)


def dataset_digest(lines: Iterable[bytes]) -> str:
    """Return the digest of a dataset from its manifest lines, in any order. Holds all lines in memory."""
    digest = DatasetDigest()
    for line in sorted(lines):
        digest.add(line)
    return digest.value


def manifest_entries(lines: Iterable[bytes]) -> Iterator[PinnedObject]:
    """Yield the objects of a manifest, from lines with their LF. Raises NotAManifestError."""
    for line in lines:
        try:
            key, version_id, size, etag = line.removesuffix(b"\n").decode().split("\0")
            entry = PinnedObject(key, version_id, int(size), etag)
        except ValueError as error:
            raise NotAManifestError(f"{line[:80]!r} is not a line of a manifest") from error
        if manifest_line(*entry) != line:
            raise NotAManifestError(f"{line[:80]!r} is not a line of a manifest")
        yield entry


def artifact_digest(files: Iterable[ArtifactFile]) -> str:
    """Return the digest of an artifact from its files, in any order. Raises UnrepresentableNameError."""
    return _sha256(b"".join(sorted(join_fields(file.path, str(file.size), file.sha256) for file in files)))


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of `value`: sorted keys, no spaces, UTF-8. Raises NotCanonicalError, as for NaN."""
    _reject_other_keys(value)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise NotCanonicalError(str(error)) from error


def json_digest(value: Any) -> str:
    """Return the digest of a value's canonical JSON. Raises NotCanonicalError."""
    return _sha256(canonical_json(value))


def short(digest: str, n: int = 8) -> str:
    """Return the first `n` hex digits of a digest, for names and messages."""
    return hex_digits(digest)[:n]


def hex_digits(digest: str) -> str:
    """Return the hex digits of a digest, without `sha256:`."""
    return digest.removeprefix(PREFIX)


def _sha256(content: bytes) -> str:
    return PREFIX + hashlib.sha256(content).hexdigest()


def _reject_other_keys(value: Any) -> None:
    """Raise for keys that are not strings: `json` writes the key 1 as "1", two values with one text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise NotCanonicalError(f"the key {key!r} is not a string")
            _reject_other_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _reject_other_keys(inner)
