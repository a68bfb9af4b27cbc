"""Paths in the containers of a Pod. Tests move each of them with an environment variable."""

import os
import tempfile
from pathlib import Path

from modelops.api.contract.tasks import CHECKPOINTS_DIR, VOLUME_DIR


def shared() -> Path:
    """Return the volume that the worker shares with the user's container. It has `bin/` and `state/`."""
    return Path(os.environ.get("MODELOPS_SHARED", "/modelops"))


def ml() -> Path:
    """Return the root directory of SageMaker's container contract."""
    return Path(os.environ.get("MODELOPS_ML_ROOT", "/opt/ml"))


def model() -> Path:
    """Return the directory in which a model server finds its model."""
    return Path(os.environ.get("MODELOPS_MODEL_DIR", "/mnt/models"))


def volume() -> Path:
    """Return the directory in which a snapshot Job finds a Dataset's volume."""
    return Path(os.environ.get("MODELOPS_VOLUME_DIR", VOLUME_DIR))


def pinned_checkpoints() -> Path:
    """Return the directory in which the operator says which checkpoints it has pinned."""
    return Path(os.environ.get("MODELOPS_CHECKPOINTS_DIR", CHECKPOINTS_DIR))


def tool(name: str) -> Path:
    """Return a static binary of the worker image, `tini` or `busybox`."""
    return Path(os.environ.get(f"MODELOPS_{name.upper()}", f"/opt/modelops/bin/{name}"))


def scratch() -> Path:
    """Make a new temporary directory and return it."""
    return Path(tempfile.mkdtemp(prefix="modelops-"))
