"""Put our static tools and scripts where the user's container can run them."""

import os
import shutil
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from modelops.worker.runtime import paths

_RUNNABLE = 0o755


def install(tools: Iterable[str], scripts: Iterable[str]) -> None:
    """Copy tools of the image and scripts of `modelops.worker.scripts` to the shared `bin/`, and make `state/`."""
    directory = paths.shared() / "bin"
    directory.mkdir(parents=True, exist_ok=True)
    (paths.shared() / "state").mkdir(exist_ok=True)
    for name in tools:
        shutil.copyfile(paths.tool(name), _put_off(directory, name))
        _put_in_place(directory, name)
    for name in scripts:
        _put_off(directory, name).write_bytes(resources.files("modelops.worker.scripts").joinpath(name).read_bytes())
        _put_in_place(directory, name)


def _put_off(directory: Path, name: str) -> Path:
    """Written under another name first: an init container that is run again must not write to a binary that runs."""
    return directory / f".{name}.new"


def _put_in_place(directory: Path, name: str) -> None:
    new = _put_off(directory, name)
    new.chmod(_RUNNABLE)
    os.replace(new, directory / name)
