"""Where things are in the containers of a Pod. Each place can be moved by an environment variable, for tests."""

import os
import tempfile
from pathlib import Path

from modelops.api.contract.tasks import VOLUME_DIR


def shared() -> Path:
    """The volume that the worker shares with the user's container: `bin/` and `state/`."""
    return Path(os.environ.get("MODELOPS_SHARED", "/modelops"))


def ml() -> Path:
    """The root of SageMaker's container contract."""
    return Path(os.environ.get("MODELOPS_ML_ROOT", "/opt/ml"))


def model() -> Path:
    """Where a model server finds its model."""
    return Path(os.environ.get("MODELOPS_MODEL_DIR", "/mnt/models"))


def volume() -> Path:
    """Where a snapshot Job finds a Dataset's volume."""
    return Path(os.environ.get("MODELOPS_VOLUME_DIR", VOLUME_DIR))


def tool(name: str) -> Path:
    """A static binary of the worker image: `tini` or `busybox`."""
    return Path(os.environ.get(f"MODELOPS_{name.upper()}", f"/opt/modelops/bin/{name}"))


def scratch() -> Path:
    """A new directory that nobody else uses."""
    return Path(tempfile.mkdtemp(prefix="modelops-"))
