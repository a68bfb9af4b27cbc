"""Whether Pods go by the routes that are written, and which of them are told."""

from datetime import timedelta

import pytest

from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats
from modelops.controllers.inferenceservice.pod.template import Serving
from modelops.controllers.inferenceservice.revisions.observed import ServerPod
from modelops.controllers.inferenceservice.traffic.propagation import follows, split, told
from modelops.controllers.inferenceservice.traffic.routes import TOLD
from modelops.controllers.inferenceservice.traffic.steps import Stage
from support.builders.common import NOW
from support.builders.inferenceservices import inference_service, pod
from support.builders.modelversions import version
from support.rollout_states import ago

SERVICE, V1 = inference_service(), version()
NEW, OLD = "weights-new", "weights-old"
SERVING = Serving("mortgage-1", "sha256:a", "aaa", "/ready", grpc=True)


def server(told_of: str = "", *, ready: bool = True, ending: bool = False, address: str = "10.0.0.1") -> ServerPod:
    """A Pod that was told of routes; of `new 200 3`: since 200 s, and last 3 s ago."""
    name, *seconds = told_of.split(" ")
    words = " ".join([name, *(str(ago(float(one))) for one in seconds)])
    return pod(SERVICE, V1, "p", ready=ready, ending=ending, address=address, told=words)


def says(routes: str | None) -> dict[str, ProxyStats | None]:
    """What the Pod's proxy says."""
    return {"p": ProxyStats(Counters(), Counters(), 0, routes)}


SILENT: dict[str, ProxyStats | None] = {"p": None}


@pytest.mark.parametrize(
    ("given", "looks", "expected"),
    [
        (server(), says(NEW), True),
        (server(f"{NEW} 999 999"), says(OLD), False),
        (server(f"{NEW} 999 999"), says(None), False),
        (server(), SILENT, False),
        (server(f"{NEW} 149 1"), SILENT, False),
        (server(f"{NEW} 150 1"), SILENT, True),
        (server(f"{OLD} 999 999"), SILENT, False),
        (server(f"{NEW} 150 1"), {}, True),
        (server(f"{NEW} 999"), SILENT, False),
        (server("anything"), SILENT, False),
        (server(ready=False), says(OLD), True),
        (server(ending=True), says(OLD), True),
    ],
    ids=[
        "a proxy says that it goes by them",
        "one that says it goes by others is not doubted, however long it has been told",
        "nor is one that has none yet",
        "one that says nothing is not believed",
        "nor while its kubelet may not have brought them",
        "but then it is, however often it has been told since",
        "of these routes, not of others",
        "whether it was asked or not",
        "a mark that cannot be read proves nothing",
        "nor does a stranger's",
        "a Pod that gets no requests is not waited for",
        "nor one that goes",
    ],
)
def test_whether_requests_follow(given: ServerPod, looks: dict[str, ProxyStats | None], expected: bool) -> None:
    """A step that counted before its share is real would be judged by the wrong requests; one that waits for a proxy
    that cannot be asked would never end.
    """
    assert follows([given], looks, NEW, NOW) is expected


def test_one_pod_that_does_not_follow_is_enough() -> None:
    """The candidate may go only when nobody passes requests on to it."""
    others = pod(SERVICE, V1, "q")
    looks = {**says(NEW), "q": ProxyStats(Counters(), Counters(), 0, OLD)}
    assert not follows([server(), others], looks, NEW, NOW)
    assert follows([], {}, NEW, NOW)


@pytest.mark.parametrize(
    ("given", "looks", "changed", "expected"),
    [
        (server(), {}, True, True),
        (server(f"{OLD} 99 99"), {}, True, True),
        (server(f"{NEW} 0 0"), {}, True, False),
        (server(), says(NEW), False, False),
        (server(), says(OLD), False, True),
        (server(f"{NEW} 1 1"), says(OLD), False, False),
        (server(f"{NEW} 9 2"), says(OLD), False, True),
        (server(f"{NEW} 9 2"), SILENT, False, True),
        (server(), {}, False, False),
        (server(address=""), {}, True, False),
        (server(ending=True), {}, True, False),
        (server(ready=False), {}, True, True),
    ],
    ids=[
        "routes that change are told at once",
        "whatever was told before",
        "but not twice",
        "a proxy that has taken them needs no telling",
        "one that has not is told",
        "its kubelet has a moment",
        "then it is told again: it may have looked at the Pod before it heard of the ConfigMap",
        "a silent one as well",
        "nobody is told that nobody asks",
        "a Pod without an address has nothing to take back: it begins with them",
        "one that goes is left alone",
        "one that is not ready will be",
    ],
)
def test_which_pods_are_told(
    given: ServerPod, looks: dict[str, ProxyStats | None], changed: bool, expected: bool
) -> None:
    """A kubelet that is not told brings routes a minute or two late; each telling is a write."""
    assert bool(told([given], looks, NEW, NOW, changed=changed, namespace="team-a")) is expected


def test_what_a_pod_is_told() -> None:
    """By UID: a Pod that is gone must not come back as nothing but an annotation."""
    (body,) = told([server(f"{OLD} 9 9")], {}, NEW, NOW, changed=True, namespace="team-a")
    assert body["metadata"] == {
        "name": "p",
        "namespace": "team-a",
        "uid": "uid-of-p",
        "annotations": {TOLD: f"{NEW} {ago(0)} {ago(0)}"},
    }


def test_a_pod_that_is_told_again_has_been_told_since_before() -> None:
    """Each telling is another annotation, or the kubelet would not look; but the time since the first one goes on, or a
    proxy that does not answer would never be believed.
    """
    (body,) = told([server(f"{NEW} 100 2")], SILENT, NEW, NOW, changed=False, namespace="team-a")
    assert body["metadata"]["annotations"] == {TOLD: f"{NEW} {ago(100)} {ago(0)}"}


@pytest.mark.parametrize(
    ("stage", "gateway", "shares"),
    [
        (None, False, (0, 0)),
        (Stage(20, 50, None), False, (20, 50)),
        (Stage(20, 50, None), True, (0, 0)),
    ],
    ids=["without a stage everything is answered here", "a stage is passed on", "behind a Gateway it is the route's"],
)
def test_the_split(stage: Stage | None, gateway: bool, shares: tuple[int, int]) -> None:
    """What the proxies of the stable revision are told."""
    service = inference_service(
        limits={"timeout": "2s"}, gateway={"parentRefs": [{"name": "public"}]} if gateway else None
    )
    given = split(service, SERVING, stage)
    assert (given.weight, given.mirror_percent) == shares
    assert (given.version, given.revision, given.readiness_path, given.grpc) == ("mortgage-1", "aaa", "/ready", True)
    assert given.timeout == timedelta(seconds=2)


@pytest.mark.parametrize(
    ("analysis", "percent", "tolerance"),
    [
        ({"errorRate": {"max": 0.1}}, 0, None),
        ({"predictionDistance": {"max": 0.2}}, 100, None),
        ({"inputDistance": {"max": 0.2}}, 100, None),
        ({"agreement": {"min": 0.9, "tolerance": 0.01}}, 100, 0.01),
    ],
    ids=["by counts alone", "by predictions", "by inputs", "by agreement"],
)
def test_contents_are_counted_where_a_candidate_is_judged_by_them(analysis, percent, tolerance):
    """And only while there is one: what is not judged by costs nothing."""
    rollout = {"strategy": "Shadow", "analysis": analysis}
    service = inference_service(rollout=rollout)
    judged = split(service, SERVING, Stage(0, 100, None), captured=True)
    assert (judged.capture_percent, judged.tolerance) == (percent, tolerance)
    assert split(service, SERVING).capture_percent == 0


@pytest.mark.parametrize(
    ("stage", "captured", "gateway", "expected"),
    [
        (None, True, False, True),
        (None, False, False, False),
        (Stage(20, 50, None), True, False, False),
        (None, True, True, False),
    ],
    ids=[
        "a candidate that gets a share or copies",
        "a revision that serves alone",
        "the one that passes them on",
        "a Gateway marks nothing of what it passes on",
    ],
)
def test_who_believes_that_a_request_was_passed_on(
    stage: Stage | None, captured: bool, gateway: bool, expected: bool
) -> None:
    """Elsewhere a client could pass its own off as a copy; behind a Gateway nothing would be counted."""
    rollout = {"strategy": "Canary", "steps": [{"weight": 20}], "analysis": {"inputDistance": {"max": 0.2}}}
    public = {"parentRefs": [{"name": "public"}]} if gateway else None
    given = split(inference_service(rollout=rollout, gateway=public), SERVING, stage, captured=captured)
    assert given.candidate is expected


def test_a_candidate_whose_contents_are_not_judged_keeps_its_routes_when_it_is_promoted() -> None:
    """Its Pods need not be told of anything, nor waited for."""
    rollout = {"strategy": "Canary", "steps": [{"weight": 20}], "analysis": {"errorRate": {"max": 0.2}}}
    service = inference_service(rollout=rollout)
    assert split(service, SERVING, captured=True) == split(service, SERVING)
