"""Cluster of `make test`: set up while tests without a cluster run, and removed after the last test.

The tests run in several processes. Each process waits for the file that `TestCluster` writes once the cluster is ready.
"""

import json
import os
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from hack import gateway_api, kueue, metrics_server
from hack.cluster import images, places
from hack.cluster.__main__ import load_images, node
from hack.cluster.images import Built
from hack.deploy import deploy
from hack.steps import StepError, Steps

READY_FILE_VARIABLE = "MODELOPS_TEST_READY"
_COLD_START_SECONDS = 45 * 60.0


class TestCluster:
    """Context in which a cluster with the chart, an S3 server and all add-ons is set up in a thread of its own."""

    __test__ = False

    def __init__(self, cluster: places.Cluster) -> None:
        self._cluster = cluster
        self._steps = Steps(cluster.logs)
        self._ready = cluster.outputs / "ready.json"
        self._thread = threading.Thread(target=self._set_up, name="set-up", daemon=True)

    def __enter__(self) -> dict[str, str]:
        """Begin the set-up. Return the environment variables with which `wait_until_ready` finds the cluster."""
        self._ready.parent.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        self._thread.start()
        return {READY_FILE_VARIABLE: str(self._ready)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join()
        self._ready.unlink(missing_ok=True)
        node(self._cluster).down(self._steps)

    def _set_up(self) -> None:
        try:
            built = deploy(self._cluster, self._steps)
            built |= install_add_ons(self._cluster, self._steps)
            outcome: dict[str, Any] = {"images": [_to_json(image) for image in built.values()]}
        except BaseException as error:  # Otherwise the tests would wait for the whole of the time limit.
            outcome = {"error": str(error)}
        unfinished = self._ready.with_suffix(".new")
        unfinished.write_text(json.dumps(outcome))
        unfinished.rename(self._ready)


def install_add_ons(cluster: places.Cluster, steps: Steps) -> dict[str, Built]:
    """Install the parts that only some tests need. Return the additional images by name.

    All are installed before the first test: a webhook that is starting delays the Jobs of other tests.
    """
    with steps.step("Image with JAX") as step:
        (distributed,) = images.build(step, [images.DISTRIBUTED])
    load_images(cluster, steps, [distributed])
    for add_on in (kueue, metrics_server, gateway_api):
        add_on.install(cluster, steps)
    return {distributed.name: distributed}


def wait_until_ready() -> dict[str, Built] | None:
    """Wait for the cluster of `make test`. Return its images by name, or None outside `make test`.

    Raises StepError when the set-up has failed, or is not done in time.
    """
    path = os.environ.get(READY_FILE_VARIABLE)
    if path is None:
        return None
    ready, deadline = Path(path), time.monotonic() + _COLD_START_SECONDS
    while not ready.exists():
        if time.monotonic() > deadline:
            raise StepError(f"the cluster is not ready after {_COLD_START_SECONDS / 60:.0f} minutes")
        time.sleep(0.2)
    outcome = json.loads(ready.read_text())
    if "error" in outcome:
        raise StepError(f"the set-up of the cluster has failed: {outcome['error']}; its output is above")
    return {image.name: image for image in map(_from_json, outcome["images"])}


def _to_json(image: Built) -> dict[str, str | None]:
    return {**asdict(image), "archive": str(image.archive) if image.archive else None}


def _from_json(given: dict[str, str | None]) -> Built:
    archive = given.pop("archive")
    return Built(**given, archive=Path(archive) if archive else None)  # type: ignore[arg-type]
