"""`python3 -m hack.cluster up|down|images|python`: see `make help` for what each is for."""

import argparse
import sys

from hack.cluster import environment, images, machine, places
from hack.cluster.embedded import Embedded
from hack.cluster.kind import Kind
from hack.steps import Steps

Node = Embedded | Kind


def node(cluster: places.Cluster) -> Node:
    """Kind where Docker answers, the embedded node else."""
    return Kind(cluster) if machine.docker_answers() else Embedded(cluster)


def build_images(cluster: places.Cluster, steps: Steps) -> list[images.Built]:
    """Build what has changed, and list all of it in images.json."""
    machine_ = node(cluster)
    with steps.step("Images") as step:
        if isinstance(machine_, Embedded):
            machine.require_root()
            machine.install(step)
        built = images.build(step)
        images.write_list(built, cluster.outputs / "images.json")
    return built


def load_images(cluster: places.Cluster, steps: Steps, built: list[images.Built]) -> None:
    """Put into the node what it has not got."""
    machine_ = node(cluster)
    with steps.step("Images into the node") as step:
        present = machine_.images()
        missing = [one for one in built if not {one.by_tag, one.by_digest} <= present]
        for image in missing:
            step.note(image.name)
            machine_.load(step, image.archive, (image.by_tag, image.by_digest))
        step.note(", ".join(image.name for image in missing) or "all there")


def main() -> int:
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
