"""Watch streams, by kopf: they reconnect, and every event is passed to the handler unchanged.

The storages store nothing: by default kopf copies every object of every event, for kinds of handlers that this operator
does not have.
"""

import dataclasses
import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
from aiohttp.client import ClientRequest, ClientResponse

from modelops.machinery.kube import METADATA_ONLY, METADATA_ONLY_LIST
from modelops.machinery.resources import PAGE, WATCHED, Body, Resource

EventHandler = Callable[[Resource, str | None, Body], None]
_STREAM_SECONDS = 300
_METADATA_ONLY = frozenset(resource.plural for resource in WATCHED if resource.metadata_only)


def registry(handle: EventHandler) -> kopf.OperatorRegistry:
    """Build kopf's handlers: one `on.event` per resource, without retries or state of kopf's."""
    handlers = kopf.OperatorRegistry()
    for resource in WATCHED:
        _watch(handlers, resource, handle)

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.persistence.diffbase_storage = _NoDiffBase()
        settings.persistence.progress_storage = _NoProgress()
        settings.queueing.idle_timeout = 0.5
        settings.watching.chunk_size = PAGE
        settings.watching.server_timeout = _STREAM_SECONDS
        settings.watching.client_timeout = _STREAM_SECONDS + 30
        settings.watching.connect_timeout = 10
        for resource in WATCHED:
            if resource.label_selector:
                selected = (resource.group, resource.version, resource.plural)
                settings.watching.label_selectors[selected] = resource.label_selector

    @kopf.on.login(registry=handlers)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        in_cluster = kopf.login_with_service_account(**kwargs)
        if in_cluster is None:
            from_file = kopf.login_with_kubeconfig(**kwargs)
            return _session(from_file) if from_file is not None else None
        # kopf would connect to the API server by name, and so depend on the cluster's DNS.
        return _session(dataclasses.replace(in_cluster, server=_api_server()))

    return handlers


def _session(connection: kopf.ConnectionInfo) -> kopf.AiohttpSession:
    """Open the session that kopf itself would, but for the middleware. kopf closes the session."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=connection.as_ssl_context()),
        headers=connection.as_http_headers(),
        proxy=connection.proxy_url,
        trust_env=connection.trust_env,
        middlewares=[ask_for_metadata],
        response_class=ListResponse,
    )
    return kopf.AiohttpSession(
        server=connection.server,
        priority=connection.priority,
        default_namespace=connection.default_namespace,
        expiration=connection.expiration,
        aiohttp_session=session,
    )


class ListResponse(ClientResponse):
    """Response whose empty list has items. In a list of metadata the API server writes null for no objects."""

    async def json(self, **options: Any) -> Any:
        """Return the body, with an empty list for items that are null."""
        body = await super().json(**options)
        if isinstance(body, dict) and body.get("items", ()) is None:
            body["items"] = []
        return body


async def ask_for_metadata(
    request: ClientRequest, send: Callable[[ClientRequest], Awaitable[ClientResponse]]
) -> ClientResponse:
    """Send a request, and ask for the metadata alone where its resource says so. Middleware of aiohttp."""
    if request.url.name in _METADATA_ONLY:
        request.headers["Accept"] = METADATA_ONLY if "watch" in request.url.query else METADATA_ONLY_LIST
    return await send(request)


def _api_server() -> str:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _watch(handlers: kopf.OperatorRegistry, resource: Resource, handle: EventHandler) -> None:
    @kopf.on.event(resource.group, resource.version, resource.plural, registry=handlers, id=resource.plural)
    async def on_event(event: Any, **_: Any) -> None:
        handle(resource, event["type"], {**event["object"], "kind": resource.kind})


class _NoDiffBase(kopf.DiffBaseStorage):
    """Storage of last-seen states that builds, keeps and compares nothing."""

    def build(self, **_: Any) -> Any:
        """Return an empty state."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return None."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Storage of the progress of handlers that keeps nothing."""

    def fetch(self, **_: Any) -> Any:
        """Return None."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Mark nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the object's essence unchanged."""
        return essence
