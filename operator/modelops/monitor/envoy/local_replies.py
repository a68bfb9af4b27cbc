"""Replies that the proxy sends in the model's place: a status and a JSON body with the reason. Pure."""

from typing import Any

from modelops.monitor.envoy.paths import DENIED, allowed_paths
from modelops.monitor.envoy.upstreams import MAX_REQUESTS
from modelops.monitor.settings import Settings

Json = dict[str, Any]


def local_reply_config(settings: Settings) -> Json:
    """Build Envoy's `local_reply_config`. The first matching rule applies; other replies keep Envoy's own text."""
    limit = settings.max_concurrency or MAX_REQUESTS
    max_bytes = settings.max_body_bytes
    timed_out = "request timed out: no response in time; retry, or raise limits.timeout of the InferenceService"
    busy = (
        f"request rejected: this Pod already processes {limit} request{'' if limit == 1 else 's'}; "
        "retry in a second, or raise limits.maxConcurrency of the InferenceService"
    )
    unavailable = "request failed: no response from the %UPSTREAM_CLUSTER%, which is starting or has terminated"
    retry_after = {"header": {"key": "retry-after", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    rules = [
        {**_rule(_flags("UO"), busy), "status_code": 429, "headers_to_add": [retry_after]},
        _rule(_status(504), timed_out),
        _rule(_flags("UF", "UH", "NC", "UC", "UR"), unavailable),
    ]
    if max_bytes is not None:
        too_large = (
            f"request rejected: the body is larger than {max_bytes} bytes; see limits.maxBody of the InferenceService"
        )
        without_length = "request rejected: the length of the body is not told; send a Content-Length header"
        rules[:0] = [
            {**_rule(_status(413), without_length), "status_code": 411},
            {**_rule(_status(DENIED), too_large), "status_code": 413},
        ]
    if settings.paths:
        unknown = (
            "request rejected: the path is not one of the model server's protocol; see paths of the runtime in the"
            " chart, or of server.container in the InferenceService"
        )
        outside = {"and_filter": {"filters": [_status(DENIED), _path_is_not(allowed_paths(settings.paths))]}}
        rules.insert(0, {**_rule(outside, unknown), "status_code": 404})
    return {"mappers": rules, "body_format": _text("%LOCAL_REPLY_BODY%")}


def _rule(filter_: Json, text: str) -> Json:
    return {"filter": filter_, "body_format_override": _text(text)}


def _text(text: str) -> Json:
    return {"json_format": {"error": text}}


def _flags(*flags: str) -> Json:
    """Match Envoy's response flags, which say why it replied.

    See https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage.
    """
    return {"response_flag_filter": {"flags": list(flags)}}


def _path_is_not(expression: str) -> Json:
    """Match requests whose path is not of this form, whatever their query."""
    matcher = {"name": ":path", "string_match": {"safe_regex": {"regex": rf"(?:{expression})(?:\?.*)?"}}}
    return {"header_filter": {"header": {**matcher, "invert_match": True}}}


def _status(status: int) -> Json:
    equal = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"modelops.reply_{status}"}}
    return {"status_code_filter": {"comparison": equal}}
