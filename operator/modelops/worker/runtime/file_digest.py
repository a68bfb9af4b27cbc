"""Digest of one file's bytes, the one that `sha256sum FILE` prints."""

import hashlib
from pathlib import Path

from modelops.lineage.digests import PREFIX


def digest_of_file(file: Path) -> str:
    """Return `sha256:` and 64 hex digits, in constant memory. Raises OSError."""
    with file.open("rb") as content:
        return PREFIX + hashlib.file_digest(content, "sha256").hexdigest()
