"""`python3 -m hack.deploy`: install the chart and an S3 server on the cluster of this checkout."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hack.cluster import places
from hack.cluster.__main__ import build_images, load_images, node
from hack.cluster.images import Built
from hack.kubectl import Kubectl
from hack.steps import Step, StepError, Steps

NAMESPACE = "modelops-system"
RELEASE = "modelops"
STORE = "s3://modelops/store"
ENDPOINT = "http://s3.s3.svc.cluster.local:8333"
ACCESS_KEY, SECRET_KEY = "modelops-demo", "modelops-demo-secret"
_CHART = places.CHECKOUT / "helm" / "modelops"
_S3 = places.CHECKOUT / "hack" / "s3" / "s3.yaml"


def deploy(cluster: places.Cluster, steps: Steps, example: Path | None = None) -> dict[str, Built]:
    """Set up everything but an example: cluster, images, S3 server, chart. Return the images by name.

    `example` is a directory whose namespace is made, and whose `platform.yaml` has further values of the chart.
    """
    built = build_images(cluster, steps)
    node(cluster).up(steps)
    load_images(cluster, steps, built)
    images = {image.name: image for image in built}
    with steps.step("S3 server") as step:
        start_s3(Kubectl(cluster, step), step, images)
    with steps.step("Chart modelops") as step:
        kubectl = Kubectl(cluster, step)
        further: list[Path] = []
        if example is not None:
            # NetworkPolicies lie in the namespace, which the chart does not create.
            kubectl.apply((example / "manifests" / "00-namespace.yaml").read_text())
            further.append(example / "platform.yaml")
        install(kubectl, step, images, cluster.outputs / "values.json", *further)
    return images


def start_s3(kubectl: Kubectl, step: Step, images: dict[str, Built]) -> None:
    """Start SeaweedFS, reachable as http://s3.s3.svc.cluster.local:8333 in the cluster, and wait until it is ready."""
    kubectl.apply(_S3.read_text().replace("S3_IMAGE", images["s3"].by_tag))
    kubectl("-n", "s3", "rollout", "status", "deployment/s3", "--timeout=120s")


def install(kubectl: Kubectl, step: Step, images: dict[str, Built], values_file: Path, *further: Path) -> None:
    """Install or upgrade the chart with the given images, and wait until the operator is ready.

    `further` are files with more values. Raises StepError, with the state of a container that is not ready.
    """
    values = {
        # A standby replica takes over within seconds: right for demo and tests, too costly for a busy API server.
        "election": {"leaseSeconds": 5, "renewSeconds": 4, "retrySeconds": 1},
        "store": {
            "url": STORE,
            "endpoint": ENDPOINT,
            "region": "us-east-1",
            "secretName": "s3",
            # Each test has a bucket of its namespace's name, and imports models from there.
            "importPrefixes": ["s3://{namespace}/"],
        },
        # Tests wait for the next probe.
        "datasets": {"leastInterval": "1s"},
        # Sources are listed within seconds: a Job for each look would take most of the machine.
        "rbac": {"secretNamespaces": ["*"]},
        # By default no preset serves gRPC; the tests need one that does.
        "runtimes": {"onnx": {"grpcPort": 8082}},
        "images": {
            name: {"registry": "", "repository": image.repository, "tag": image.tag}
            for name, image in images.items()
            if name in ("operator", "worker", "monitor", "server")
        },
    }
    values_file.write_text(json.dumps(values, indent=2))
    files = [argument for file in (values_file, *further) for argument in ("--values", str(file))]
    arguments = (RELEASE, str(_CHART), "--namespace", NAMESPACE, *files)
    try:
        kubectl.helm("upgrade", "--install", *arguments, "--create-namespace", "--wait", "--timeout", "90s")
    except StepError as problem:
        raise StepError(f"{problem}; {_why_not_ready(kubectl)}") from problem


def _why_not_ready(kubectl: Kubectl) -> str:
    for pod in kubectl.listed("pods", NAMESPACE):
        for status in pod["status"].get("containerStatuses", []):
            if not status["ready"]:
                return f"Pod {pod['metadata']['name']}: {json.dumps(status['state'])}"
    return "every container that has a status is ready"


def wait_for_leader(get: Callable[[str, str, str], dict[str, Any] | None], within: float = 60.0) -> str:
    """Wait for a leader of the operator, and return the name of its Pod. `get` reads an object by kind and name.

    Raises StepError after `within` seconds.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        holder = ((get("lease", RELEASE, NAMESPACE) or {}).get("spec") or {}).get("holderIdentity")
        if holder:
            return str(holder)
        time.sleep(0.2)
    raise StepError(f"no replica of the operator holds the Lease after {within:.0f} s")


def main() -> None:
    """Deploy to the cluster that the command line names."""
    parser = argparse.ArgumentParser(prog="hack.deploy", description=__doc__)
    parser.add_argument("--name", default="dev", choices=("dev", "test"))
    cluster = places.Cluster(parser.parse_args().name)
    deploy(cluster, Steps(cluster.logs))


if __name__ == "__main__":
    main()
