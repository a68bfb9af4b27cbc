"""`python3 -m hack.kueue`: Kueue on the cluster of this checkout, for the tests and to try queues out."""

import json
import time
from typing import Any

from hack.add_on import command, load_program
from hack.cluster import binaries, places
from hack.kubectl import Kubectl
from hack.steps import StepError, Steps

NAMESPACE = "kueue-system"
RELEASE = "kueue"
PODS_READY_WITHIN_SECONDS = 60
"""Kueue evicts an admitted Job whose Pods are not ready after this time."""
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
    """Install Kueue for Jobs that name a queue, with waitForPodsReady on, and wait until Kueue is ready."""
    with steps.step("Kueue's program") as step:
        made = binaries.kueue(step)
        image = load_program(cluster, step, "kueue", made / "manager")
    with steps.step("Kueue") as step:
        kubectl = Kubectl(cluster, step)
        values = cluster.outputs / "kueue-values.json"
        values.write_text(json.dumps(_values(image), indent=2))
        where = ("--namespace", NAMESPACE, "--create-namespace")
        kubectl.helm("upgrade", "--install", RELEASE, str(made / "chart"), *where, "--values", str(values))
        _wait_until_ready(kubectl)


def remove(cluster: places.Cluster, steps: Steps) -> None:
    """Remove Kueue, its CRDs, and every queue."""
    with steps.step("Removing Kueue") as step:
        kubectl = Kubectl(cluster, step)
        # Only Kueue removes the queues' finalizers, so the queues are deleted while Kueue still runs.
        for kind in _QUEUE_KINDS:
            kubectl("delete", f"{kind}.kueue.x-k8s.io", "--all", "--all-namespaces", "--timeout=60s")
        kubectl.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def _values(image: str) -> dict[str, Any]:
    repository, _, tag = image.rpartition(":")
    return {
        "controllerManager": {
            "featureGates": [{"name": "VisibilityOnDemand", "enabled": False}],
            "manager": {
                "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
            },
            # The chart uses this value for periodSeconds too.
            "readinessProbe": {"initialDelaySeconds": 1},
        },
        "managerConfig": {"controllerManagerConfigYaml": json.dumps(_CONFIGURATION, indent=2)},
    }


def _wait_until_ready(kubectl: Kubectl) -> None:
    """Wait until Kueue's Deployment is available.

    Kueue creates its own certificate, then waits until the kubelet has mounted the Secret. The kubelet syncs a Secret
    once a minute, or when the Pod changes, so an annotation changes the Pod.
    """
    deadline = time.monotonic() + _READY_WITHIN
    annotated = False
    while time.monotonic() < deadline:
        deployment = kubectl.get("deployment", _DEPLOYMENT, NAMESPACE) or {}
        status = deployment.get("status", {})
        current = status.get("observedGeneration") == deployment.get("metadata", {}).get("generation")
        if current and status.get("availableReplicas", 0) == status.get("replicas") == status.get("updatedReplicas"):
            return
        if not annotated and (kubectl.get("secret", _SECRET, NAMESPACE) or {}).get("data"):
            selector = ("-l", "control-plane=controller-manager")
            kubectl("annotate", "pods", "-n", NAMESPACE, *selector, "modelops.dev/look-again=now", "--overwrite")
            annotated = True
        time.sleep(0.3)
    raise StepError(f"Kueue is not ready after {_READY_WITHIN:.0f} s: see `kubectl -n {NAMESPACE} get pods`")


if __name__ == "__main__":
    command("hack.kueue", __doc__, install, remove)
