"""Servers that the operator asks for a check: the namespace's own Services, and what the chart names."""

import pytest

from modelops.api.addresses import ANY_ADDRESS, AddressRules
from modelops.controllers.inferenceservice.analysis.destinations import (
    Destination,
    Destinations,
    NotAllowedError,
    host_matches,
    own_service,
)
from modelops.machinery.resources import Body
from support.builders.analyses import destination, destinations

HOSTS = ["judge.tools", "*.example.com"]
CHART: Body = {
    "hooks": {"allowed": HOSTS},
    "prometheus": {"shared": [{"url": "http://prometheus.monitoring:9090/", "namespaceLabel": "team"}]},
}


def service(name: str, cluster_ip: str | None = "10.96.0.7", type_: str = "ClusterIP") -> Body:
    """Build a Service as the API server returns it."""
    address = {"clusterIP": cluster_ip} if cluster_ip is not None else {}
    return {"metadata": {"name": name}, "spec": {"type": type_, **address}}


SERVICES = (
    service("judge"),
    service("headless", "None"),
    service("elsewhere", None, "ExternalName"),
    service("kept", "10.96.0.9", "ExternalName"),
)
GIVEN = destinations(*SERVICES, analysis=CHART, egress={"deny": ["10.0.0.0/16"]})


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("judge", "judge"),
        ("Judge", "judge"),
        ("judge.team", "judge"),
        ("judge.team.svc", "judge"),
        ("judge.team.svc.cluster.local", "judge"),
        ("judge.team.svc.cluster.local.", "judge"),
        ("judge.other", None),
        ("judge.other.svc.cluster.local", None),
        ("judge.team.example.com", None),
        ("x.judge.team", None),
        (".team", None),
        ("", None),
        ("::1", None),
        ("10.0.0.1", None),
        ("../secrets/x.team", None),
    ],
)
def test_a_service_of_the_namespace_is_recognized_by_its_host_name(host: str, name: str | None) -> None:
    assert own_service(host, "team", "cluster.local") == name


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("judge.tools", True),
        ("JUDGE.tools.", True),
        ("judge.tools.evil.example", False),
        ("a.example.com", True),
        ("a.b.example.com", True),
        ("example.com", False),
        ("badexample.com", False),
    ],
)
def test_a_pattern_is_a_host_or_what_is_below_a_domain(host: str, matches: bool) -> None:
    assert host_matches(host, HOSTS) is matches
    assert host_matches(host, ["*"])
    assert not host_matches(host, [])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "http://judge:8080/x", destination("http://judge:8080/x", address="10.96.0.7"), id="an own Service"
        ),
        pytest.param(
            "https://judge.tools/", destination("https://judge.tools/", GIVEN.settings.egress.rules), id="named"
        ),
    ],
)
async def test_a_hook_is_an_own_service_or_a_host_of_the_chart(url: str, expected: Destination) -> None:
    """An own Service is reached at its cluster IP, which no rule for addresses concerns: the API server assigned it."""
    assert await GIVEN.hook(url) == expected
    assert GIVEN.settings.egress.rules != AddressRules()


async def test_a_prometheus_is_an_own_service_or_a_shared_server_that_confines_queries() -> None:
    shared = destination("http://prometheus.monitoring:9090", ANY_ADDRESS, namespace_label="team")
    for address in ("http://prometheus.monitoring:9090", "http://prometheus.monitoring:9090/"):
        assert await GIVEN.prometheus(address) == shared
    assert await GIVEN.prometheus("http://judge.team") == destination("http://judge.team", address="10.96.0.7")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("http://[", "URL not valid", id="the URL cannot be parsed"),
        pytest.param("http://judge.other", "", id="a Service of another namespace"),
        pytest.param("http://judge.other.svc.cluster.local", "", id="the same by its full name"),
        pytest.param("http://10.96.0.7", "", id="an address"),
        pytest.param("http://[::1]", "", id="an address of IPv6"),
        pytest.param(
            "http://gone.team",
            'Service "gone" not found; create it in namespace "team"',
            id="a Service that is not there",
        ),
        pytest.param(
            "http://headless", 'Service "headless" has no cluster IP; give the Service one', id="a headless Service"
        ),
        pytest.param(
            "http://elsewhere",
            'Service "elsewhere" has no cluster IP; give the Service one',
            id="another name's Service",
        ),
        pytest.param(
            "http://kept", 'Service "kept" has no cluster IP; give the Service one', id="the same, with an old address"
        ),
    ],
)
async def test_other_servers_are_refused(url: str, message: str) -> None:
    """The operator's network reaches other tenants' Services, and what is no tenant's at all."""
    for ask, words in ((GIVEN.hook, "analysis.hooks.allowed"), (GIVEN.prometheus, "analysis.prometheus.shared")):
        with pytest.raises(NotAllowedError) as refused:
            await ask(url)
        assert str(refused.value) == message if message else words in str(refused.value)


async def test_by_default_only_services_of_the_namespace_are_asked() -> None:
    """What the chart names is the exception, and the chart names nothing by itself."""
    closed: Destinations = destinations(*SERVICES, analysis={})
    assert (await closed.hook("http://judge")).address == "10.96.0.7"
    for url in ("http://judge.tools", "http://prometheus.monitoring:9090"):
        with pytest.raises(NotAllowedError):
            await closed.hook(url)
        with pytest.raises(NotAllowedError):
            await closed.prometheus(url)
