"""The filters before the one that routes that keep bodies within `limits.maxBody`. Pure.

A body whose length is told first needs not be held to be refused: the header is enough, and nobody may send more than
it says. Only bodies of untold length are held until they are complete.
"""

from typing import Any

TOO_LARGE = 403
"""What Envoy says where it refuses a length. Nothing else of the proxy's own has this status."""
_LENGTH = "content-length"
_LONGEST = 2**63 - 1

Json = dict[str, Any]


def body_limit(most_bytes: int | None) -> list[Json]:
    """No filter where there is no limit. gRPC is exempt, whose messages come one by one."""
    return [] if most_bytes is None else [_by_length(most_bytes), _by_holding(most_bytes)]


def _by_length(most_bytes: int) -> Json:
    longer = {"name": _LENGTH, "range_match": {"start": most_bytes + 1, "end": _LONGEST}}
    grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    refused = {"and_rules": {"rules": [{"header": longer}, {"not_rule": {"header": grpc}}]}}
    policy = {"permissions": [refused], "principals": [{"any": True}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": {"too-large": policy}},
        },
    }


def _by_holding(most_bytes: int) -> Json:
    """The routes of gRPC switch it off by its name."""
    name = "envoy.filters.http.buffer"
    told = {
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
                "matcher_list": {"matchers": [{"predicate": {"single_predicate": told}, "on_match": {"action": skip}}]}
            },
            "extension_config": {
                "name": name,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": most_bytes,
                },
            },
        },
    }
