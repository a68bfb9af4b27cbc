"""`python3 -m hack.cluster up|down|images|python`: see `make help` for the purpose of each."""

import argparse
import sys

from hack.cluster import environment, images, machine, places
from hack.cluster.embedded import Embedded
from hack.cluster.kind import Kind
from hack.steps import Steps

Node = Embedded | Kind


def node(cluster: places.Cluster) -> Node:
    """Return the node of a cluster: kind where Docker answers, otherwise the embedded node."""
    return Kind(cluster) if machine.docker_answers() else Embedded(cluster)


def build_images(cluster: places.Cluster, steps: Steps) -> list[images.Built]:
    """Build the images that have changed, list all of them in images.json, and return all of them."""
    node_ = node(cluster)
    with steps.step("Images") as step:
        if isinstance(node_, Embedded):
            machine.require_root()
            machine.install(step)
        built = images.build(step)
        images.write_list(built, cluster.outputs / "images.json")
    return built


def load_images(cluster: places.Cluster, steps: Steps, built: list[images.Built]) -> None:
    """Load the images that the node lacks."""
    node_ = node(cluster)
    with steps.step("Images into the node") as step:
        present = node_.images()
        missing = [image for image in built if not {image.by_tag, image.by_digest} <= present]
        for image in missing:
            step.note(image.name)
            node_.load(step, image.archive, (image.by_tag, image.by_digest))
        step.note(", ".join(image.name for image in missing) or "all present")


def main() -> int:
    """Run a command of the command line. Return the exit code."""
    parser = argparse.ArgumentParser(prog="hack.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "images", "python"))
    parser.add_argument("--name", default="dev", choices=("dev", "test"), help="which cluster of this checkout")
    arguments = parser.parse_args()
    cluster = places.Cluster(arguments.name)
    steps = Steps(cluster.logs)
    match arguments.command:
        case "up":
            node(cluster).up(steps)
            _how_to_use(cluster)
        case "down":
            node(cluster).down(steps)
        case "images":
            for image in build_images(cluster, steps):
                print(f"{image.by_tag} {image.digest}")
        case "python":
            with steps.step("Python environment") as step:
                environment.python(step)
    return 0


def _how_to_use(cluster: places.Cluster) -> None:
    kubeconfig = cluster.kubeconfig.relative_to(places.CHECKOUT)
    print(
        f"\nThe cluster is up. To use it:\n\n"
        f"  export KUBECONFIG=$PWD/{kubeconfig} PATH=$PWD/.cluster/bin:$PATH\n"
        f"  kubectl get nodes\n"
    )


if __name__ == "__main__":
    sys.exit(main())
