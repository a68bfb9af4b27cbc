"""Which routes Pods get, which Pods are notified of them, and when they count as in effect."""

from datetime import timedelta

import pytest

from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.controllers.inferenceservice.pod.template import Serving
from modelops.controllers.inferenceservice.revisions.observed import ServerPod
from modelops.controllers.inferenceservice.traffic.propagation import pods_to_notify, routes_in_effect, split_of
from modelops.controllers.inferenceservice.traffic.steps import Step
from support.builders.common import NOW
from support.builders.inferenceservices import Json, inference_service, pod
from support.builders.modelversions import version
from support.rollout_states import seconds_ago

SERVICE, V1 = inference_service(), version()
NEW, OLD = "weights-new", "weights-old"
SERVING = Serving("mortgage-1", "sha256:a", "aaa", "/ready", grpc=True)


def notice(routes: str, *, since: float, last: float) -> str:
    """Return a Pod's annotation: notified of routes since some seconds, and last some seconds ago."""
    return f"{routes} {seconds_ago(since)} {seconds_ago(last)}"


def server(annotation: str = "", *, ready: bool = True, ending: bool = False, address: str = "10.0.0.1") -> ServerPod:
    """Return a Pod with this annotation about its routes."""
    return pod(SERVICE, V1, "p", ready=ready, ending=ending, address=address, notice=annotation)


def reporting(routes: str | None) -> dict[str, ProxyStats | None]:
    """Return statistics in which the Pod's proxy uses these routes; None: it has none yet."""
    return {"p": ProxyStats(Counters(), Counters(), 0, routes)}


SILENT: dict[str, ProxyStats | None] = {"p": None}


@pytest.mark.parametrize(
    ("given", "stats", "expected"),
    [
        pytest.param(server(), reporting(NEW), True, id="the proxy reports the routes"),
        pytest.param(
            server(notice(NEW, since=999, last=999)),
            reporting(OLD),
            False,
            id="the proxy reports other routes, long after the notice",
        ),
        pytest.param(
            server(notice(NEW, since=999, last=999)),
            reporting(None),
            False,
            id="the proxy reports no routes, long after the notice",
        ),
        pytest.param(server(), SILENT, False, id="the proxy is silent, and the Pod has no notice"),
        pytest.param(
            server(notice(NEW, since=149, last=1)), SILENT, False, id="the proxy is silent during the sync period"
        ),
        pytest.param(
            server(notice(NEW, since=150, last=1)),
            SILENT,
            True,
            id="the proxy is silent after the sync period, however recent the last notice",
        ),
        pytest.param(
            server(notice(OLD, since=999, last=999)), SILENT, False, id="the proxy is silent, with a notice of others"
        ),
        pytest.param(
            server(notice(NEW, since=150, last=1)), {}, True, id="the proxy was not read after the sync period"
        ),
        pytest.param(server(f"{NEW} {seconds_ago(999)}"), SILENT, False, id="the notice has too few times"),
        pytest.param(server("anything"), SILENT, False, id="the notice is another's"),
        pytest.param(server(ready=False), reporting(OLD), True, id="a Pod that is not ready is not waited for"),
        pytest.param(server(ending=True), reporting(OLD), True, id="a Pod that terminates is not waited for"),
    ],
)
def test_routes_in_effect(given: ServerPod, stats: dict[str, ProxyStats | None], expected: bool) -> None:
    """A step that counts too early is analysed by the wrong requests; one that waits for a silent proxy never ends."""
    assert routes_in_effect([given], stats, NEW, NOW) is expected


def test_routes_are_not_in_effect_while_one_pod_uses_others() -> None:
    """The candidate may be deleted only when no Pod forwards requests to it."""
    other = pod(SERVICE, V1, "q")
    stats = {**reporting(NEW), "q": ProxyStats(Counters(), Counters(), 0, OLD)}
    assert not routes_in_effect([server(), other], stats, NEW, NOW)
    assert routes_in_effect([], {}, NEW, NOW)


@pytest.mark.parametrize(
    ("given", "stats", "changed", "expected"),
    [
        pytest.param(server(), {}, True, True, id="changed routes are notified at once"),
        pytest.param(
            server(notice(OLD, since=99, last=99)), {}, True, True, id="changed routes replace an older notice"
        ),
        pytest.param(server(notice(NEW, since=0, last=0)), {}, True, False, id="changed routes are notified once"),
        pytest.param(server(), reporting(NEW), False, False, id="a proxy that uses the routes needs no notice"),
        pytest.param(server(), reporting(OLD), False, True, id="a proxy that uses other routes needs a notice"),
        pytest.param(
            server(notice(NEW, since=1, last=1)), reporting(OLD), False, False, id="the kubelet has two seconds"
        ),
        pytest.param(
            server(notice(NEW, since=9, last=2)),
            reporting(OLD),
            False,
            True,
            id="the notice is repeated: the kubelet may have read the Pod before the ConfigMap changed",
        ),
        pytest.param(
            server(notice(NEW, since=9, last=2)), SILENT, False, True, id="the notice is repeated to a silent proxy"
        ),
        pytest.param(server(), {}, False, False, id="without a rollout nothing is notified"),
        pytest.param(server(address=""), {}, True, False, id="a Pod without an address starts with the latest routes"),
        pytest.param(server(ending=True), {}, True, False, id="a Pod that terminates is not notified"),
        pytest.param(server(ready=False), {}, True, True, id="a Pod that is not ready yet is notified"),
    ],
)
def test_pods_to_notify(given: ServerPod, stats: dict[str, ProxyStats | None], changed: bool, expected: bool) -> None:
    """Without a notice the kubelet is a minute or two late, and each notice is a write."""
    assert bool(pods_to_notify([given], stats, NEW, NOW, changed=changed, namespace="team-a")) is expected


def test_a_notice_names_the_pod_by_its_uid() -> None:
    """Otherwise server-side apply would create a deleted Pod that has nothing but an annotation."""
    given = server(notice(OLD, since=9, last=9))
    (body,) = pods_to_notify([given], {}, NEW, NOW, changed=True, namespace="team-a")
    assert body["metadata"] == {
        "name": "p",
        "namespace": "team-a",
        "uid": "uid-of-p",
        "annotations": {ROUTES_ANNOTATION: notice(NEW, since=0, last=0)},
    }


def test_a_repeated_notice_keeps_the_time_of_the_first() -> None:
    """Each notice is another annotation, or the kubelet would not sync.

    The time since the first one continues, or the routes of a silent proxy would never count as in effect.
    """
    given = server(notice(NEW, since=100, last=2))
    (body,) = pods_to_notify([given], SILENT, NEW, NOW, changed=False, namespace="team-a")
    assert body["metadata"]["annotations"] == {ROUTES_ANNOTATION: notice(NEW, since=100, last=0)}


STEP = Step(weight=20, mirror=50, hold=None)
GATEWAY: Json = {"parentRefs": [{"name": "public"}]}


@pytest.mark.parametrize(
    ("step", "gateway", "weight", "mirror"),
    [
        pytest.param(None, None, 0, 0, id="without a step the own model answers all requests"),
        pytest.param(STEP, None, 20, 50, id="in a step requests are forwarded and mirrored"),
        pytest.param(STEP, GATEWAY, 0, 0, id="with a Gateway the HTTPRoute forwards and mirrors"),
    ],
)
def test_the_split_of_the_stable_revision(step: Step | None, gateway: Json | None, weight: int, mirror: int) -> None:
    """The proxies of the stable Pods forward the step's weight and mirror the step's percentage."""
    service = inference_service(limits={"timeout": "2s"}, gateway=gateway)
    split = split_of(service, SERVING, step)
    assert (split.weight, split.mirror_percent) == (weight, mirror)
    assert (split.version, split.revision, split.readiness_path, split.grpc) == ("mortgage-1", "aaa", "/ready", True)
    assert split.timeout == timedelta(seconds=2)


@pytest.mark.parametrize(
    ("analysis", "percent", "tolerance"),
    [
        pytest.param({"errorRate": {"max": 0.1}}, 0, None, id="an analysis of counts captures nothing"),
        pytest.param({"predictionDistance": {"max": 0.2}}, 100, None, id="an analysis of predictions captures all"),
        pytest.param({"inputDistance": {"max": 0.2}}, 100, None, id="an analysis of inputs captures all"),
        pytest.param(
            {"agreement": {"min": 0.9, "tolerance": 0.01}}, 100, 0.01, id="an analysis of agreement compares responses"
        ),
    ],
)
def test_contents_are_captured_where_the_analysis_compares_them(
    analysis: Json, percent: int, tolerance: float | None
) -> None:
    """Only during a rollout: what is not compared costs nothing."""
    service = inference_service(rollout={"strategy": "Shadow", "analysis": analysis})
    analysed = split_of(service, SERVING, Step(weight=0, mirror=100, hold=None), captured=True)
    assert (analysed.capture_percent, analysed.tolerance) == (percent, tolerance)
    assert split_of(service, SERVING).capture_percent == 0


@pytest.mark.parametrize(
    ("step", "captured", "gateway", "expected"),
    [
        pytest.param(None, True, None, True, id="the Pods of a candidate trust the mark"),
        pytest.param(None, False, None, False, id="a revision that serves alone does not"),
        pytest.param(STEP, True, None, False, id="the Pods that forward requests do not"),
        pytest.param(None, True, GATEWAY, False, id="a candidate behind a Gateway does not: a Gateway marks nothing"),
    ],
)
def test_which_pods_trust_the_mark_of_forwarded_requests(
    step: Step | None, captured: bool, gateway: Json | None, expected: bool
) -> None:
    """Other Pods would capture a client's request as a mirrored one; behind a Gateway nothing would be captured."""
    rollout = {"strategy": "Canary", "steps": [{"weight": 20}], "analysis": {"inputDistance": {"max": 0.2}}}
    split = split_of(inference_service(rollout=rollout, gateway=gateway), SERVING, step, captured=captured)
    assert split.candidate is expected


def test_a_candidate_whose_contents_are_not_compared_keeps_its_routes_at_promotion() -> None:
    """Its Pods need no notice, and nothing waits for them."""
    rollout = {"strategy": "Canary", "steps": [{"weight": 20}], "analysis": {"errorRate": {"max": 0.2}}}
    service = inference_service(rollout=rollout)
    assert split_of(service, SERVING, captured=True) == split_of(service, SERVING)
