"""Who answers which requests: what the Pods' proxies are told, and whether they have taken it. Pure.

The kubelet brings a ConfigMap's change to a Pod within a minute or two, and at once when the Pod itself changes: so the
Pods get an annotation with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.proxy_stats import PodLook
from modelops.controllers.inferenceservice.pod.template import Serving
from modelops.controllers.inferenceservice.revisions.observed import ServerPod
from modelops.controllers.inferenceservice.traffic.routes import TOLD, Split
from modelops.controllers.inferenceservice.traffic.steps import Stage
from modelops.machinery.conditions import format_timestamp, parse_timestamp
from modelops.machinery.resources import Body

_AGAIN = timedelta(seconds=2)
"""The kubelet may have looked at the Pod before it heard of the ConfigMap."""
_SYNCED_BY_ITSELF = timedelta(seconds=150)
"""A kubelet looks at every ConfigMap that often, and its cache is as old at most."""


_EVERY_REQUEST = 100


def split(service: InferenceService, serving: Serving, stage: Stage | None = None, *, captured: bool = False) -> Split:
    """What the Pods of a revision shall be told: without a stage, to answer everything themselves. `captured`: what
    they are asked and answer is counted, as far as the analysis needs it; without a stage, as a candidate's.
    """
    timeout = service.spec.limits.timeout
    analysis = service.spec.analysis
    counted = captured and analysis is not None and counts_contents(analysis)
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
    if stage is None:
        return replace(own, candidate=counted)
    return replace(own, weight=stage.weight, mirror_percent=stage.mirror)


def counts_contents(analysis: Analysis) -> bool:
    """Whether an analysis judges by what is in requests and answers, not only by how many there are."""
    return any(one is not None for one in (analysis.input_distance, analysis.prediction_distance, analysis.agreement))


def follows(pods: Iterable[ServerPod], looks: Mapping[str, PodLook | None], name: str, now: datetime) -> bool:
    """Whether every Pod that gets requests goes by the routes of this name. One whose proxy does not say so is believed
    to once its kubelet must have brought them.
    """
    return all(_goes_by(pod, looks.get(pod.state.name), name, now) for pod in pods if pod.ready)


def told(
    pods: Iterable[ServerPod],
    looks: Mapping[str, PodLook | None],
    name: str,
    now: datetime,
    *,
    changed: bool,
    namespace: str,
) -> tuple[Body, ...]:
    """The Pods to annotate: all of them when their routes change now, else those that are slow to take them."""
    return tuple(
        _annotated(pod, _words(pod, name, now), namespace)
        for pod in pods
        if pod.counts and pod.state.address and _shall_be_told(pod, looks, name, now, changed)
    )


def _shall_be_told(
    pod: ServerPod, looks: Mapping[str, PodLook | None], name: str, now: datetime, changed: bool
) -> bool:
    known, _, at = _told_of(pod)
    if changed:
        return known != name
    if pod.state.name not in looks:
        return False
    look = looks[pod.state.name]
    if look is not None and look.routes == name:
        return False
    return known != name or at is None or now - at >= _AGAIN


def _goes_by(pod: ServerPod, look: PodLook | None, name: str, now: datetime) -> bool:
    if look is not None:
        return look.routes == name
    known, since, _ = _told_of(pod)
    return known == name and since is not None and now - since >= _SYNCED_BY_ITSELF


def _words(pod: ServerPod, name: str, now: datetime) -> str:
    """The routes, since when the Pod has been told of them, and when it was told last."""
    known, since, _ = _told_of(pod)
    first = since if known == name and since is not None else now
    return f"{name} {format_timestamp(first)} {format_timestamp(now)}"


def _told_of(pod: ServerPod) -> tuple[str, datetime | None, datetime | None]:
    name, *times = pod.told.split(" ")
    try:
        since, last = (parse_timestamp(one) for one in times)
    except ValueError:
        return name, None, None
    return name, since, last


def _annotated(pod: ServerPod, told: str, namespace: str) -> Body:
    """By UID, so that a Pod that is gone is not asked to come back as nothing but an annotation."""
    metadata = {"name": pod.state.name, "namespace": namespace, "uid": pod.state.uid, "annotations": {TOLD: told}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
