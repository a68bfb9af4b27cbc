"""`python3 -m hack.gateway_api`: CRDs of the Gateway API on the cluster of this checkout, without a controller."""

from hack.add_on import command
from hack.cluster import binaries, places
from hack.kubectl import Kubectl
from hack.steps import Steps


def install(cluster: places.Cluster, steps: Steps) -> None:
    """Install the CRDs of the standard channel, and wait until HTTPRoutes can be created."""
    with steps.step("CRDs of the Gateway API") as step:
        directory = binaries.gateway_api(step)
        kubectl = Kubectl(cluster, step)
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(directory))
        kubectl("wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io", "--timeout=60s")


def remove(cluster: places.Cluster, steps: Steps) -> None:
    """Remove the CRDs, and with them every object of their kinds."""
    with steps.step("Removing the CRDs of the Gateway API") as step:
        directory = binaries.gateway_api(step)
        Kubectl(cluster, step)("delete", "-f", str(directory), "--ignore-not-found", "--timeout=60s")


if __name__ == "__main__":
    command("hack.gateway_api", __doc__, install, remove)
