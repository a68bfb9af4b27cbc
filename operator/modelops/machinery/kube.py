"""The Kubernetes API as the operator uses it: JSON in, JSON out, errors by type, every call counted."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client, config
from pydantic_core import from_json, to_json

from modelops.machinery import metrics
from modelops.machinery.resources import MANAGER, Body, Resource

_TIMEOUT_SECONDS = 30
_PAGE = 500
_CONNECTIONS = 64
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""An answer without spec and status, which we have sent ourselves: a Job's is ten times as long with them."""


class ApiError(Exception):
    """The API server said no, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def conflict(self) -> bool:
        """Somebody else was faster: look again."""
        return self.status == 409

    @property
    def refused(self) -> bool:
        """Asking again will not help until a person changes something: 400, 403, 404 of a namespace, 413, 422."""
        return 400 <= self.status < 500 and self.status not in (401, 408, 409, 410, 429)

    @property
    def out_of_quota(self) -> bool:
        """A ResourceQuota has no room. Only the words tell it from a lack of rights: both are 403 Forbidden."""
        return self.status == 403 and "exceeded quota" in self.message


class Kube:
    """The API server. Close it after use."""

    def __init__(self, api_client: client.ApiClient) -> None:
        self.client = api_client
        self._configuration = api_client.configuration
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=api_client.rest_client.ssl_context),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
        )

    @classmethod
    async def connect(cls) -> "Kube":
        """With the ServiceAccount's token inside a cluster, else with the kubeconfig."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self.client.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """One object, or None where there is none."""
        try:
            return await self._call("GET", resource.path(namespace, name), resource)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def pages(self, resource: Resource, namespace: str | None) -> AsyncIterator[tuple[int, list[Body]]]:
        """Every object, with the kind filled in, page by page, each with the list's resourceVersion."""
        query = {"limit": str(_PAGE)}
        if resource.label_selector:
            query["labelSelector"] = resource.label_selector
        while True:
            page = await self._call("GET", resource.path(namespace), resource, query=query, verb="LIST")
            for item in page["items"]:
                item["kind"] = resource.kind
            yield int(page["metadata"]["resourceVersion"]), page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def find(self, resource: Resource, namespace: str, selector: str = "", *, fields: str = "") -> list[Body]:
        """The objects of a namespace that a label selector and a field selector match; none of an unknown resource."""
        query = {"labelSelector": selector} if selector else {}
        if fields:
            query["fieldSelector"] = fields
        try:
            page = await self._call("GET", resource.path(namespace), resource, query=query, verb="LIST")
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return page["items"]

    async def apply(self, resource: Resource, body: Body) -> Body:
        """Server-side apply: what `body` names becomes ours and so."""
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
        """Merge-patch the status subresource. Returns the object's metadata: the rest is known."""
        answer = await self._call(
            "PATCH",
            resource.path(namespace, name, "status"),
            resource,
            query={"fieldManager": MANAGER},
            body=patch,
            content_type="application/merge-patch+json",
            verb="PATCH",
            accept=_METADATA_ONLY,
        )
        return answer["metadata"]

    async def create_if_absent(self, resource: Resource, body: Body) -> Body:
        """Create an object that cannot change afterwards, unless it is there. Returns it as it is there.

        For what is made by the thousand and never again: server-side apply would cost the API server twice the time.
        """
        path = resource.path(body["metadata"]["namespace"])
        try:
            answer = await self._call(
                "POST", path, resource, query={"fieldManager": MANAGER}, body=body, accept=_METADATA_ONLY
            )
        except ApiError as error:
            if not error.conflict:
                raise
            there = await self.get(resource, body["metadata"]["namespace"], body["metadata"]["name"])
            if there is None:
                raise
            return {**there, "kind": resource.kind}
        return {**body, "metadata": answer["metadata"]}

    async def create(self, resource: Resource, body: Body) -> Body:
        """Create an object."""
        return await self._call("POST", resource.path(body["metadata"]["namespace"]), resource, body=body)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str | None) -> None:
        """Delete an object, with a UID this very one, and what it owns in the background. One that is gone already is
        fine.
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
        content_type: str = "application/json",
        accept: str = "application/json",
        verb: str | None = None,
    ) -> Body:
        headers = {"Accept": accept, "Content-Type": content_type}
        if token := await self._configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        url = self._configuration.host + quote(path) + ("?" + urlencode(query) if query else "")
        code = "0"
        try:
            data = None if body is None else to_json(body)
            async with self._session.request(method, url, data=data, headers=headers) as response:
                code = str(response.status)
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(
                0, "Unreachable", f"the API server does not answer: {error or type(error).__name__}"
            ) from error
        finally:
            metrics.API_CALLS.labels(verb=verb or method, resource=resource.plural, code=code).inc()
        if response.status >= 400:
            raise _error(response.status, content)
        return from_json(content)


def _error(status: int, content: bytes) -> ApiError:
    try:
        answer = from_json(content)
        return ApiError(status, answer.get("reason") or "Error", answer.get("message") or f"HTTP {status}")
    except (ValueError, AttributeError):
        return ApiError(status, "Error", content[:500].decode(errors="replace") or f"HTTP {status}")
