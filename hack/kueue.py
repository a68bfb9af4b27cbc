"""`python3 -m hack.kueue`: a real Kueue on the cluster of this checkout, for the tests and to try queues out."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from hack.add_on import command
from hack.cluster import archive, binaries, places
from hack.cluster.__main__ import node
from hack.cluster.images import REPOSITORY
from hack.kubectl import Kubectl
from hack.steps import Step, StepError, Steps

NAMESPACE = "kueue-system"
RELEASE = "kueue"
PODS_READY_WITHIN_SECONDS = 60
"""How long the Pods of a Job that was admitted may need until they are ready, before Kueue evicts it."""
_CONFIGURATION = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8081"},
    "webhook": {"port": 9443},
    "leaderElection": {"leaderElect": False},
    "integrations": {"frameworks": ["batch/job"]},
    "waitForPodsReady": {
        "timeout": f"{PODS_READY_WITHIN_SECONDS}s",
        "recoveryTimeout": f"{PODS_READY_WITHIN_SECONDS}s",
        "blockAdmission": False,
        "requeuingStrategy": {"timestamp": "Eviction", "backoffBaseSeconds": 1},
    },
}
_DEPLOYMENT = f"{RELEASE}-controller-manager"
_SECRET = f"{RELEASE}-webhook-server-cert"
_QUEUE_KINDS = ("localqueues", "clusterqueues", "resourceflavors", "workloadpriorityclasses")
_READY_WITHIN = 120.0


def install(cluster: places.Cluster, steps: Steps) -> None:
    """Kueue with waitForPodsReady on, for Jobs that name a queue."""
    with steps.step("Kueue's program") as step:
        made = binaries.kueue(step)
        image = f"{REPOSITORY}/kueue:{made.name}"
        if image not in node(cluster).images():
            _load(cluster, step, made / "manager", image)
        step.note(image)
    with steps.step("Kueue") as step:
        kubectl = Kubectl(cluster, step)
        values = cluster.outputs / "kueue-values.json"
        values.write_text(json.dumps(_values(image), indent=2))
        where = ("--namespace", NAMESPACE, "--create-namespace")
        kubectl.helm("upgrade", "--install", RELEASE, str(made / "chart"), *where, "--values", str(values))
        _wait_until_ready(kubectl)


def remove(cluster: places.Cluster, steps: Steps) -> None:
    """Kueue and its definitions are gone, and every queue with them."""
    with steps.step("Kueue goes") as step:
        kubectl = Kubectl(cluster, step)
        # Their finalizers are Kueue's to take away: they must go before it does.
        for kind in _QUEUE_KINDS:
            kubectl("delete", f"{kind}.kueue.x-k8s.io", "--all", "--all-namespaces", "--timeout=60s")
        kubectl.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def _load(cluster: places.Cluster, step: Step, program: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = archive.of_one_file(name, program, Path(directory) / "image.tar")
        node(cluster).load(step, file, (name,))


def _values(image: str) -> dict[str, Any]:
    repository, _, tag = image.rpartition(":")
    return {
        "controllerManager": {
            "featureGates": [{"name": "VisibilityOnDemand", "enabled": False}],
            "manager": {
                "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
            },
            # The chart takes this for the period as well.
            "readinessProbe": {"initialDelaySeconds": 1},
        },
        "managerConfig": {"controllerManagerConfigYaml": json.dumps(_CONFIGURATION, indent=2)},
    }


def _wait_until_ready(kubectl: Kubectl) -> None:
    """Kueue makes its certificate and waits for the kubelet to mount it, which looks at a Secret once a minute, or when
    the Pod changes: so it is changed.
    """
    deadline = time.monotonic() + _READY_WITHIN
    told = False
    while time.monotonic() < deadline:
        deployment = kubectl.get("deployment", _DEPLOYMENT, NAMESPACE) or {}
        status = deployment.get("status", {})
        current = status.get("observedGeneration") == deployment.get("metadata", {}).get("generation")
        if current and status.get("availableReplicas", 0) == status.get("replicas") == status.get("updatedReplicas"):
            return
        if not told and (kubectl.get("secret", _SECRET, NAMESPACE) or {}).get("data"):
            selector = ("-l", "control-plane=controller-manager")
            kubectl("annotate", "pods", "-n", NAMESPACE, *selector, "modelops.dev/look-again=now", "--overwrite")
            told = True
        time.sleep(0.3)
    raise StepError(f"Kueue is not ready after {_READY_WITHIN:.0f} s: see `kubectl -n {NAMESPACE} get pods`")


if __name__ == "__main__":
    command("hack.kueue", __doc__, install, remove)
