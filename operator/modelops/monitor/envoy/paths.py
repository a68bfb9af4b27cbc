"""HTTP filter that closes every path outside the protocol of the model's server. Pure.

Some servers let any client unload a model, by a path beside those for predictions.
"""

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
DENIED = 403
"""Status with which Envoy's RBAC filters reject a request. Local replies turn it into the status for clients."""
_ANY_PART = r"[^/%\\]+"
_ANY_REST = r"(?:/[^%\\]*)?"


def allowed_paths(patterns: Iterable[str]) -> str:
    """Return the regular expression of the paths that a list of patterns allows.

    `*` matches a part of a path between slashes, and `/**` at the end anything below. Neither matches an escaped
    character: a server may read `%2F` as a slash, and find another path than Envoy did.
    """
    return "|".join(_expression(pattern) for pattern in patterns)


def _expression(pattern: str) -> str:
    beginning = pattern.removesuffix("/**")
    parts = [re.escape(part) for part in beginning.split("*")]
    return _ANY_PART.join(parts) + (_ANY_REST if beginning != pattern else "")


def path_filter(patterns: Iterable[str]) -> list[Json]:
    """Build the filter, or none without patterns. It reads the path that Envoy has normalised, without the query."""
    expression = allowed_paths(patterns)
    if not expression:
        return []
    allowed = {"url_path": {"path": {"safe_regex": {"regex": expression}}}}
    policy = {"permissions": [{"not_rule": allowed}], "principals": [{"any": True}]}
    return [
        {
            "name": "modelops.paths",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                "rules": {"action": "DENY", "policies": {"unknown-path": policy}},
            },
        }
    ]
