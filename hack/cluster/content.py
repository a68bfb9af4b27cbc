"""Directories in the cache, keyed by the content that they are made from."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from hack.cluster import places

_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def key_of(*parts: str | Path) -> str:
    """Return a hash, 16 hexadecimal digits, of texts, and of the names and content of files and directories."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode() + b"\0")
            continue
        for file in _files(part):
            digest.update(str(file.relative_to(part.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return sorted(
        file for file in path.rglob("*") if file.is_file() and not _IGNORED.intersection(file.relative_to(path).parts)
    )


def made_once(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return the directory in the cache that `make` has filled for a key; call `make` only if there is none.

    `make` fills another directory, renamed at the end: after an interruption the key has no directory. The newest
    four directories of a kind are kept.
    """
    final = places.cache() / kind / key
    if final.is_dir():
        os.utime(final)
        return final
    fresh = final.with_name(f".{key}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        make(fresh)
        if not final.is_dir():
            fresh.rename(final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _forget_old(final.parent)
    return final


def _forget_old(kind: Path, keep: int = 4) -> None:
    entries = sorted(
        (entry for entry in kind.iterdir() if not entry.name.startswith(".")), key=lambda entry: entry.stat().st_mtime
    )
    for old in entries[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
