"""Add-ons: optional parts of a development cluster, each installed and removed by a command of its own."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from hack.cluster import archive, places
from hack.cluster.__main__ import node
from hack.cluster.images import REPOSITORY
from hack.steps import Step, Steps

Act = Callable[[places.Cluster, Steps], None]


def command(program: str, description: str | None, install: Act, remove: Act) -> None:
    """Run the command line `python3 -m <program> [install|remove] [--name dev|test]`."""
    acts = {"install": install, "remove": remove}
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("command", nargs="?", default="install", choices=tuple(acts))
    parser.add_argument("--name", default="dev", choices=("dev", "test"))
    arguments = parser.parse_args()
    cluster = places.Cluster(arguments.name)
    acts[arguments.command](cluster, Steps(cluster.logs))


def load_program(cluster: places.Cluster, step: Step, name: str, program: Path) -> str:
    """Load a static program into the node as an image, unless the node has the image. Return the image's full name.

    The name of the program's directory is its content key, and becomes the image's tag.
    """
    image = f"{REPOSITORY}/{name}:{program.parent.name}"
    node_ = node(cluster)
    if image not in node_.images():
        with tempfile.TemporaryDirectory() as directory:
            node_.load(step, archive.of_one_file(image, program, Path(directory) / "image.tar"), (image,))
    step.note(image)
    return image
