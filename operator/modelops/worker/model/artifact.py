"""Files of a model, and the digest of all of them."""

import hashlib
import os
import stat
from collections.abc import Iterator
from io import FileIO
from itertools import islice
from pathlib import Path

from modelops.lineage.digests import ArtifactFile, UnrepresentableNameError, artifact_digest
from modelops.worker.runtime.beneath import LeadsOutError
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.regular_file import open_regular_file_beneath

MAX_FILES = 100_000
"""Most files of a model: as many are listed before any is downloaded."""


def files_of(directory: Path) -> list[ArtifactFile]:
    """Return the files below a directory, sorted by path.

    Raises TaskError(InvalidModel) for an entry that is neither a regular file nor a directory, and for too many files.
    """
    files = sorted(islice(_walk(directory), MAX_FILES + 1))
    if len(files) > MAX_FILES:
        raise TaskError("InvalidModel", f"the model has more than {MAX_FILES} files; write fewer, larger ones")
    return [_artifact_file(file, directory) for file in files]


def open_file(directory: Path, path: str) -> FileIO:
    """Open a file of a model for reading. Raises TaskError(InvalidModel) if a link, or no file, has taken its place."""
    try:
        file = open_regular_file_beneath(directory, path)
    except LeadsOutError as error:
        raise _not_a_file(directory / path, "behind a symbolic link") from error
    if file is None:
        raise _not_a_file(directory / path, "not a regular file")
    return file


def digest_of(files: list[ArtifactFile]) -> str:
    """Return the digest of a model. Raises TaskError(InvalidModel) for a name that a digest cannot represent."""
    try:
        return artifact_digest(files)
    except UnrepresentableNameError as error:
        raise TaskError("InvalidModel", f"the model has a file with an invalid name: {error}") from error


def _walk(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(path)
        elif stat.S_ISREG(mode):
            yield path
        else:
            # A link could lead to a file that the model's digest does not cover, such as a mounted credential.
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
            raise _not_a_file(path, kind)


def _not_a_file(path: Path, kind: str) -> TaskError:
    return TaskError("InvalidModel", f"{path} is {kind}; write the model as regular files")


def _artifact_file(file: Path, directory: Path) -> ArtifactFile:
    path = file.relative_to(directory).as_posix()
    with open_file(directory, path) as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        return ArtifactFile(path, os.fstat(content.fileno()).st_size, sha256)
