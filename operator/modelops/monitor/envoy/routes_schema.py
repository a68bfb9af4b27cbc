"""Routes that Envoy may be given: those of the operator's form, and no other. Pure.

The routes lie in a ConfigMap, which more people may edit than may serve a model. In Envoy a route can be far more than
an address: a response of its own, a redirect, a script, or a way to this proxy's admin interface. So each field is
named here, and a document with any other is refused. `controllers/inferenceservice/traffic/envoy_routes.py` writes the
documents.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from modelops.api.contract.proxy import (
    CAPTURE_FILTER,
    ENDPOINT_METADATA,
    FALLBACK_RETRY_POLICY,
    RETRY_POLICY,
    TOKEN,
)

MAX_BYTES = 2**20
"""Limit of the API server for the data of a ConfigMap."""
_MAX_REASON = 300

Text = Annotated[str, StringConstraints(max_length=2048)]
Duration = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?s$")]
Cluster = Literal["model", "model_grpc", "model_probe", "candidate", "candidate_grpc"]
HeldHeader = Literal["x-modelops-mirrored", "x-modelops-forwarded"]
Mark = Literal["x-modelops-model-version", "x-modelops-revision"]
Literally = Annotated[str, StringConstraints(pattern=r"^(%%|[^%\r\n\x00])*$", max_length=1024)]
"""Text without Envoy's command operators, which could copy a client's credentials into a header."""
Overwrite = Literal["OVERWRITE_IF_EXISTS_OR_ADD"]


class RefusedRoutesError(ValueError):
    """The document is not of the operator's form. The message says where."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Percentage(_Strict):
    numerator: Annotated[int, Field(ge=0, le=1_000_000)]
    denominator: Literal["HUNDRED", "TEN_THOUSAND", "MILLION"]


class _Fraction(_Strict):
    default_value: _Percentage


class _IsGet(_Strict):
    exact: Literal["GET"]


class _MethodMatch(_Strict):
    name: Literal[":method"]
    string_match: _IsGet


class _IsToken(_Strict):
    exact: Annotated[str, StringConstraints(pattern=rf"^{TOKEN}$")]


class _BeginsWithToken(_Strict):
    prefix: Annotated[str, StringConstraints(pattern=rf"^{TOKEN} $")]


class _MarkMatch(_Strict):
    name: HeldHeader
    string_match: _IsToken | _BeginsWithToken


class _Empty(_Strict):
    pass


class _Match(_Strict):
    prefix: Literal["/"] | None = None
    path: Text | None = None
    grpc: _Empty | None = None
    headers: Annotated[list[_MethodMatch | _MarkMatch], Field(max_length=1)] = []
    runtime_fraction: _Fraction | None = None


class _RequestHeader(_Strict):
    key: HeldHeader
    value: Annotated[str, StringConstraints(pattern=rf"^(true|{TOKEN}( %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%)?)$")]


class _RequestHeaderAdded(_Strict):
    header: _RequestHeader
    append_action: Literal["OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"]


class _LiteralMark(_Strict):
    key: Mark
    value: Literally


class _EndpointMark(_Strict):
    key: Mark
    value: Annotated[
        str, StringConstraints(pattern=rf"^%UPSTREAM_METADATA\({ENDPOINT_METADATA}:(version|revision)\)%$")
    ]


class _MarkAdded(_Strict):
    header: _LiteralMark | _EndpointMark
    append_action: Overwrite
    keep_empty_value: Literal[False] = False


class _MirroredHeader(_Strict):
    append: _RequestHeaderAdded


class _Mirror(_Strict):
    cluster: Literal["candidate", "candidate_grpc"]
    runtime_fraction: _Fraction
    disable_shadow_host_suffix_append: Literal[True]
    request_headers_mutations: Annotated[list[_MirroredHeader], Field(min_length=1, max_length=1)]


class _StreamDuration(_Strict):
    grpc_timeout_header_max: Duration
    max_stream_duration: Duration


class _Action(_Strict):
    cluster: Cluster
    timeout: Duration
    max_stream_duration: _StreamDuration | None = None
    retry_policy: dict[str, Any]
    request_mirror_policies: Annotated[list[_Mirror], Field(max_length=1)] = []

    @model_validator(mode="after")
    def _retries_as_written(self) -> "_Action":
        if self.retry_policy not in (RETRY_POLICY, FALLBACK_RETRY_POLICY):
            raise ValueError("retry_policy is not the operator's")
        return self


class _CaptureContext(_Strict):
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    mirrored: Literal[True] | None = None


class _Capture(_Strict):
    type_: Literal["type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"] = Field(alias="@type")
    filter_context: _CaptureContext


class _Unbuffered(_Strict):
    type_: Literal["type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute"] = Field(alias="@type")
    disabled: Literal[True]


class _Filters(_Strict):
    capture: _Capture | None = Field(default=None, alias=CAPTURE_FILTER)
    buffer: _Unbuffered | None = Field(default=None, alias="envoy.filters.http.buffer")


class _Route(_Strict):
    match: _Match
    route: _Action
    request_headers_to_add: Annotated[list[_RequestHeaderAdded], Field(max_length=1)] = []
    request_headers_to_remove: Annotated[list[HeldHeader], Field(max_length=2)] = []
    response_headers_to_add: Annotated[list[_MarkAdded], Field(max_length=2)] = []
    typed_per_filter_config: _Filters = _Filters()

    @model_validator(mode="after")
    def _limits_hold(self) -> "_Route":
        if self.typed_per_filter_config.buffer is not None and self.match.grpc is None:
            raise ValueError("only the routes of gRPC are without the limit of a body")
        if self.route.cluster == "model_probe" and self.match.path is None:
            raise ValueError("only one path leads to the cluster of probes, which has no limit")
        return self


class _VirtualHost(_Strict):
    name: Annotated[str, StringConstraints(pattern=r"^weights-[0-9a-f]{16}$")]
    domains: Annotated[list[Literal["*"]], Field(min_length=1, max_length=1)]
    routes: Annotated[list[_Route], Field(min_length=1, max_length=64)]


class _RouteConfiguration(_Strict):
    type_: Literal["type.googleapis.com/envoy.config.route.v3.RouteConfiguration"] = Field(alias="@type")
    name: Literal["model"]
    virtual_hosts: Annotated[list[_VirtualHost], Field(min_length=1, max_length=1)]


class _Document(_Strict):
    version_info: Text
    resources: Annotated[list[_RouteConfiguration], Field(min_length=1, max_length=1)]

    @model_validator(mode="after")
    def _one_name(self) -> "_Document":
        if self.version_info != self.resources[0].virtual_hosts[0].name:
            raise ValueError("version_info is not the name of the virtual host")
        return self


def accepted_routes(content: bytes) -> bytes:
    """Return the routes as Envoy reads them, parsed and written again. Raises RefusedRoutesError."""
    if len(content) > MAX_BYTES:
        raise RefusedRoutesError(f"more than {MAX_BYTES} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RefusedRoutesError("not JSON") from error
    try:
        _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RefusedRoutesError(f"{where or 'document'}: {first['msg']}"[:_MAX_REASON]) from error
    return json.dumps(document, separators=(",", ":")).encode()
