"""Routes of the Envoy in each Pod: who answers a request. Envoy watches their file while it runs. Pure.

The file is a DiscoveryResponse with one RouteConfiguration, as in Envoy's RDS
(https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/rds). The routes name clusters of the
Pod's bootstrap.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from modelops.api.contract.proxy import (
    CAPTURE_FILTER,
    ENDPOINT_METADATA,
    FALLBACK_RETRY_POLICY,
    FORWARDED_HEADER,
    MIRRORED_HEADER,
    RETRY_POLICY,
)
from modelops.lineage.digests import canonical_json, json_digest, short

_NAME = "model"
_BUFFER = "envoy.filters.http.buffer"
_OWN_ADDRESS = "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"

Json = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """How the Pods of one revision split the requests that reach them."""

    version: str
    """Version of these Pods."""
    revision: str
    """Revision of these Pods."""
    readiness_path: str
    """Readiness path as probes send it: spaces are encoded, and a query may follow."""
    grpc: bool = False
    """Whether the model has a port for gRPC."""
    candidate: bool = False
    """Whether these Pods are a candidate's: the monitor captures only requests that another revision's Pods forward or
    mirror, which a header marks by the token."""
    token: str = ""
    """Value that marks requests as forwarded or mirrored, unknown to clients. Empty: the marks count for nothing."""
    weight: int = 0
    """Percent of the requests that are forwarded to the candidate, 0 to 100. The own model answers the rest."""
    mirror_percent: int = 0
    """Percent of the requests to the own model that are mirrored to the candidate, 0 to 100."""
    capture_percent: int = 0
    """Percent of the requests to the own model that the monitor captures, 0 to 100. gRPC is not captured."""
    tolerance: float | None = None
    """Greatest difference of two equal numbers in the responses to a mirrored request, relative to the greater one.
    None: responses are not compared. The Pods that mirror keep their responses and the candidate's Pods compare, so
    both need the value, and only captured requests count."""
    timeout: timedelta | None = None
    """Longest duration of a request. None: no limit."""


@dataclass(frozen=True)
class RenderedRoutes:
    """Routes as the ConfigMap has them."""

    name: str
    """Name that Envoy reports once these routes are in effect."""
    text: str
    """Canonical JSON."""


@lru_cache(maxsize=256)
def rendered(split: Split) -> RenderedRoutes:
    """Return the routes of a split as text. A plan needs those of the stable revision more than once."""
    content = routes(split)
    return RenderedRoutes(name_of(content), canonical_json(content).decode())


def routes(split: Split) -> Json:
    """Build the file that Envoy reads.

    The virtual host's name is a hash of all routes: Envoy reports by that name which routes are in effect.
    """
    entries = [_readiness(split), *(_split(split, grpc=True) if split.grpc else []), *_split(split, grpc=False)]
    name = f"weights-{short(json_digest(entries), 16)}"
    return {
        "version_info": name,
        "resources": [
            {
                "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                "name": _NAME,
                "virtual_hosts": [{"name": name, "domains": ["*"], "routes": entries}],
            }
        ],
    }


def name_of(content: Json) -> str:
    """Return the name that Envoy reports once the routes of a file are in effect."""
    name: str = content["resources"][0]["virtual_hosts"][0]["name"]
    return name


def _readiness(split: Split) -> Json:
    """Route the kubelet's probes to the own model: they are neither split nor counted."""
    path = split.readiness_path.partition("?")[0]
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    return _own(split, {"path": path, "headers": [get]}, {"cluster": "model_probe", **_until(None)})


def _split(split: Split, *, grpc: bool) -> list[Json]:
    """Route the candidate's weight, then the rest.

    Two routes rather than one with weighted clusters: mirroring belongs to a route, and the candidate would get
    mirrored requests that it has answered itself.
    """
    suffix = "_grpc" if grpc else ""
    match: Json = {"prefix": "/", "grpc": {}} if grpc else {"prefix": "/"}
    until = _grpc_until(split.timeout) if grpc else _until(split.timeout)
    entries: list[Json] = []
    if split.weight > 0:
        weight = {"runtime_fraction": {"default_value": {"numerator": split.weight, "denominator": "HUNDRED"}}}
        route = {"cluster": f"candidate{suffix}", **until, "retry_policy": FALLBACK_RETRY_POLICY}
        entries.append(
            {
                "match": {**match, **weight},
                "route": route,
                "request_headers_to_add": [_header(FORWARDED_HEADER, split.token)] if split.token else [],
                "request_headers_to_remove": [MIRRORED_HEADER, FORWARDED_HEADER],
                "response_headers_to_add": _fallback_marks(),
            }
        )
    if split.weight < 100:
        local = {"cluster": f"model{suffix}", **until}
        if grpc:
            entries.append(_own(split, match, _mirroring(split, local, suffix)))
        else:
            entries += _captured(split, match, local)
    if grpc:
        # The messages of a call are a stream, which must not be buffered until it ends.
        unbuffered = {"@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute"}
        entries = [
            {**route, "typed_per_filter_config": {_BUFFER: {**unbuffered, "disabled": True}}} for route in entries
        ]
    return entries


def _captured(split: Split, match: Json, local: Json) -> list[Json]:
    """Route requests to the own model: the captured part, then the rest, for which the filter stays off."""
    plain = _own(split, match, _mirroring(split, local))
    if split.capture_percent == 0:
        return [plain]
    part = {**match, **_part(split.capture_percent)}
    if split.candidate:
        return [*_forwarded(split, match, part, local), plain]
    mirrors = split.mirror_percent > 0
    address = f" {_OWN_ADDRESS}" if split.token and split.tolerance is not None else ""
    captured = _own(split, part, _mirroring(split, local, address=address))
    entries = [_capturing(captured, split.tolerance if mirrors else None)]
    return entries if split.capture_percent == 100 else [*entries, plain]


def _forwarded(split: Split, match: Json, part: Json, local: Json) -> list[Json]:
    """Capture what a candidate is analysed by: forwarded and mirrored requests, not those through its own Service.

    The token tells them apart from a client's requests with the same headers. Where responses are compared, every
    mirrored request is captured that the other Pod has captured too, which the address in its header says.
    """
    if not split.token:
        return []
    exact = {"exact": split.token}
    forwarded = {**part, "headers": [{"name": FORWARDED_HEADER, "string_match": exact}]}
    mirrored = {**part, "headers": [{"name": MIRRORED_HEADER, "string_match": exact}]}
    entries = [
        _capturing(_own(split, forwarded, local), None),
        _capturing(_own_mirrored(split, mirrored, local), None, mirrored=True),
    ]
    if split.tolerance is None:
        return entries
    kept = {**match, "headers": [{"name": MIRRORED_HEADER, "string_match": {"prefix": f"{split.token} "}}]}
    return [_capturing(_own_mirrored(split, kept, local), split.tolerance, mirrored=True), *entries]


def _part(percent: int) -> Json:
    """Match a percentage of the requests, drawn independently of the weight and of mirroring.

    Envoy draws one number for each request. Its last two digits decide about the weight, the two before them about
    capturing, and the two before those about mirroring.
    """
    if percent == 100:
        return {}
    return {"runtime_fraction": {"default_value": {"numerator": percent * 100, "denominator": "TEN_THOUSAND"}}}


def _capturing(route: Json, tolerance: float | None, *, mirrored: bool = False) -> Json:
    """Turn on the capture filter for a route. The Pod's bootstrap has the filter, turned off.

    The filter says that a request is mirrored only where the route does, whatever the request's headers.
    """
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"
    context: Json = {} if tolerance is None else {"tolerance": tolerance}
    if mirrored:
        context["mirrored"] = True
    return {**route, "typed_per_filter_config": {CAPTURE_FILTER: {"@type": kind, "filter_context": context}}}


def _mirroring(split: Split, local: Json, suffix: str = "", address: str = "") -> Json:
    if not split.mirror_percent:
        return {**local, "request_mirror_policies": []}
    mark = f"{split.token}{address}" if split.token else "true"
    return {**local, "request_mirror_policies": [_mirror(f"candidate{suffix}", split.mirror_percent, mark)]}


def _mirror(cluster: str, percent: int, mark: str) -> Json:
    """Mirror a percentage of the requests, drawn as `_part` says."""
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": {"numerator": percent * 10_000, "denominator": "MILLION"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [{"append": _header(MIRRORED_HEADER, mark)}],
    }


def _own(split: Split, match: Json, route: Json) -> Json:
    """Route to the own model, and mark its responses with its version and revision, whatever the model claims.

    The model gets neither the token nor an address: the header of forwarded requests is removed, and that of mirrored
    requests has the value `true`, or is removed where no mirrored request can arrive. Without mirroring or captured
    contents, the candidate's routes are the same before and after its promotion.
    """
    marks = {"x-modelops-model-version": split.version, "x-modelops-revision": split.revision}
    # Envoy would read %…% as a command operator.
    added = [_header(key, value.replace("%", "%%")) for key, value in marks.items() if value]
    compares = split.weight > 0 or split.mirror_percent > 0 or split.capture_percent > 0
    removed = [MIRRORED_HEADER, FORWARDED_HEADER] if compares else [FORWARDED_HEADER]
    mirrored = [] if compares else [{**_header(MIRRORED_HEADER, "true"), "append_action": "OVERWRITE_IF_EXISTS"}]
    return {
        "match": match,
        "route": route,
        "request_headers_to_add": mirrored,
        "request_headers_to_remove": removed,
        "response_headers_to_add": added,
    }


def _own_mirrored(split: Split, match: Json, route: Json) -> Json:
    """Route mirrored requests to the candidate's own model, which learns that they are mirrored."""
    own = _own(split, match, route)
    return {**own, "request_headers_to_add": [_header(MIRRORED_HEADER, "true")]}


def _header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _until(timeout: timedelta | None) -> Json:
    """Return the route's timeout. Without one a response may be an endless stream, which only a long silence ends."""
    return {"timeout": _seconds(timeout), "retry_policy": RETRY_POLICY}


def _grpc_until(timeout: timedelta | None) -> Json:
    """Return the longest duration of a gRPC call. The client's deadline, which gRPC has in a header, counts up to it.

    A `max_stream_duration` ends the call with DEADLINE_EXCEEDED, a timeout would end it with UNAVAILABLE.
    """
    longest = {"grpc_timeout_header_max": _seconds(timeout), "max_stream_duration": _seconds(timeout)}
    return {"timeout": _seconds(None), "max_stream_duration": longest, "retry_policy": RETRY_POLICY}


def _fallback_marks() -> list[Json]:
    """Mark the response of the own model where it answered in place of a candidate that did not.

    Envoy does not add a header with an empty value.
    """
    return [
        {
            "header": {"key": key, "value": f"%UPSTREAM_METADATA({ENDPOINT_METADATA}:{part})%"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            "keep_empty_value": False,
        }
        for key, part in (("x-modelops-model-version", "version"), ("x-modelops-revision", "revision"))
    ]


def _seconds(length: timedelta | None) -> str:
    return f"{length.total_seconds():.6f}s" if length else "0s"
