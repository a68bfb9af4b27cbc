"""A model as files: what is in a directory, told by its content."""

import stat
from collections.abc import Iterator
from pathlib import Path

from modelops.lineage.digests import ArtifactFile, UnrepresentableNameError, artifact_digest, hex_of
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.file_digest import digest_of_file


def files_of(directory: Path) -> list[ArtifactFile]:
    """The files below a directory, by path. Raises TaskError(InvalidModel) for what is neither file nor directory."""
    return [_described(file, directory) for file in sorted(_walk(directory))]


def digest_of(files: list[ArtifactFile]) -> str:
    """Their digest. Raises TaskError(InvalidModel) for a name that no digest can hold."""
    try:
        return artifact_digest(files)
    except UnrepresentableNameError as error:
        raise TaskError("InvalidModel", f"the model has a file whose name cannot be used: {error}") from error


def _walk(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(path)
        elif stat.S_ISREG(mode):
            yield path
        else:
            # A link could lead to what the model's digest does not cover, such as a mounted credential.
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
            raise TaskError("InvalidModel", f"{path} is {kind}; write the model as plain files")


def _described(file: Path, directory: Path) -> ArtifactFile:
    return ArtifactFile(file.relative_to(directory).as_posix(), file.stat().st_size, hex_of(digest_of_file(file)))
