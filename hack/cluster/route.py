"""The way from this machine to the Services of a cluster in a container: S3 and models are asked by their addresses."""

import ipaddress
import os
import re
import shutil
import socket
from dataclasses import dataclass

from hack.steps import Step, StepError

_RANGE = re.compile(r"--service-cluster-ip-range=([^\s,\"']+)")
_PORT = 443
_TRIES = 5
_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Route:
    """The Services' addresses are behind the node's."""

    services: ipaddress.IPv4Network | ipaddress.IPv6Network
    node: str

    @property
    def command(self) -> tuple[str, ...]:
        """What makes it. Needs root."""
        return ("ip", "route", "replace", str(self.services), "via", self.node)

    @property
    def api_server(self) -> str:
        """The address of the Service `kubernetes`, which is always the first."""
        return str(self.services[1])

    def open(self, step: Step) -> None:
        """Have it, where that can be. Raises StepError with the command where it cannot."""
        if _may():
            # Even where something answers there: another cluster on this machine may have the same addresses.
            step.run(*self.command, check=False)
        if not self._answers():
            raise StepError(
                f"nothing answers at {self.api_server}: this machine has no route to the cluster's Services; "
                f"run `sudo {' '.join(self.command)}`, and this command again"
            )

    def close(self, step: Step) -> None:
        """Take it away, if it is there."""
        if _may():
            step.run("ip", "route", "del", str(self.services), "via", self.node, check=False)

    def _answers(self) -> bool:
        """Whether the API server's Service does. Not at once in a cluster that has just come up."""
        for _ in range(_TRIES):
            try:
                socket.create_connection((self.api_server, _PORT), _TIMEOUT_SECONDS).close()
                return True
            except OSError:
                continue
        return False


def _may() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


def service_range(api_server: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The Services' addresses, by the API server's manifest: the first range where there is one of each family."""
    found = _RANGE.search(api_server)
    if found is None:
        raise StepError("the API server's manifest names no --service-cluster-ip-range: is the node one of kind?")
    return ipaddress.ip_network(found[1])
