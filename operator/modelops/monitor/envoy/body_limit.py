"""HTTP filters that reject bodies larger than `limits.maxBody`, and those that do not tell their length. Pure.

A body with a Content-Length is rejected by its header without being buffered: HTTP allows no body longer than
announced. A body without one is rejected when its second byte arrives, since it could only be limited in memory.
"""

from typing import Any

_LENGTH = "content-length"
_MAX_LENGTH = 2**63 - 1

Json = dict[str, Any]


def body_limit(max_bytes: int | None) -> list[Json]:
    """Return the filters, or none without a limit. gRPC is exempt, because its messages arrive one by one."""
    return [] if max_bytes is None else [_reject_by_length(max_bytes), _reject_without_length()]


def _reject_by_length(max_bytes: int) -> Json:
    longer = {"name": _LENGTH, "range_match": {"start": max_bytes + 1, "end": _MAX_LENGTH}}
    grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    rejected = {"and_rules": {"rules": [{"header": longer}, {"not_rule": {"header": grpc}}]}}
    policy = {"permissions": [rejected], "principals": [{"any": True}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": {"too-large": policy}},
        },
    }


def _reject_without_length() -> Json:
    """Build the buffer filter, with room for nothing. gRPC's routes disable it by this name."""
    name = "envoy.filters.http.buffer"
    has_length = {
        "input": {
            "name": _LENGTH,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                "header_name": _LENGTH,
            },
        },
        "value_match": {"safe_regex": {"google_re2": {}, "regex": "[0-9]+"}},
    }
    skip = {
        "name": "skip",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter"},
    }
    return {
        "name": name,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "xds_matcher": {
                "matcher_list": {
                    "matchers": [{"predicate": {"single_predicate": has_length}, "on_match": {"action": skip}}]
                }
            },
            "extension_config": {
                "name": name,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": 1,
                },
            },
        },
    }
