"""Who answers a request: what the Envoy of each Pod is told while it runs, in a file that it watches. Pure.

The file is a DiscoveryResponse with one RouteConfiguration, as Envoy's RDS has it
(https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/rds). The clusters that it names are
those of the Pod's bootstrap.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from modelops.api.contract.proxy import (
    CAPTURE_FILTER,
    ENDPOINT_METADATA,
    FORWARDED_HEADER,
    MIRRORED_HEADER,
    RETRY_POLICY,
)
from modelops.api.kinds import GROUP
from modelops.lineage.digests import json_digest, short

FILE = "routes.json"
TOLD = f"{GROUP}/routes"
"""Annotation of a Pod: the routes that it was last told of, since when, and when last."""
_NAME = "model"
_BUFFER = "envoy.filters.http.buffer"
_HERE = "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"

Json = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """How the requests that reach the Pods of one revision are shared out."""

    version: str
    """The version of these Pods."""
    revision: str
    """Their revision."""
    readiness_path: str
    """Where their model says that it is ready."""
    grpc: bool = False
    """Whether their model has a port for gRPC."""
    candidate: bool = False
    """Whether the monitor is told only of what another revision's Pods pass on to these, as to a candidate's: requests
    and copies say so by a header."""
    weight: int = 0
    """How many percent of the requests the candidate answers, 0 to 100. The rest is answered here."""
    mirror_percent: int = 0
    """How many percent of the requests that are answered here are copied to the candidate, 0 to 100."""
    capture_percent: int = 0
    """How many percent of the requests that are answered here the monitor is told of, 0 to 100. gRPC is left out."""
    tolerance: float | None = None
    """By how much, relative to the greater one, two numbers of a copy's two answers may differ and still be the same.
    None: answers are not compared. Those that mirror keep theirs, and those that get copies compare: both must be told,
    and of what they capture alone."""
    timeout: timedelta | None = None
    """How long a request may take. None: as long as it wants."""


def routes(split: Split) -> Json:
    """What Envoy reads. The virtual host's name is made of all of it: Envoy tells by that name what it has taken."""
    found = [_readiness(split), *(_split(split, grpc=True) if split.grpc else []), *_split(split, grpc=False)]
    name = f"weights-{short(json_digest(found), 16)}"
    return {
        "version_info": name,
        "resources": [
            {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                "name": _NAME,
                "virtual_hosts": [{"name": name, "domains": ["*"], "routes": found}],
            }
        ],
    }


def name_of(rendered: Json) -> str:
    """The name by which Envoy tells that it has taken these routes."""
    name: str = rendered["resources"][0]["virtual_hosts"][0]["name"]
    return name


def _readiness(split: Split) -> Json:
    """The kubelet asks these Pods' own model, and neither uses up anyone's share nor counts as a request."""
    path = split.readiness_path.partition("?")[0].replace(" ", "%20")
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    return _here(split, {"path": path, "headers": [get]}, {"cluster": "model_probe", **_until(None)})


def _split(split: Split, *, grpc: bool) -> list[Json]:
    """The candidate's share, then the rest.

    Two routes rather than weighted clusters in one: mirroring belongs to a route, and the candidate would get copies of
    what it answers itself.
    """
    suffix = "_grpc" if grpc else ""
    match: Json = {"prefix": "/", "grpc": {}} if grpc else {"prefix": "/"}
    until = _grpc_until(split.timeout) if grpc else _until(split.timeout)
    found: list[Json] = []
    if split.weight > 0:
        share = {"runtime_fraction": {"default_value": {"numerator": split.weight, "denominator": "HUNDRED"}}}
        route = {"cluster": f"candidate{suffix}", **until, "retry_policy": _OR_HERE}
        shared = {"header": {"key": FORWARDED_HEADER, "value": "true"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        found.append(
            {
                "match": {**match, **share},
                "route": route,
                "request_headers_to_add": [shared],
                "request_headers_to_remove": [MIRRORED_HEADER],
                "response_headers_to_add": _answered_instead(),
            }
        )
    if split.weight < 100:
        local = {"cluster": f"model{suffix}", **until}
        if grpc:
            found.append(_here(split, match, _mirroring(split, local, suffix)))
        else:
            found += _captured(split, match, local)
    if grpc:
        # Its messages are a stream, which must not be held until it ends.
        unheld = {"@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute"}
        found = [{**one, "typed_per_filter_config": {_BUFFER: {**unheld, "disabled": True}}} for one in found]
    return found


def _captured(split: Split, match: Json, local: Json) -> list[Json]:
    """What is answered here: the part that the monitor is told of, then the rest, for which the filter stays off."""
    plain = _here(split, match, _mirroring(split, local))
    if split.capture_percent == 0:
        return [plain]
    part = {**match, **_part(split.capture_percent)}
    if split.candidate:
        return [*_passed_on(split, match, part, local), plain]
    mirrors = split.mirror_percent > 0
    address = _HERE if split.tolerance is not None else "true"
    captured = _here(split, part, _mirroring(split, local, address=address))
    found = [_capturing(captured, split.tolerance if mirrors else None)]
    return found if split.capture_percent == 100 else [*found, plain]


def _passed_on(split: Split, match: Json, part: Json, local: Json) -> list[Json]:
    """What a candidate is judged by: not what clients ask it by its own Service.

    Where answers are compared, of copies all those that the other Pod has captured as well: its address says so.
    """
    found = []
    if split.tolerance is not None:
        copy = {"name": MIRRORED_HEADER, "string_match": {"safe_regex": {"regex": "[0-9a-f.:]+"}}}
        found.append(_capturing(_here(split, {**match, "headers": [copy]}, local), split.tolerance))
    for name in (FORWARDED_HEADER, MIRRORED_HEADER):
        passed_on = {**part, "headers": [{"name": name, "present_match": True}]}
        found.append(_capturing(_here(split, passed_on, local), None))
    return found


def _part(percent: int) -> Json:
    """Some of the requests. Of the number that Envoy draws for each, the last two digits have decided about the share;
    here the two before them do, and about copies the two before those.
    """
    if percent == 100:
        return {}
    return {"runtime_fraction": {"default_value": {"numerator": percent * 100, "denominator": "TEN_THOUSAND"}}}


def _capturing(route: Json, tolerance: float | None) -> Json:
    """The filter is in each Pod's bootstrap, off. This turns it on."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"
    told = {} if tolerance is None else {"tolerance": tolerance}
    return {**route, "typed_per_filter_config": {CAPTURE_FILTER: {"@type": kind, "filter_context": told}}}


def _mirroring(split: Split, local: Json, suffix: str = "", address: str = "true") -> Json:
    if not split.mirror_percent:
        return {**local, "request_mirror_policies": []}
    return {**local, "request_mirror_policies": [_mirror(f"candidate{suffix}", split.mirror_percent, address)]}


def _mirror(cluster: str, percent: int, address: str) -> Json:
    """Copies, drawn independently of the share and of what is captured: see `_part`."""
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": {"numerator": percent * 10_000, "denominator": "MILLION"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [
            {
                "append": {
                    "header": {"key": MIRRORED_HEADER, "value": address},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            }
        ],
    }


def _here(split: Split, match: Json, route: Json) -> Json:
    """Whatever the model itself claims, its answers say which version and revision gave them. The candidate's own proxy
    marks the candidate's. And while one is judged no client may pass its request off as a copy, which only that gets;
    otherwise nobody asks, and a rollout without copies or contents leaves the candidate's routes as they will stay.
    """
    marks = {"x-modelops-model-version": split.version, "x-modelops-revision": split.revision}
    added = [
        # Envoy reads %…% as a command of its own.
        {"header": {"key": key, "value": value.replace("%", "%%")}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in marks.items()
        if value
    ]
    judges = split.weight > 0 or split.mirror_percent > 0 or split.capture_percent > 0
    removed = [MIRRORED_HEADER, FORWARDED_HEADER] if judges and not split.candidate else [FORWARDED_HEADER]
    return {"match": match, "route": route, "request_headers_to_remove": removed, "response_headers_to_add": added}


def _until(timeout: timedelta | None) -> Json:
    """The deadline. Without one, answers may be streams without end; the longest silence ends the dead ones."""
    return {"timeout": _seconds(timeout), "retry_policy": RETRY_POLICY}


def _grpc_until(timeout: timedelta | None) -> Json:
    """The client's own deadline counts up to ours: gRPC has it in a header. As the longest duration of a stream it ends
    with DEADLINE_EXCEEDED, as a timeout it would with UNAVAILABLE.
    """
    longest = {"grpc_timeout_header_max": _seconds(timeout), "max_stream_duration": _seconds(timeout)}
    return {"timeout": _seconds(None), "max_stream_duration": longest, "retry_policy": RETRY_POLICY}


def _answered_instead() -> list[Json]:
    """The marks of this Pod's own model where it answered for a candidate that did not. Empty ones are not added."""
    return [
        {
            "header": {"key": key, "value": f"%UPSTREAM_METADATA({ENDPOINT_METADATA}:{part})%"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            "keep_empty_value": False,
        }
        for key, part in (("x-modelops-model-version", "version"), ("x-modelops-revision", "revision"))
    ]


_OR_HERE: Json = {
    **RETRY_POLICY,
    "retry_priority": {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3"
            ".PreviousPrioritiesConfig",
            "update_frequency": 1,
        },
    },
}
"""And what did not reach a candidate, by this Pod's own model."""


def _seconds(length: timedelta | None) -> str:
    return f"{length.total_seconds():.6f}s" if length else "0s"
