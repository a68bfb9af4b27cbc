"""Which servers the operator asks for the checks of a namespace, and at which address. Pure, but for the lookup.

A user chooses the URLs, and the operator's network reaches more than the user's. So the operator asks Services of the
InferenceService's own namespace, by the cluster IP that the API server gave the Service: a name would be resolved by
whoever controls the name. All other servers must be named in the chart.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from yarl import URL

from modelops.api.addresses import ANY_ADDRESS, AddressRules
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

FindService = Callable[[str, str], Awaitable[Body | None]]
"""Reads a Service by namespace and name."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class NotAllowedError(Exception):
    """The operator does not ask the server; the message says which servers are allowed."""


@dataclass(frozen=True)
class Destination:
    """Server to ask."""

    url: URL
    rules: AddressRules
    """Rules for the addresses to which the host name resolves."""
    address: str | None = None
    """IP address to connect to. None: the addresses to which the host name resolves."""
    namespace_label: str | None = None
    """Label that every selector of a query must confine to the namespace. None: the server is the namespace's own."""


@dataclass(frozen=True)
class Destinations:
    """Servers that the checks of one namespace may name."""

    settings: Settings
    namespace: str
    find_service: FindService

    async def hook(self, text: str) -> Destination:
        """Return the server of a hook. Raises NotAllowedError, and ApiError."""
        url = _parsed(text)
        own = own_service(url.host or "", self.namespace, self.settings.cluster_domain)
        if own is not None:
            return await self._own(url, own)
        if not host_matches(url.host or "", self.settings.analysis.hooks.allowed):
            raise NotAllowedError(
                f'host "{url.host}" not allowed; use a Service of namespace "{self.namespace}", or a host of the'
                " chart's analysis.hooks.allowed"
            )
        return Destination(url, self.settings.egress.rules)

    async def prometheus(self, text: str) -> Destination:
        """Return the Prometheus at an address. Raises NotAllowedError, and ApiError."""
        url = _parsed(text.rstrip("/"))
        for shared in self.settings.analysis.prometheus.shared:
            if url == URL(shared.url.rstrip("/")):
                return Destination(url, ANY_ADDRESS, namespace_label=shared.namespace_label)
        own = own_service(url.host or "", self.namespace, self.settings.cluster_domain)
        if own is not None:
            return await self._own(url, own)
        raise NotAllowedError(
            f'address not allowed; use a Service of namespace "{self.namespace}", or a URL of the chart\'s'
            " analysis.prometheus.shared"
        )

    async def _own(self, url: URL, name: str) -> Destination:
        service = await self.find_service(self.namespace, name)
        if service is None:
            raise NotAllowedError(f'Service "{name}" not found; create it in namespace "{self.namespace}"')
        address = service["spec"].get("clusterIP")
        if service["spec"].get("type") == "ExternalName" or address in (None, "", "None"):
            # Its name leads to whatever its owner says, the Pods of another namespace for instance.
            raise NotAllowedError(f'Service "{name}" has no cluster IP; give the Service one')
        return Destination(url, ANY_ADDRESS, address=address)


def own_service(host: str, namespace: str, cluster_domain: str) -> str | None:
    """Return the name of the Service of a namespace that a host name means; None if it means anything else."""
    host = host.rstrip(".").lower()
    suffixes = (f".{namespace}.svc.{cluster_domain}", f".{namespace}.svc", f".{namespace}")
    name = next((host.removesuffix(suffix) for suffix in suffixes if host.endswith(suffix)), host)
    return name if _LABEL.fullmatch(name) else None


def host_matches(host: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern is the host, `*.` and a domain above it, or `*`."""
    host = host.rstrip(".").lower()
    return any(
        pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        for pattern in (text.lower() for text in patterns)
    )


def _parsed(text: str) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise NotAllowedError("URL not valid") from error
