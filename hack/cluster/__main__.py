"""`python3 -m hack.cluster up|down|images [--name NAME]`."""

import argparse
import sys

from hack.cluster import places
from hack.cluster.embedded import Embedded
from hack.steps import Steps


def main() -> int:
    parser = argparse.ArgumentParser(prog="hack.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--name", default="dev", choices=("dev", "test"), help="which cluster of this checkout")
    arguments = parser.parse_args()
    cluster = places.Cluster(arguments.name)
    steps = Steps(cluster.logs)
    node = Embedded(cluster)
    if arguments.command == "up":
        node.up(steps)
    else:
        node.down(steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
