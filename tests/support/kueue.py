"""Queues of Kueue for one test, with quota for a number of Pods."""

from dataclasses import dataclass

from support.real_cluster import Body, Space, condition

_API = "kueue.x-k8s.io/v1beta2"
_PLENTY = {"cpu": "1000", "memory": "1000Gi"}


@dataclass(frozen=True)
class Queue:
    """A LocalQueue, and a ClusterQueue that nobody else has a part of."""

    space: Space
    name: str = "team"

    def set_quota(self, pods: int) -> None:
        """Make it, or change how many Pods may run at once. A Job of a higher priority may take a lower one's place."""
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
        """Remove it, and what waits in it."""
        kubectl, name = self.space.cluster.kubectl, self.space.name
        kubectl("delete", "trainingruns", "-n", name, "--all", "--wait=true", "--timeout=60s")
        kubectl("delete", "localqueues.kueue.x-k8s.io", self.name, "-n", name, "--ignore-not-found", "--timeout=60s")
        for kind in ("clusterqueues", "resourceflavors"):
            kubectl("delete", f"{kind}.kueue.x-k8s.io", name, "--ignore-not-found", "--timeout=60s")

    def evictions(self) -> list[str]:
        """Why Kueue has ever stopped a Job of this namespace, in its own words. The condition stays, as False, when the
        Job runs again.
        """
        evicted = [condition(one, "Evicted") for one in self.space.listed("workloads.kueue.x-k8s.io")]
        return [one["message"] for one in evicted if one is not None]


def _object(kind: str, name: str, spec: Body, namespace: str | None = None) -> Body:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec}
