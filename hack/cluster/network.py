"""Addresses of a cluster, and its link to this machine: one veth pair, and one route through the pair."""

import fcntl
import json
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import places
from hack.steps import Step, StepError

_FIRST, _COUNT = 128, 64


@dataclass(frozen=True)
class Network:
    """Addresses of one cluster: 10.X.0.0/18 for Pods, 10.X.64.0/18 for Services, 10.X.128.0/30 for the link."""

    second_octet: int
    interface: str

    def _address(self, rest: str) -> str:
        return f"10.{self.second_octet}.{rest}"

    @property
    def pods(self) -> str:
        """Range of the Pods."""
        return self._address("0.0/18")

    @property
    def services(self) -> str:
        """Range of the Services."""
        return self._address("64.0/18")

    @property
    def api_service(self) -> str:
        """Address of the Service `kubernetes`."""
        return self._address("64.1")

    @property
    def host(self) -> str:
        """Address of this machine on the link."""
        return self._address("128.1")

    @property
    def node(self) -> str:
        """Address of the node on the link."""
        return self._address("128.2")

    @property
    def routed(self) -> str:
        """Range of Pods and Services together."""
        return self._address("0.0/17")


def reserve(cluster: places.Cluster) -> Network:
    """Return the network of a cluster: the one reserved before, or else the first that is free.

    Raises StepError if no network is free.
    """
    root = cluster.state.parent
    root.mkdir(parents=True, exist_ok=True)
    cluster.state.mkdir(exist_ok=True)
    with (root / "networks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        owners = {json.loads(file.read_text()): file.parent.name for file in root.glob("*/network.json")}
        own = next((octet for octet, owner in owners.items() if owner == cluster.id), None)
        in_use = {*owners, *_routed_octets()}
        octet = (
            own
            if own is not None
            else next((free for free in range(_FIRST, _FIRST + _COUNT) if free not in in_use), None)
        )
        if octet is None:
            raise StepError(f"all {_COUNT} networks from 10.{_FIRST}.0.0/16 on are taken: remove another cluster first")
        (cluster.state / "network.json").write_text(json.dumps(octet))
    return Network(octet, f"mo-{cluster.id}")


def connect(step: Step, network: Network, init_pid: int) -> None:
    """Create the node's interface, and the route of this machine to Pods and Services."""
    step.run("ip", "link", "add", network.interface, "type", "veth", "peer", "name", "eth0", "netns", str(init_pid))
    step.run("ip", "address", "add", f"{network.host}/30", "dev", network.interface)
    step.run("ip", "link", "set", network.interface, "up")
    step.run("ip", "route", "replace", network.routed, "via", network.node, "dev", network.interface)


def disconnect(step: Step, network: Network) -> None:
    """Remove the link, unless the kernel has removed the link with the node's network namespace."""
    if Path(f"/sys/class/net/{network.interface}").exists():
        step.run("ip", "link", "delete", network.interface, check=False)


def _routed_octets() -> set[int]:
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    octets = set()
    for route in routes:
        destination = int(route.split()[1], 16).to_bytes(4, "little")
        if destination[0] == 10:
            octets.add(destination[1])
    return octets
