"""Client of the Kubernetes API: JSON in, JSON out, one exception type, every request counted."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config
from pydantic_core import from_json, to_json
from yarl import URL

from modelops.machinery import metrics
from modelops.machinery.resources import MANAGER, PAGE, Body, Resource

_TIMEOUT_SECONDS = 30
_CONNECTIONS = 64
_JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""Media type of one object, or of watch events, by their metadata alone."""
METADATA_ONLY_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Media type of a list of objects by their metadata alone."""

_MOST_FOUND = 1000
"""Largest number of objects that one request returns: more than a Job has Pods."""


class ApiError(Exception):
    """The API server rejected a request, or was unreachable (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def conflict(self) -> bool:
        """Whether another writer was faster. Reconciling again helps."""
        return self.status == 409

    @property
    def permanent(self) -> bool:
        """Whether retrying cannot help until a person changes something: 400, 403, 404 of a namespace, 413, 422."""
        return 400 <= self.status < 500 and self.status not in (401, 408, 409, 410, 429)

    @property
    def forbidden(self) -> bool:
        """Whether the operator lacks a right, or an admission policy refuses the object."""
        return self.status == 403

    @property
    def out_of_quota(self) -> bool:
        """Whether a ResourceQuota is exhausted. Missing rights are 403 Forbidden too: only the message differs."""
        return self.status == 403 and "exceeded quota" in self.message


class Kube:
    """Connection to the API server. Call `close` after use."""

    def __init__(self, api_client: client.ApiClient) -> None:
        self.client = api_client
        self._configuration = api_client.configuration
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=api_client.rest_client.ssl_context),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
        )

    @classmethod
    async def connect(cls) -> "Kube":
        """Connect with the ServiceAccount's token inside a cluster, else with the kubeconfig."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self.client.close()  # type: ignore[no-untyped-call]

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return an object, or None if there is none. Raises ApiError, as every method here does."""
        try:
            return await self._call("GET", resource.path(namespace, name), resource)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def metadata(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return the metadata of an object, or None if there is none. Its content never leaves the API server."""
        try:
            answer = await self._call("GET", resource.path(namespace, name), resource, accept=METADATA_ONLY)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        metadata: Body = answer["metadata"]
        return metadata

    async def pages(self, resource: Resource, namespace: str | None) -> AsyncIterator[tuple[int, list[Body]]]:
        """Yield every object, page by page, as (resourceVersion of the list, objects with their kind filled in)."""
        query = {"limit": str(PAGE)}
        accept = METADATA_ONLY_LIST if resource.metadata_only else _JSON
        if resource.label_selector:
            query["labelSelector"] = resource.label_selector
        while True:
            page = await self._call("GET", resource.path(namespace), resource, query=query, verb="LIST", accept=accept)
            items = page["items"] or []  # In a list of metadata the API server writes null for no objects.
            for item in items:
                item["kind"] = resource.kind
            yield int(page["metadata"]["resourceVersion"]), items
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def find(self, resource: Resource, namespace: str, selector: str = "", *, fields: str = "") -> list[Body]:
        """Return the objects of a namespace that match a label selector and a field selector.

        Returns no objects where the resource is not installed, and the first thousand where there are more.
        """
        query = {"limit": str(_MOST_FOUND), **({"labelSelector": selector} if selector else {})}
        if fields:
            query["fieldSelector"] = fields
        try:
            page = await self._call("GET", resource.path(namespace), resource, query=query, verb="LIST")
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        items: list[Body] = page["items"]
        return items

    async def apply(self, resource: Resource, body: Body) -> Body:
        """Apply an object on the server: the fields in `body` get these values, and belong to the operator."""
        metadata = body["metadata"]
        return await self._call(
            "PATCH",
            resource.path(metadata["namespace"], metadata["name"]),
            resource,
            query={"fieldManager": MANAGER, "force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
            verb="APPLY",
        )

    async def patch_status(self, resource: Resource, namespace: str, name: str, patch: Body) -> Body:
        """Merge-patch the status subresource. Return the object's metadata: the caller has just sent the rest."""
        answer = await self._call(
            "PATCH",
            resource.path(namespace, name, "status"),
            resource,
            query={"fieldManager": MANAGER},
            body=patch,
            content_type="application/merge-patch+json",
            verb="PATCH",
            accept=METADATA_ONLY,
        )
        metadata: Body = answer["metadata"]
        return metadata

    async def create_if_absent(self, resource: Resource, body: Body) -> tuple[Body, bool]:
        """Create an object that cannot change afterwards, unless it exists.

        Return the object as it is in the cluster, and whether this request created the object.

        For Jobs, which are created by the thousand: server-side apply takes the API server twice the time.
        """
        path = resource.path(body["metadata"]["namespace"])
        try:
            answer = await self._call(
                "POST", path, resource, query={"fieldManager": MANAGER}, body=body, accept=METADATA_ONLY
            )
        except ApiError as error:
            if not error.conflict:
                raise
            existing = await self.get(resource, body["metadata"]["namespace"], body["metadata"]["name"])
            if existing is None:
                raise
            return {**existing, "kind": resource.kind}, False
        return {**body, "metadata": answer["metadata"]}, True

    async def create(self, resource: Resource, body: Body) -> Body:
        """Create an object and return it."""
        return await self._call("POST", resource.path(body["metadata"]["namespace"]), resource, body=body)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str | None) -> None:
        """Delete an object, and in the background what it owns. An object that does not exist is not an error.

        With a UID only the object with this UID is deleted: another one of its name raises ApiError, a conflict.
        """
        options: Body = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", resource.path(namespace, name), resource, body=options)
        except ApiError as error:
            if error.status != 404:
                raise

    async def _call(
        self,
        method: str,
        path: str,
        resource: Resource,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        verb: str | None = None,
    ) -> Body:
        headers = {"Accept": accept, "Content-Type": content_type}
        if token := await self._configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        # Sent as it is written: aiohttp would otherwise decode parts of it, and resolve dot segments.
        url = URL(self._configuration.host + path + ("?" + urlencode(query) if query else ""), encoded=True)
        code = "0"
        try:
            data = None if body is None else to_json(body)
            async with self._session.request(method, url, data=data, headers=headers) as response:
                code = str(response.status)
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, "Unreachable", f"API server unreachable: {error or type(error).__name__}") from error
        finally:
            metrics.API_CALLS.labels(verb=verb or method, resource=resource.plural, code=code).inc()
        if response.status >= 400:
            raise _error(response.status, content)
        answer: Body = from_json(content)
        return answer


def _error(status: int, content: bytes) -> ApiError:
    try:
        answer = from_json(content)
        return ApiError(status, answer.get("reason") or "Error", answer.get("message") or f"HTTP {status}")
    except (ValueError, AttributeError):
        return ApiError(status, "Error", content[:500].decode(errors="replace") or f"HTTP {status}")
