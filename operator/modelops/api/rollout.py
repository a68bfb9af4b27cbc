"""Rollout: how a new version replaces the one that serves, and what it must prove on the way."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map, rules
from modelops.api.pods import Arguments, Environment, Image, Resources
from modelops.api.types import DurationText, Name, minimum_duration

Percent = Annotated[int, Field(ge=1, le=100)]
Ratio = Annotated[float, Field(ge=0, le=1)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=1024)]


class Strategy(StrEnum):
    """How traffic moves to a new version."""

    CANARY = "Canary"
    BLUE_GREEN = "BlueGreen"
    SHADOW = "Shadow"
    ROLLING = "Rolling"


class Step(Model):
    """A share of the traffic, and for how long."""

    model_config = rules(minimum_duration("hold", "1s", "; leave it out to wait for a person"))

    weight: Percent
    """How many percent of the requests the candidate answers."""
    hold: DurationText | None = None
    """How long, at least, before the next step. Absent: until a person promotes."""


class BlueGreen(Model):
    """All of the traffic at once, between two periods of watching."""

    model_config = rules(minimum_duration("watch", "1s"))

    hold: DurationText = "0s"
    """How long the candidate stands ready with no traffic but mirrored requests before all of it comes, at least."""
    approval: Literal["None", "Person"] = "None"
    """Person: the traffic comes only once a person promotes."""
    watch: DurationText = "5m"
    """How long the version that served before is kept with all its Pods after that, for an instant way back."""


class Shadow(Model):
    """No traffic but mirrored requests, whose answers nobody gets, and then a decision."""

    model_config = rules(minimum_duration("duration", "1s"))

    duration: DurationText = "1h"
    """How long requests are mirrored, at least."""
    then: Literal["Wait", "Promote", "Discard"] = "Wait"
    """Wait: for a person, who promotes or aborts. Promote: the candidate gets all traffic where the analysis passed.
    Discard: it goes; its evidence stays in the status."""


class Mirror(Model):
    """Copies of requests for the candidate. Its answers go nowhere."""

    percent: Percent = 100
    """How many percent of the requests that the stable version answers."""


class AtMost(Model):
    """An upper bound."""

    max: Annotated[float, Field(ge=0)]
    """The greatest value that passes."""


class ErrorRate(Model):
    """The share of requests that ended with a 5xx status or 429, or with none."""

    model_config = rules(
        ("has(self.max) || has(self.maxRatioToStable)", "set max, maxRatioToStable or both"),
    )

    max: Ratio | None = None
    """The greatest share that passes, such as 0.01."""
    max_ratio_to_stable: Annotated[float, Field(gt=0)] | None = None
    """The greatest multiple of the stable version's own share that passes. That share counts as one request's at least:
    a stable version without any error does not make one error of the candidate's fail."""


class Latency(Model):
    """How long a share of the requests takes at most."""

    model_config = rules(
        ("has(self.max) || has(self.maxRatioToStable)", "set max, maxRatioToStable or both"),
        minimum_duration("max", "1ms"),
    )

    quantile: Annotated[float, Field(gt=0, lt=1)]
    """Which requests: 0.99 for all but the slowest hundredth."""
    max: DurationText | None = None
    """The longest time that passes, such as 200ms."""
    max_ratio_to_stable: Annotated[float, Field(gt=0)] | None = None
    """The greatest multiple of the stable version's own time that passes, such as 1.5."""


class Distance(Model):
    """How far two distributions may be apart."""

    max: Annotated[float, Field(gt=0)]
    """The greatest distance that passes."""
    method: Literal["JensenShannon", "PSI"] = "JensenShannon"
    """JensenShannon: the distance, from 0 to 1. PSI: the population stability index, from 0."""


class Agreement(Model):
    """The share of mirrored requests to which both versions gave the same answer."""

    min: Ratio
    """The least share that passes."""
    tolerance: Annotated[float, Field(ge=0)] = 0.000001
    """By how much, relative to the greater one, two numbers may differ and still be the same."""


class Hook(Model):
    """A URL that judges. It gets a POST with a JSON object: inferenceservice, namespace, stable, candidate, weight and
    candidateURL.
    """

    model_config = rules(minimum_duration("timeout", "1s"))

    url: HttpUrl
    """2xx passes and 4xx fails; anything else, or no answer, is an error. A JSON object with `outcome` (Passed, Failed
    or Inconclusive) and `message` in a 2xx answer says it more exactly."""
    timeout: DurationText = "10s"
    """How long an answer is waited for."""


class PrometheusQuery(Model):
    """A query whose single value must be within bounds. No value at all is inconclusive."""

    model_config = rules(("has(self.min) || has(self.max)", "set min, max or both"))

    address: HttpUrl
    """Where Prometheus answers, such as http://prometheus.monitoring:9090."""
    query: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    """PromQL. `{namespace}`, `{inferenceservice}`, `{stable}` and `{candidate}` are filled in, the last two with the
    names of ModelVersions."""
    min: float | None = None
    """The least value that passes."""
    max: float | None = None
    """The greatest value that passes."""


class CheckJob(Model):
    """A container that judges, once for each step before it ends: exit code 0 passes, 1 fails, anything else is an
    error. What it wrote last becomes the message.
    """

    model_config = rules(minimum_duration("timeout", "1s"))

    image: Image
    """The image."""
    command: Arguments | None = None
    """The program to run. Absent: the image's entrypoint."""
    args: Arguments = Field(default_factory=list)
    """Its arguments."""
    env: Environment = Field(default_factory=list)
    """Environment variables, besides MODELOPS_CANDIDATE_URL, MODELOPS_STABLE_URL, MODELOPS_CANDIDATE_VERSION,
    MODELOPS_STABLE_VERSION and MODELOPS_WEIGHT."""
    resources: Resources | None = None
    """What the container asks for and may use."""
    timeout: DurationText = "10m"
    """How long it may take."""


class Check(Model):
    """A check of the user's own."""

    model_config = rules(
        (
            "(has(self.hook) ? 1 : 0) + (has(self.job) ? 1 : 0) + (has(self.prometheus) ? 1 : 0) == 1",
            "set exactly one of hook, job and prometheus",
        )
    )

    name: Name
    """What the status calls it."""
    hook: Hook | None = None
    """A URL, asked at every interval."""
    job: CheckJob | None = None
    """A Job, once for each step."""
    prometheus: PrometheusQuery | None = None
    """A query of Prometheus, asked at every interval."""


class Analysis(Model):
    """What the candidate must prove, from the Pods' own figures: no Prometheus is needed."""

    model_config = rules(
        minimum_duration("interval", "1s"),
        (
            "has(self.errorRate) || (has(self.latency) && self.latency.size() > 0) || has(self.inputDistance)"
            " || has(self.predictionDistance) || has(self.agreement) || (has(self.checks) && self.checks.size() > 0)",
            "set at least one of errorRate, latency, inputDistance, predictionDistance, agreement and checks",
        ),
        (
            "!has(self.checks) || !self.checks.exists(c, c.name == 'agreement')",
            "agreement is the name of a check of the operator's: give yours another one",
        ),
    )

    interval: DurationText = "30s"
    """How often the candidate is judged, by what it did since it was judged before."""
    min_requests: Annotated[int, Field(ge=1)] = 100
    """With fewer requests a judgement is inconclusive, and what it rested on counts for the next one."""
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = 1
    """How many failed judgements in a row end the rollout."""
    error_rate: ErrorRate | None = None
    """The share of requests that fail."""
    latency: Annotated[list[Latency], Field(max_length=4), list_map("quantile")] = Field(default_factory=list)
    """How long requests take."""
    input_distance: Distance | None = None
    """How far the inputs of the two versions are apart, the column that differs most: a split that is not fair, or
    clients that choose."""
    prediction_distance: Distance | None = None
    """How far the predictions of the two versions are apart."""
    agreement: Agreement | None = None
    """The share of same answers to the same requests. Needs mirror."""
    checks: Annotated[list[Check], Field(max_length=8), list_map("name")] = Field(default_factory=list)
    """Checks of your own."""


class Rollout(Model):
    """How a new version replaces the one that serves. The first version ever serves at once."""

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
            "analysis does not go with strategy Rolling, which tells no candidate from the rest",
        ),
        (
            "!has(self.analysis) || !has(self.analysis.agreement) || has(self.mirror) || self.strategy == 'Shadow'",
            "analysis.agreement needs mirror, or strategy Shadow",
        ),
        minimum_duration("deadline", "10s"),
    )

    strategy: Strategy = Strategy.CANARY
    """Canary: share by share. BlueGreen: all at once, with a way back. Shadow: mirrored requests only, then a decision.
    Rolling: Pod by Pod."""
    steps: Annotated[list[Step], Field(max_length=20), list_atomic()] = Field(default_factory=list)
    """The shares of a Canary. After the last one the candidate serves everything, and is the stable version."""
    blue_green: BlueGreen | None = None
    """How long a BlueGreen holds and watches."""
    shadow: Shadow | None = None
    """How long a Shadow lasts, and what comes then."""
    mirror: Mirror | None = None
    """Mirror requests to the candidate while it is one. A Shadow mirrors all of them where this is absent."""
    analysis: Analysis | None = None
    """What the candidate must prove. Absent: only that its Pods answer."""
    on_failure: Literal["Rollback", "Pause"] = "Rollback"
    """Rollback: a candidate that failed gets no more traffic, and goes. Pause: it stays where it is until a person
    promotes or aborts."""
    deadline: DurationText = "1h"
    """How long a rollout may go without progress: without a next step, and not because a step holds or a person is
    waited for. Then it has failed."""
