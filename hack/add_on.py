"""What one can have on a cluster of this checkout besides the operator, put there and taken away by a command."""

import argparse
from collections.abc import Callable

from hack.cluster import places
from hack.steps import Steps

Act = Callable[[places.Cluster, Steps], None]


def command(program: str, description: str | None, install: Act, remove: Act) -> None:
    """`python3 -m <program> [install|remove] [--name dev|test]`."""
    acts = {"install": install, "remove": remove}
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("command", nargs="?", default="install", choices=tuple(acts))
    parser.add_argument("--name", default="dev", choices=("dev", "test"))
    arguments = parser.parse_args()
    cluster = places.Cluster(arguments.name)
    acts[arguments.command](cluster, Steps(cluster.logs))
