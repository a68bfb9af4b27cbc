"""Where an object lands below its dataset's directory. Pure."""

from pathlib import PurePosixPath

_LONGEST_NAME_BYTES = 255


class InvalidObjectPathError(ValueError):
    """A key that is no path, or one that would lead out of the dataset's directory."""


class Places:
    """The places of all objects of one prefix: no two of them are the same."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # Only `data.csv` and `data/data.csv` below the prefix `data` can meet: both then begin with its last name.
        self._name = prefix.rpartition("/")[2]
        self._taken: set[PurePosixPath] = set()

    def place(self, key: str) -> PurePosixPath:
        """As `relative_path`. Raises InvalidObjectPathError, also for a key whose place another one has taken."""
        path = relative_path(key, self._prefix)
        if self._name and path.parts[0].startswith(self._name):
            if path in self._taken:
                raise InvalidObjectPathError(
                    f'the object "{key}" and another one would both be "{path}"; let the source\'s prefix '
                    f'"{self._prefix}" end with a slash'
                )
            self._taken.add(path)
        return path


def relative_path(key: str, prefix: str) -> PurePosixPath:
    """The path of `key` relative to `prefix`. Raises InvalidObjectPathError.

    A key that is the prefix keeps its last part, and a prefix that ends in the middle of a name counts up to its last
    slash, so that no name loses its beginning.
    """
    if not key.startswith(prefix):
        raise InvalidObjectPathError(f'the object "{key}" is not below the prefix "{prefix}"')
    rest = key.removeprefix(prefix)
    if prefix and not prefix.endswith("/"):
        rest = rest[1:] if rest.startswith("/") else prefix.rpartition("/")[2] + rest
    elif not rest:
        rest = key.rstrip("/").rpartition("/")[2]
    parts = rest.split("/")
    if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > _LONGEST_NAME_BYTES for part in parts):
        raise InvalidObjectPathError(f'the object "{key}" has a key that is no path of a file; rename it')
    return PurePosixPath(*parts)
