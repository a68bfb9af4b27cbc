"""Bring routes to the proxies of Pods, and tell whether they are in effect. Pure.

The kubelet updates a ConfigMap's files in a Pod within a minute or two, and at once when the Pod object changes. So the
operator annotates the Pods whenever their routes change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.controllers.inferenceservice.pod.template import Serving
from modelops.controllers.inferenceservice.revisions.observed import ServerPod
from modelops.controllers.inferenceservice.traffic.envoy_routes import Split
from modelops.controllers.inferenceservice.traffic.steps import Step
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.resources import Body

_NOTIFY_AGAIN = timedelta(seconds=2)
"""The kubelet may have read the Pod before the ConfigMap changed."""
_KUBELET_SYNC = timedelta(seconds=150)
"""A kubelet syncs every ConfigMap that often, its cache included, even without a notice."""
_EVERY_REQUEST = 100


def split_of(
    service: InferenceService,
    serving: Serving,
    step: Step | None = None,
    *,
    captured: bool = False,
    token: str = "",
) -> Split:
    """Return how the Pods of a revision split their requests. Without a step they answer all requests themselves.

    `captured`: the monitor counts contents as far as the analysis compares them. Without a step the Pods are then a
    candidate's. `token`: mark of the requests that pass from the stable revision to the candidate.
    """
    timeout = service.spec.limits.timeout
    analysis = service.spec.analysis
    counted = captured and analysis is not None and compares_contents(analysis)
    agreement = analysis.agreement if counted and analysis is not None else None
    own = Split(
        version=serving.version,
        revision=serving.revision,
        readiness_path=serving.readiness_path,
        grpc=serving.grpc,
        timeout=parse_duration(timeout) if timeout is not None else None,
        capture_percent=_EVERY_REQUEST if counted else 0,
        tolerance=agreement.tolerance if agreement is not None else None,
    )
    if service.spec.gateway is not None:
        return own
    own = replace(own, token=token if counted else "")
    if step is None:
        return replace(own, candidate=counted)
    return replace(own, weight=step.weight, mirror_percent=step.mirror)


def compares_contents(analysis: Analysis) -> bool:
    """Return whether an analysis compares the contents of requests and responses, not only their number."""
    return any(
        check is not None for check in (analysis.input_distance, analysis.prediction_distance, analysis.agreement)
    )


def routes_in_effect(
    pods: Iterable[ServerPod], proxy_stats: Mapping[str, ProxyStats | None], routes: str, now: datetime
) -> bool:
    """Return whether every ready Pod uses the routes of this name.

    The routes of a Pod whose proxy is silent count as in effect after the kubelet's sync period.
    """
    return all(_uses(pod, proxy_stats.get(pod.state.name), routes, now) for pod in pods if pod.ready)


def pods_to_notify(
    pods: Iterable[ServerPod],
    proxy_stats: Mapping[str, ProxyStats | None],
    routes: str,
    now: datetime,
    *,
    changed: bool,
    namespace: str,
) -> tuple[Body, ...]:
    """Return the Pods to annotate: all of them when their routes change now, else those whose proxy is late."""
    return tuple(
        _annotated(pod, routes, now, namespace)
        for pod in pods
        if pod.counts and pod.state.address and _needs_notice(pod, proxy_stats, routes, now, changed)
    )


def _needs_notice(
    pod: ServerPod, proxy_stats: Mapping[str, ProxyStats | None], routes: str, now: datetime, changed: bool
) -> bool:
    if changed:
        return pod.notice.routes != routes
    if pod.state.name not in proxy_stats:
        return False
    stats = proxy_stats[pod.state.name]
    if stats is not None and stats.routes == routes:
        return False
    return pod.notice.routes != routes or pod.notice.last is None or now - pod.notice.last >= _NOTIFY_AGAIN


def _uses(pod: ServerPod, stats: ProxyStats | None, routes: str, now: datetime) -> bool:
    if stats is not None:
        return stats.routes == routes
    notice = pod.notice
    return notice.routes == routes and notice.since is not None and now - notice.since >= _KUBELET_SYNC


def _annotated(pod: ServerPod, routes: str, now: datetime, namespace: str) -> Body:
    """Return the Pod's annotation to apply: the routes, since when the Pod is notified of them, and when last.

    The UID keeps server-side apply from creating a Pod that has been deleted meanwhile.
    """
    since = pod.notice.since if pod.notice.routes == routes and pod.notice.since is not None else now
    notice = f"{routes} {format_timestamp(since)} {format_timestamp(now)}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.state.name,
            "namespace": namespace,
            "uid": pod.state.uid,
            "annotations": {ROUTES_ANNOTATION: notice},
        },
    }
