"""The route to a cluster in a container: what it is made of, without Docker."""

from ipaddress import ip_network

import pytest

from hack.cluster.route import Route, service_range
from hack.steps import StepError

MANIFEST = """\
spec:
  containers:
  - command:
    - kube-apiserver
    - --secure-port=6443
    - --service-cluster-ip-range={}
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
"""


@pytest.mark.parametrize(
    ("argument", "expected"),
    [("10.96.0.0/16", "10.96.0.0/16"), ("10.96.0.0/16,fd00:10:96::/112", "10.96.0.0/16"), ("fd00::/112", "fd00::/112")],
    ids=["kind's own", "the first of two families", "IPv6 alone"],
)
def test_the_service_range_is_read_from_the_api_servers_command(argument: str, expected: str) -> None:
    """The API server gives Services their addresses from this range."""
    assert service_range(MANIFEST.format(argument)) == ip_network(expected)


def test_a_manifest_without_a_service_range_is_reported() -> None:
    """The error is a sentence, not a stack."""
    with pytest.raises(StepError, match="names no --service-cluster-ip-range"):
        service_range("spec: {}")


def test_the_command_for_a_person_to_run() -> None:
    """The whole command, with this cluster's own addresses; and the Service that is tried is the API server's."""
    route = Route(ip_network("10.96.0.0/16"), "172.18.0.2")
    assert " ".join(route.command) == "ip route replace 10.96.0.0/16 via 172.18.0.2"
    assert route.api_server == "10.96.0.1"
