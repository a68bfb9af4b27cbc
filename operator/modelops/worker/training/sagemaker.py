"""SageMaker's container contract: what a training image finds below /opt/ml/input/config. Pure, but for `write`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelops.worker.runtime.errors import TaskError


def config_files(
    hyperparameters: Mapping[str, str],
    channels: Iterable[str],
    content_type: Mapping[str, str],
    hosts: Sequence[str],
    rank: int,
) -> dict[str, Any]:
    """The three files by name. All hyperparameters are strings, as SageMaker's are. Raises TaskError(InvalidTask)."""
    if rank >= len(hosts):
        raise TaskError("InvalidTask", f"this is worker {rank} of {len(hosts)}, counted from 0: it has no host name")
    return {
        "hyperparameters.json": dict(hyperparameters),
        "inputdataconfig.json": {name: _channel(content_type.get(name)) for name in channels},
        "resourceconfig.json": {
            "current_host": hosts[rank],
            "hosts": list(hosts),
            "network_interface_name": "eth0",
        },
    }


def write(ml: Path, files: Mapping[str, Any]) -> None:
    """Write the files, and make the directories that a trainer may expect to find."""
    config = ml / "input" / "config"
    for directory in (config, ml / "input" / "data", ml / "model", ml / "output" / "data", ml / "checkpoints"):
        directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (config / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _channel(content_type: str | None) -> dict[str, str]:
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    return channel | ({"ContentType": content_type} if content_type else {})
