"""Route to a cluster in a container: its range, address and command, without Docker."""

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
    ("flag", "expected"),
    [
        pytest.param("10.96.0.0/16", "10.96.0.0/16", id="one IPv4 range is taken"),
        pytest.param("10.96.0.0/16,fd00:10:96::/112", "10.96.0.0/16", id="the first of two IP families is taken"),
        pytest.param("fd00::/112", "fd00::/112", id="one IPv6 range is taken"),
    ],
)
def test_the_range_of_services_is_the_api_servers_own(flag: str, expected: str) -> None:
    """A route to another range would reach no Service."""
    assert service_range(MANIFEST.format(flag)) == ip_network(expected)


def test_a_manifest_without_a_range_fails_with_a_sentence() -> None:
    """A person reads the reason instead of a stack trace."""
    with pytest.raises(StepError, match="has no --service-cluster-ip-range"):
        service_range("spec: {}")


def test_the_command_for_a_person_has_the_clusters_own_addresses() -> None:
    """A person without root can copy the whole command; the address tried afterwards is the API server's."""
    route = Route(ip_network("10.96.0.0/16"), "172.18.0.2")
    assert " ".join(route.command) == "ip route replace 10.96.0.0/16 via 172.18.0.2"
    assert route.api_server == "10.96.0.1"
