"""Kueue queues for one test, with quota for a number of Pods."""

from dataclasses import dataclass

from support.real_cluster import Body, Space, condition

_API = "kueue.x-k8s.io/v1beta2"
_PLENTY = {"cpu": "1000", "memory": "1000Gi"}


@dataclass(frozen=True)
class Queue:
    """LocalQueue with a ClusterQueue of its own."""

    space: Space
    name: str = "team"

    def set_quota(self, pods: int) -> None:
        """Create or change the queues, with quota for `pods` Pods at once. Higher priorities preempt lower ones."""
        name, space = self.space.name, self.space
        quotas = {**_PLENTY, "pods": pods}
        resources = [{"name": resource, "nominalQuota": quota} for resource, quota in quotas.items()]
        group = {"coveredResources": list(quotas), "flavors": [{"name": name, "resources": resources}]}
        space.apply(
            _object("ResourceFlavor", name, {}),
            _object(
                "ClusterQueue",
                name,
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "resourceGroups": [group],
                    "preemption": {"withinClusterQueue": "LowerPriority"},
                },
            ),
            _object("LocalQueue", self.name, {"clusterQueue": name}, namespace=name),
        )

    def remove(self) -> None:
        """Delete the queues and all TrainingRuns of the namespace."""
        kubectl, name = self.space.cluster.kubectl, self.space.name
        kubectl("delete", "trainingruns", "-n", name, "--all", "--wait=true", "--timeout=60s")
        kubectl("delete", "localqueues.kueue.x-k8s.io", self.name, "-n", name, "--ignore-not-found", "--timeout=60s")
        for kind in ("clusterqueues", "resourceflavors"):
            kubectl("delete", f"{kind}.kueue.x-k8s.io", name, "--ignore-not-found", "--timeout=60s")

    def evictions(self) -> list[str]:
        """Return Kueue's message for each Job of this namespace that Kueue has ever evicted.

        The condition Evicted stays, with the status False, when the Job runs again.
        """
        workloads = self.space.listed("workloads.kueue.x-k8s.io")
        evicted = [condition(workload, "Evicted") for workload in workloads]
        return [entry["message"] for entry in evicted if entry is not None]


def _object(kind: str, name: str, spec: Body, namespace: str | None = None) -> Body:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec}
