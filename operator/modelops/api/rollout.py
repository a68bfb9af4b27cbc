"""Rollout: how a new version replaces the stable version, and the analysis that it must pass."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map, rules
from modelops.api.pods import Arguments, Environment, Image, Resources
from modelops.api.types import DurationText, Name, maximum_duration, minimum_duration

Percent = Annotated[int, Field(ge=1, le=100)]
Ratio = Annotated[float, Field(ge=0, le=1)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=1024)]


class Strategy(StrEnum):
    """How traffic shifts to a new version."""

    CANARY = "Canary"
    BLUE_GREEN = "BlueGreen"
    SHADOW = "Shadow"
    ROLLING = "Rolling"


class CanaryStep(Model):
    """A weight, and how long the rollout holds it."""

    model_config = rules(minimum_duration("hold", "1s", "; leave it out to wait for a person"))

    weight: Percent
    """Percent of the traffic that the candidate gets."""
    hold: DurationText | None = None
    """Shortest time before the next step. Absent: until a person promotes."""


class BlueGreen(Model):
    """All traffic at once, with a hold before and a watch after."""

    model_config = rules(minimum_duration("watch", "1s"))

    hold: DurationText = "0s"
    """Shortest time that the candidate is ready, with no traffic but mirrored requests, before it gets all traffic."""
    approval: Literal["None", "Person"] = "None"
    """Person: `hold` is ignored, and traffic shifts when a person promotes."""
    watch: DurationText = "5m"
    """How long the stable version keeps all its Pods after the traffic has shifted, for an instant rollback."""


class Shadow(Model):
    """No traffic but mirrored requests, whose responses are dropped, and then a decision."""

    model_config = rules(minimum_duration("duration", "1s"))

    duration: DurationText = "1h"
    """Shortest time that requests are mirrored. Ignored with `then: Wait`."""
    then: Literal["Wait", "Promote", "Discard"] = "Wait"
    """Wait: a person promotes or aborts. Promote: the candidate gets all traffic if the analysis passed. Discard: the
    candidate is deleted; its analysis stays in the status."""


class Mirror(Model):
    """Mirrored requests for the candidate, whose responses are dropped."""

    percent: Percent = 100
    """Percent of the requests to the stable version that are mirrored."""


class ErrorRate(Model):
    """Ratio of requests that ended with a 5xx status or 429, or without a status."""

    model_config = rules(
        ("has(self.max) || has(self.maxRatioToStable)", "set max, maxRatioToStable or both"),
    )

    max: Ratio | None = None
    """Greatest ratio that passes, such as 0.01."""
    max_ratio_to_stable: Annotated[float, Field(gt=0)] | None = None
    """Greatest multiple of the stable version's error rate that passes. A stable version without errors counts as one
    with a single error, so that one error of the candidate does not fail."""


class Latency(Model):
    """Latency of requests at one quantile."""

    model_config = rules(
        ("has(self.max) || has(self.maxRatioToStable)", "set max, maxRatioToStable or both"),
        minimum_duration("max", "1ms"),
    )

    quantile: Annotated[float, Field(gt=0, lt=1)]
    """Quantile, such as 0.99 for the latency that 99 percent of the requests do not exceed."""
    max: DurationText | None = None
    """Greatest latency that passes, such as 200ms."""
    max_ratio_to_stable: Annotated[float, Field(gt=0)] | None = None
    """Greatest multiple of the stable version's latency that passes, such as 1.5."""


class Distance(Model):
    """Greatest distance between two distributions."""

    max: Annotated[float, Field(gt=0)]
    """Greatest distance that passes."""
    method: Literal["JensenShannon", "PSI"] = "JensenShannon"
    """JensenShannon: the Jensen-Shannon distance, 0 to 1. PSI: the population stability index, 0 or more."""


class Agreement(Model):
    """Ratio of mirrored requests to which both versions gave the same response."""

    min: Ratio
    """Least ratio that passes."""
    tolerance: Annotated[float, Field(ge=0)] = 0.000001
    """Greatest difference of two equal numbers, relative to the greater one."""


class Hook(Model):
    """A URL that checks the candidate.

    The operator sends a POST with a JSON object: inferenceservice, namespace, stable, candidate, weight and
    candidateURL.
    """

    model_config = rules(minimum_duration("timeout", "1s"), maximum_duration("timeout", "30s"))

    url: HttpUrl
    """The URL, of a Service in this namespace or of a host that the chart allows. A response of 2xx passes, 4xx fails;
    any other response, or none, is an error. A 2xx response may carry a JSON object with `outcome` (Passed, Failed or
    Inconclusive) and `message`, which then decide."""
    timeout: DurationText = "10s"
    """Longest time to wait for the response, 30s at most."""


class PrometheusQuery(Model):
    """A query whose single value must be within bounds. No value at all is inconclusive."""

    model_config = rules(("has(self.min) || has(self.max)", "set min, max or both"))

    address: HttpUrl
    """URL of Prometheus, such as http://prometheus.monitoring:9090: of a Service in this namespace, or of a server that
    the chart names."""
    query: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    """PromQL. The operator replaces `{namespace}`, `{inferenceservice}`, `{stable}` and `{candidate}`; the last two are
    names of ModelVersions. On a server that the chart names, every selector needs the matcher
    `namespace="{namespace}"`."""
    min: float | None = None
    """Least value that passes."""
    max: float | None = None
    """Greatest value that passes."""


class CheckJob(Model):
    """A container that checks the candidate once in each step.

    Exit code 0 passes, 1 fails, any other is an error. The end of the container's log becomes the message.
    """

    model_config = rules(minimum_duration("timeout", "1s"))

    image: Image
    """Image of the container."""
    command: Arguments | None = None
    """Program to run. Absent: the image's entrypoint."""
    args: Arguments = Field(default_factory=list)
    """Arguments of the program."""
    env: Environment = Field(default_factory=list)
    """Environment variables, besides MODELOPS_CANDIDATE_URL, MODELOPS_STABLE_URL, MODELOPS_CANDIDATE_VERSION,
    MODELOPS_STABLE_VERSION and MODELOPS_WEIGHT."""
    resources: Resources | None = None
    """Resource requests and limits of the container."""
    timeout: DurationText = "10m"
    """Longest time that the Job may run."""


class AnalysisCheck(Model):
    """A check that the user defines: a webhook, a Job or a Prometheus query."""

    model_config = rules(
        (
            "(has(self.hook) ? 1 : 0) + (has(self.job) ? 1 : 0) + (has(self.prometheus) ? 1 : 0) == 1",
            "set exactly one of hook, job and prometheus",
        )
    )

    name: Name
    """Name of the check, as in the status."""
    hook: Hook | None = None
    """A URL that the operator calls in every interval."""
    job: CheckJob | None = None
    """A Job that the operator runs once in each step."""
    prometheus: PrometheusQuery | None = None
    """A Prometheus query that the operator runs in every interval."""


class Analysis(Model):
    """Checks that the candidate must pass. The Pods' own proxies count the requests: no Prometheus is needed."""

    model_config = rules(
        minimum_duration("interval", "1s"),
        (
            "has(self.errorRate) || (has(self.latency) && self.latency.size() > 0) || has(self.inputDistance)"
            " || has(self.predictionDistance) || has(self.agreement) || (has(self.checks) && self.checks.size() > 0)",
            "set at least one of errorRate, latency, inputDistance, predictionDistance, agreement and checks",
        ),
        (
            "!has(self.checks) || !self.checks.exists(c, c.name == 'agreement')",
            "agreement is the name of a built-in check: choose another name",
        ),
    )

    interval: DurationText = "30s"
    """Time between two analyses. Each analysis uses the requests since the previous one."""
    min_requests: Annotated[int, Field(ge=1)] = 100
    """Fewest requests for an analysis. With fewer the analysis is inconclusive, and its requests count for the next."""
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of failed analyses in a row that fails the rollout."""
    error_rate: ErrorRate | None = None
    """Ratio of requests that end with an error."""
    latency: Annotated[list[Latency], Field(max_length=4), list_map("quantile")] = Field(default_factory=list)
    """Latency of requests."""
    input_distance: Distance | None = None
    """Distance between the inputs of the two versions, of the column that differs most. A great distance means that the
    traffic split is not random."""
    prediction_distance: Distance | None = None
    """Distance between the predictions of the two versions."""
    agreement: Agreement | None = None
    """Ratio of equal responses to mirrored requests. Needs mirror."""
    checks: Annotated[list[AnalysisCheck], Field(max_length=8), list_map("name")] = Field(default_factory=list)
    """Checks that the user defines."""


class Rollout(Model):
    """How a new version replaces the stable version. The first version of all gets all traffic at once."""

    model_config = rules(
        (
            "(self.strategy == 'Canary') == (has(self.steps) && self.steps.size() > 0)",
            "steps go with strategy Canary, which needs at least one",
        ),
        (
            "!has(self.steps) || (self.steps.map(s, s.weight).isSorted()"
            " && self.steps.all(a, self.steps.exists_one(b, b.weight == a.weight)))",
            "the weights of steps must rise",
        ),
        ("!has(self.blueGreen) || self.strategy == 'BlueGreen'", "blueGreen goes with strategy BlueGreen"),
        ("!has(self.shadow) || self.strategy == 'Shadow'", "shadow goes with strategy Shadow"),
        ("!has(self.mirror) || self.strategy != 'Rolling'", "mirror does not go with strategy Rolling"),
        (
            "!has(self.analysis) || self.strategy != 'Rolling'",
            "analysis does not go with strategy Rolling, which has no traffic split to compare",
        ),
        (
            "!has(self.analysis) || !has(self.analysis.agreement) || has(self.mirror) || self.strategy == 'Shadow'",
            "analysis.agreement needs mirror, or strategy Shadow",
        ),
        minimum_duration("deadline", "10s"),
    )

    strategy: Strategy = Strategy.CANARY
    """Canary: traffic shifts step by step. BlueGreen: all traffic shifts at once. Shadow: mirrored requests only, then
    a decision. Rolling: Pod by Pod."""
    steps: Annotated[list[CanaryStep], Field(max_length=20), list_atomic()] = Field(default_factory=list)
    """Steps of a Canary. After the last step the candidate is promoted."""
    blue_green: BlueGreen | None = None
    """How long a BlueGreen holds and watches."""
    shadow: Shadow | None = None
    """How long a Shadow lasts, and what follows."""
    mirror: Mirror | None = None
    """Mirror requests to the candidate. Absent: a Shadow mirrors all requests, other strategies none."""
    analysis: Analysis | None = None
    """Checks that the candidate must pass. Absent: its Pods must be ready."""
    on_failure: Literal["Rollback", "Pause"] = "Rollback"
    """Rollback: a candidate that failed gets no more traffic and is deleted. Pause: it keeps its step until a person
    promotes or aborts."""
    deadline: DurationText = "1h"
    """Longest time without progress, which is the next step or a replaced Pod. A hold, and waiting for a person, do not
    count. After the deadline the rollout has failed."""
