"""What a client is told where the proxy answers in the model's place: a status and a JSON body that says why. Pure."""

from typing import Any

from modelops.monitor.envoy.body_limit import TOO_LARGE
from modelops.monitor.envoy.upstreams import MOST_AT_ONCE
from modelops.monitor.settings import Settings

Json = dict[str, Any]


def replies(settings: Settings) -> Json:
    """Envoy's `local_reply_config`: the first rule that fits. What none fits keeps Envoy's own words."""
    most = settings.max_concurrency or MOST_AT_ONCE
    body = settings.max_body_bytes
    late = "the model did not answer in time: see limits.timeout of the InferenceService"
    busy = f"this Pod works on {most} requests already: try again in a second, or raise limits.maxConcurrency"
    away = "the %UPSTREAM_CLUSTER% does not answer: it has not started yet, or has just ended"
    wait = {"header": {"key": "retry-after", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    rules = [
        {**_rule(_flags("UO"), busy), "status_code": 429, "headers_to_add": [wait]},
        _rule(_status(504), late),
        _rule(_flags("UF", "UH", "NC", "UC", "UR"), away),
    ]
    if body is not None:
        large = f"the body is larger than {body} bytes: see limits.maxBody of the InferenceService"
        rules[:0] = [_rule(_status(413), large), {**_rule(_status(TOO_LARGE), large), "status_code": 413}]
    return {"mappers": rules, "body_format": _text("%LOCAL_REPLY_BODY%")}


def _rule(fits: Json, text: str) -> Json:
    return {"filter": fits, "body_format_override": _text(text)}


def _text(text: str) -> Json:
    return {"json_format": {"error": text}}


def _flags(*flags: str) -> Json:
    """Why Envoy answered (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage)."""
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(status: int) -> Json:
    equal = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"modelops.reply_{status}"}}
    return {"status_code_filter": {"comparison": equal}}
