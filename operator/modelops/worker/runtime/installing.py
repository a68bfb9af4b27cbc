"""Install static tools and scripts where the user's container can run them."""

import os
import shutil
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from modelops.worker.runtime import paths

_EXECUTABLE_MODE = 0o755


def install(tools: Iterable[str], scripts: Iterable[str]) -> None:
    """Copy tools of the image and scripts of `modelops.worker.scripts` to the shared `bin/`, and make `state/`."""
    directory = paths.shared() / "bin"
    directory.mkdir(parents=True, exist_ok=True)
    (paths.shared() / "state").mkdir(exist_ok=True)
    for name in tools:
        shutil.copyfile(paths.tool(name), _temporary(directory, name))
        _move_into_place(directory, name)
    for name in scripts:
        _temporary(directory, name).write_bytes(resources.files("modelops.worker.scripts").joinpath(name).read_bytes())
        _move_into_place(directory, name)


def _temporary(directory: Path, name: str) -> Path:
    """Return the path to write to first: an init container that runs again must not write to a running binary."""
    return directory / f".{name}.new"


def _move_into_place(directory: Path, name: str) -> None:
    new = _temporary(directory, name)
    new.chmod(_EXECUTABLE_MODE)
    os.replace(new, directory / name)
