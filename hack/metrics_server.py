"""`python3 -m hack.metrics_server`: metrics-server on the cluster of this checkout, for autoscaling by CPU."""

import time
from pathlib import Path

from hack.add_on import command, load_program
from hack.cluster import binaries, places
from hack.kubectl import Kubectl
from hack.steps import StepError, Steps

NAMESPACE = "metrics-server"
_MANIFEST = Path(__file__).with_name("metrics-server.yaml")
_READY_WITHIN = 120.0


def install(cluster: places.Cluster, steps: Steps) -> None:
    """Install the metrics-server, and wait until its API has metrics of the nodes."""
    with steps.step("Program of the metrics-server") as step:
        made = binaries.metrics_server(step)
        image = load_program(cluster, step, "metrics-server", made / "metrics-server")
    with steps.step("Metrics-server") as step:
        kubectl = Kubectl(cluster, step)
        kubectl.apply(_MANIFEST.read_text().replace("METRICS_SERVER_IMAGE", image))
        _wait_for_metrics(kubectl)


def remove(cluster: places.Cluster, steps: Steps) -> None:
    """Remove the metrics-server, its API first: an aggregated API without a server blocks namespaces' deletion."""
    with steps.step("Removing the metrics-server") as step:
        kubectl = Kubectl(cluster, step)
        kubectl("delete", "apiservice", "v1beta1.metrics.k8s.io", "--ignore-not-found")
        kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", input_=_MANIFEST.read_text())


def _wait_for_metrics(kubectl: Kubectl) -> None:
    """Wait until the API has metrics, which takes two scrapes; the API answers sooner, without any."""
    deadline = time.monotonic() + _READY_WITHIN
    state = "its API does not answer"
    while time.monotonic() < deadline:
        try:
            if '"usage"' in kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"):
                return
            state = "its API has no metrics yet"
        except StepError as problem:
            state = str(problem)
        time.sleep(0.5)
    raise StepError(f"the metrics-server is not ready after {_READY_WITHIN:.0f} s: {state}")


if __name__ == "__main__":
    command("hack.metrics_server", __doc__, install, remove)
