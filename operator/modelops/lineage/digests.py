"""Digests: what a dataset, an artifact and a JSON value are called by their content. Pure.

A digest is `sha256:` and 64 hex digits. What is hashed is text that a person can write again by hand: `sha256sum` of a
manifest file is the dataset's digest.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

PREFIX = "sha256:"
BY_CONTENT = "sha256"
"""What a manifest line has for a version where the content itself is pinned: the entity tag is its SHA-256 in hex. It
cannot be a version of S3: a service makes those up by itself, and calls that of an unversioned bucket null."""
_FORBIDDEN = ("\0", "\n")


class UnrepresentableNameError(ValueError):
    """A name that a manifest cannot hold, since it would read as something else: it has a NUL or a line break."""


class NotCanonicalError(ValueError):
    """A value that JSON cannot hold without losing or changing something."""


class NotAManifestError(ValueError):
    """Bytes that no manifest writer of ours has written."""


class OutOfOrderError(ValueError):
    """A manifest line that sorts before the one ahead of it."""


class PinnedObject(NamedTuple):
    """One object, pinned. `version_id` is `null` where the bucket keeps no versions, `size` is in bytes."""

    key: str
    version_id: str
    size: int
    etag: str


class ArtifactFile(NamedTuple):
    """One file of an artifact: its path relative to the artifact, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


class DatasetDigest:
    """The digest of a manifest, built up in constant memory from lines that come sorted, as S3 lists them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._last = b""

    def add(self, line: bytes) -> None:
        """Take in the next line. Raises OutOfOrderError when it sorts before the last one."""
        if line < self._last:
            raise OutOfOrderError(f"{line!r} comes after {self._last!r}")
        self._hash.update(line)
        self._last = line

    @property
    def value(self) -> str:
        """The digest of the lines so far."""
        return PREFIX + self._hash.hexdigest()


def join_fields(*fields: str) -> bytes:
    """Fields as one line, a NUL between them. Raises UnrepresentableNameError where one of them would make it read otherwise."""
    for field in fields:
        if any(mark in field for mark in _FORBIDDEN):
            raise UnrepresentableNameError(f"{field!r} has a NUL or a line break in it; rename the object")
    try:
        return "\0".join(fields).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise UnrepresentableNameError(f"{fields[0]!r} is no valid Unicode text; rename the object") from error


def manifest_line(key: str, version_id: str, size: int, etag: str) -> bytes:
    """One object's line, `key NUL versionId NUL size NUL etag LF`. Raises UnrepresentableNameError where that would be ambiguous."""
    return join_fields(key, version_id, str(size), etag)


def dataset_digest(lines: Iterable[bytes]) -> str:
    """The digest of a dataset from its manifest lines in any order. Holds them all in memory."""
    digest = DatasetDigest()
    for line in sorted(lines):
        digest.add(line)
    return digest.value


def manifest_entries(lines: Iterable[bytes]) -> Iterator[PinnedObject]:
    """The objects that a manifest's lines (each with its LF) name. Raises NotAManifestError."""
    for line in lines:
        try:
            key, version_id, size, etag = line.removesuffix(b"\n").decode().split("\0")
            entry = PinnedObject(key, version_id, int(size), etag)
        except ValueError as error:
            raise NotAManifestError(f"{line[:80]!r} is no line of a manifest") from error
        if manifest_line(*entry) != line:
            raise NotAManifestError(f"{line[:80]!r} is no line of a manifest")
        yield entry


def artifact_digest(files: Iterable[ArtifactFile]) -> str:
    """The digest of a set of files, in any order. Raises UnrepresentableNameError for a path with a NUL or a line break."""
    return _sha256(b"".join(sorted(join_fields(file.path, str(file.size), file.sha256) for file in files)))


def canonical_json(value: Any) -> bytes:
    """The one JSON text of `value`: keys sorted, no spaces, UTF-8. Raises NotCanonicalError, as for NaN."""
    _refuse_other_keys(value)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise NotCanonicalError(str(error)) from error


def json_digest(value: Any) -> str:
    """The digest of a value's canonical JSON."""
    return _sha256(canonical_json(value))


def short(digest: str, n: int = 8) -> str:
    """The first `n` hex digits, for names and messages."""
    return hex_digits(digest)[:n]


def hex_digits(digest: str) -> str:
    """The hex digits of a digest."""
    return digest.removeprefix(PREFIX)


def _sha256(content: bytes) -> str:
    return PREFIX + hashlib.sha256(content).hexdigest()


def _refuse_other_keys(value: Any) -> None:
    """JSON would write the key 1 as "1": two different values, one text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise NotCanonicalError(f"the key {key!r} is no text")
            _refuse_other_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_other_keys(inner)
