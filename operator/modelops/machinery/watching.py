"""Watch streams, by kopf: they reconnect, and every event is passed to the handler unchanged."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import kopf

from modelops.machinery.kopf_storage import NoDiffBase, NoProgress
from modelops.machinery.resources import WATCHED, Body, Resource

EventHandler = Callable[[Resource, str | None, Body], None]
_PAGE = 500
_STREAM_SECONDS = 300


def registry(handle: EventHandler) -> kopf.OperatorRegistry:
    """Build kopf's handlers: one `on.event` per resource, without retries or state of kopf's."""
    handlers = kopf.OperatorRegistry()
    for resource in WATCHED:
        _watch(handlers, resource, handle)

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.persistence.diffbase_storage = NoDiffBase()
        settings.persistence.progress_storage = NoProgress()
        settings.queueing.idle_timeout = 0.5
        settings.watching.chunk_size = _PAGE
        settings.watching.server_timeout = _STREAM_SECONDS
        settings.watching.client_timeout = _STREAM_SECONDS + 30
        settings.watching.connect_timeout = 10
        for resource in WATCHED:
            if resource.label_selector:
                selected = (resource.group, resource.version, resource.plural)
                settings.watching.label_selectors[selected] = resource.label_selector

    @kopf.on.login(registry=handlers)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        in_cluster = kopf.login_with_service_account(**kwargs)
        if in_cluster is None:
            return kopf.login_with_kubeconfig(**kwargs)
        # kopf would connect to the API server by name, and so depend on the cluster's DNS.
        return dataclasses.replace(in_cluster, server=_api_server())

    return handlers


def _api_server() -> str:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _watch(handlers: kopf.OperatorRegistry, resource: Resource, handle: EventHandler) -> None:
    @kopf.on.event(resource.group, resource.version, resource.plural, registry=handlers, id=resource.plural)
    async def on_event(event: Any, **_: Any) -> None:
        handle(resource, event["type"], {**event["object"], "kind": resource.kind})
