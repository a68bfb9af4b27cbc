"""SageMaker's container contract: the files below /opt/ml/input/config. Pure, except for `write`.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

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
    """Return the three files as JSON values by name. Raises TaskError(InvalidTask) if no host has the rank.

    All hyperparameters are strings, as they are on SageMaker.
    """
    if rank >= len(hosts):
        raise TaskError("InvalidTask", f"rank {rank} has no host name: there are {len(hosts)} hosts, counted from 0")
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
    """Write the files below `ml`, and make the directories that a trainer may expect."""
    config = ml / "input" / "config"
    for directory in (config, ml / "input" / "data", ml / "model", ml / "output" / "data", ml / "checkpoints"):
        directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (config / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _channel(content_type: str | None) -> dict[str, str]:
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    return channel | ({"ContentType": content_type} if content_type else {})
