"""Debian's static busybox and tini, where a test can find them."""

import os
import shutil
from pathlib import Path


def find(name: str) -> Path | None:
    """The tool's path: from MODELOPS_TEST_<NAME>, the images' own place, or PATH. None where there is none."""
    named = os.environ.get(f"MODELOPS_TEST_{name.upper()}")
    candidates = [
        named,
        f"/opt/modelops/bin/{name}",
        f"/bin/{name}",
        shutil.which(f"{name}-static"),
        shutil.which(name),
    ]
    return next((Path(one) for one in candidates if one and os.access(one, os.X_OK)), None)
