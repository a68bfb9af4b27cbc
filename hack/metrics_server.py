"""`python3 -m hack.metrics_server`: a real metrics-server on the cluster of this checkout, for autoscaling by CPU."""

import tempfile
import time
from pathlib import Path

from hack.add_on import command
from hack.cluster import archive, binaries, places
from hack.cluster.__main__ import node
from hack.cluster.images import REPOSITORY
from hack.kubectl import Kubectl
from hack.steps import Step, StepError, Steps

NAMESPACE = "metrics-server"
_MANIFEST = Path(__file__).with_name("metrics-server.yaml")
_READY_WITHIN = 120.0


def install(cluster: places.Cluster, steps: Steps) -> None:
    """A metrics-server that has figures of the nodes."""
    with steps.step("The metrics-server's program") as step:
        made = binaries.metrics_server(step)
        image = f"{REPOSITORY}/metrics-server:{made.name}"
        if image not in node(cluster).images():
            _load(cluster, step, made / "metrics-server", image)
        step.note(image)
    with steps.step("The metrics-server") as step:
        kubectl = Kubectl(cluster, step)
        kubectl.apply(_MANIFEST.read_text().replace("METRICS_SERVER_IMAGE", image))
        _wait_for_figures(kubectl)


def remove(cluster: places.Cluster, steps: Steps) -> None:
    """It is gone, its API first: while an aggregated API does not answer, no namespace can be deleted."""
    with steps.step("The metrics-server goes") as step:
        kubectl = Kubectl(cluster, step)
        kubectl("delete", "apiservice", "v1beta1.metrics.k8s.io", "--ignore-not-found")
        kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", input_=_MANIFEST.read_text())


def _load(cluster: places.Cluster, step: Step, program: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = archive.of_one_file(name, program, Path(directory) / "image.tar")
        node(cluster).load(step, file, (name,))


def _wait_for_figures(kubectl: Kubectl) -> None:
    """Its API answers as soon as it runs, and knows something once it has looked twice."""
    deadline = time.monotonic() + _READY_WITHIN
    seen = "it does not answer"
    while time.monotonic() < deadline:
        try:
            if '"usage"' in kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"):
                return
            seen = "it has no figures"
        except StepError as problem:
            seen = str(problem)
        time.sleep(0.5)
    raise StepError(f"the metrics-server is not ready after {_READY_WITHIN:.0f} s: {seen}")


if __name__ == "__main__":
    command("hack.metrics_server", __doc__, install, remove)
