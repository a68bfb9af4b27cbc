"""Audit log of the API server: which requests of the operator left the namespaces that have its objects. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelops.api.crds import KINDS
from modelops.api.kinds import GROUP
from modelops.machinery.resources import BY_KIND, EVENTS, PERSISTENT_VOLUME_CLAIMS, WATCHED, WORKLOADS

_OWN_KINDS = {(GROUP, kind.plural) for kind in KINDS}
_CHANGES = ("create", "update", "patch")
_READS_OF_ALL = ("list", "watch")
_WATCHED = {(resource.group, resource.plural) for resource in WATCHED}
_KNOWN = {
    (resource.group, resource.plural) for resource in (*BY_KIND.values(), EVENTS, PERSISTENT_VOLUME_CLAIMS, WORKLOADS)
}
_LEASES = ("coordination.k8s.io", "leases")
_CREATED = 201
Right = tuple[str, str, str]
"""Group of the API, resource with its subresource, and verb."""


@dataclass(frozen=True)
class Request:
    """Request to the API server. The fields about an object are empty for a request that names none."""

    user: str
    verb: str
    uri: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int

    @property
    def kind(self) -> tuple[str, str]:
        """Group and resource."""
        return self.group, self.resource

    def __str__(self) -> str:
        return f"{self.verb} {self.uri} ({self.code})"


def requests(lines: Iterable[str]) -> Iterator[Request]:
    """Yield the request of each line of the log. A last line that is not yet whole is left out."""
    for line in lines:
        if not line.endswith("\n"):
            return
        event = json.loads(line)
        about = event.get("objectRef") or {}
        yield Request(
            user=event["user"]["username"],
            verb=event["verb"],
            uri=event["requestURI"],
            group=about.get("apiGroup", ""),
            resource=about.get("resource", ""),
            subresource=about.get("subresource", ""),
            namespace=about.get("namespace", ""),
            name=about.get("name", ""),
            code=event.get("responseStatus", {}).get("code", 0),
        )


def strays(log: Iterable[Request], operator: str, own_namespace: str) -> list[str]:
    """Return the operator's requests that leave the namespaces of the objects that it reconciles, in their order.

    Such a namespace is one in which somebody else has created or changed an object of the four kinds. There the
    operator may name objects of the kinds that it reads or writes. Over all namespaces it may list and watch what it
    watches, and it may ask for the API itself. In its own namespace it has a Lease.
    """
    seen = list(log)
    reconciled = {
        request.namespace
        for request in seen
        if request.user != operator
        and request.kind in _OWN_KINDS
        and request.verb in _CHANGES
        and 200 <= request.code < 300
        and "dryRun=" not in request.uri
    }
    return [
        str(request) for request in seen if request.user == operator and not _stays(request, reconciled, own_namespace)
    ]


def used_rights(log: Iterable[Request], operator: str) -> set[Right]:
    """Return the rights that the operator's requests needed, as group, resource and verb.

    A server-side apply that creates its object needs the verb create too, although the request is a patch.
    """
    rights = set()
    for request in log:
        if request.user == operator and request.resource:
            resource = "/".join(filter(None, (request.resource, request.subresource)))
            created = request.verb == "patch" and request.code == _CREATED
            rights |= {(request.group, resource, verb) for verb in (request.verb, *(["create"] if created else []))}
    return rights


def granted_rights(roles: Iterable[Mapping[str, Any]]) -> set[Right]:
    """Return the rights that roles grant, as group, resource and verb."""
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _stays(request: Request, reconciled: set[str], own_namespace: str) -> bool:
    path = request.uri.partition("?")[0]
    if any(part in path.lower() for part in ("..", "%", "//")):
        return False
    if not request.resource:
        return "/namespaces/" not in path
    if not request.namespace:
        return request.verb in _READS_OF_ALL and request.kind in _WATCHED and not request.name
    if request.kind == _LEASES:
        return request.namespace == own_namespace
    return request.namespace in reconciled and request.kind in _KNOWN
