"""Route from this machine to the Services of a cluster in a container, by which S3 and models are reached."""

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
    """Route to the range of the Services through the node's address."""

    services: ipaddress.IPv4Network | ipaddress.IPv6Network
    node: str

    @property
    def command(self) -> tuple[str, ...]:
        """Command that creates the route. Requires root."""
        return ("ip", "route", "replace", str(self.services), "via", self.node)

    @property
    def api_server(self) -> str:
        """Address of the Service `kubernetes`, always the first of the range."""
        return str(self.services[1])

    def open(self, step: Step) -> None:
        """Create the route if this process may. Raises StepError with the command if the API server does not answer."""
        if _may_change_routes():
            # Even if the address answers already: another cluster on this machine may have the same range.
            step.run(*self.command, check=False)
        if not self._answers():
            raise StepError(
                f"nothing answers at {self.api_server}: this machine has no route to the cluster's Services; "
                f"run `sudo {' '.join(self.command)}`, and this command again"
            )

    def close(self, step: Step) -> None:
        """Remove the route if it exists and this process may."""
        if _may_change_routes():
            step.run("ip", "route", "del", str(self.services), "via", self.node, check=False)

    def _answers(self) -> bool:
        """Return whether the API server's Service answers; try a few times, for a cluster that has just started."""
        for _ in range(_TRIES):
            try:
                socket.create_connection((self.api_server, _PORT), _TIMEOUT_SECONDS).close()
                return True
            except OSError:
                continue
        return False


def _may_change_routes() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


def service_range(api_server: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the range of the Services from the API server's manifest, the first if there is one of each IP family.

    Raises StepError if the manifest has none.
    """
    match = _RANGE.search(api_server)
    if match is None:
        raise StepError("the API server's manifest has no --service-cluster-ip-range: was the node created by kind?")
    return ipaddress.ip_network(match[1])
