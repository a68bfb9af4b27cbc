"""File path of each object below its dataset's directory. Pure."""

from pathlib import PurePosixPath

_MAX_NAME_BYTES = 255


class InvalidObjectPathError(ValueError):
    """A key that is not a file path, leads out of the dataset's directory, or has the path of another object."""


class ObjectPaths:
    """Paths of all objects below one key prefix, each path used once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # Only `data.csv` and `data/data.csv` below the prefix `data` can collide: both begin with its last name.
        self._name = prefix.rpartition("/")[2]
        self._used: set[PurePosixPath] = set()

    def path_of(self, key: str) -> PurePosixPath:
        """Return `relative_path` of the key. Raises InvalidObjectPathError, also where another key has that path."""
        path = relative_path(key, self._prefix)
        if self._name and path.parts[0].startswith(self._name):
            if path in self._used:
                raise InvalidObjectPathError(
                    f'object "{key}": another object also has the path "{path}"; '
                    f'end the source\'s prefix "{self._prefix}" with a slash'
                )
            self._used.add(path)
        return path


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """Return the path of `key` relative to `prefix`.

    A key that equals the prefix keeps its last part. A prefix that ends in the middle of a name counts only up to its
    last slash, so that no file name loses its beginning.

    Raises InvalidObjectPathError.
    """
    if not key.startswith(prefix):
        raise InvalidObjectPathError(f'object "{key}": not below the prefix "{prefix}"')
    rest = key.removeprefix(prefix)
    if prefix and not prefix.endswith("/"):
        rest = rest[1:] if rest.startswith("/") else prefix.rpartition("/")[2] + rest
    elif not rest:
        rest = key.rstrip("/").rpartition("/")[2]
    parts = rest.split("/")
    if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        raise InvalidObjectPathError(f'object "{key}": the key is not a valid file path; rename the object')
    return PurePosixPath(*parts)
