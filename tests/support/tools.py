"""Debian's static busybox and tini, where a test can find them."""

import os
import shutil
from pathlib import Path


def find(name: str) -> Path | None:
    """Return a tool's path, or None: from MODELOPS_TEST_<NAME>, the directory of the images, /bin, or PATH."""
    candidates = [
        os.environ.get(f"MODELOPS_TEST_{name.upper()}"),
        f"/opt/modelops/bin/{name}",
        f"/bin/{name}",
        shutil.which(f"{name}-static"),
        shutil.which(name),
    ]
    return next((Path(path) for path in candidates if path and os.access(path, os.X_OK)), None)
