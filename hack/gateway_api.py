"""`python3 -m hack.gateway_api`: the Gateway API's definitions on the cluster of this checkout, without any Gateway."""

from hack.add_on import command
from hack.cluster import binaries, places
from hack.kubectl import Kubectl
from hack.steps import Steps


def install(cluster: places.Cluster, steps: Steps) -> None:
    """HTTPRoutes and the other kinds of the standard channel can be made; no controller acts on them."""
    with steps.step("The Gateway API's definitions") as step:
        directory = binaries.gateway_api(step)
        kubectl = Kubectl(cluster, step)
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(directory))
        kubectl("wait", "--for=condition=Established", "crd/httproutes.gateway.networking.k8s.io", "--timeout=60s")


def remove(cluster: places.Cluster, steps: Steps) -> None:
    """They are gone, and every object of theirs."""
    with steps.step("The Gateway API's definitions go") as step:
        directory = binaries.gateway_api(step)
        Kubectl(cluster, step)("delete", "-f", str(directory), "--ignore-not-found", "--timeout=60s")


if __name__ == "__main__":
    command("hack.gateway_api", __doc__, install, remove)
