"""Client of a cluster's API server: one connection for hundreds of requests, with impersonation of users."""

import json
from pathlib import Path
from typing import Any, Literal

import httpx

from modelops.api.crds import KINDS
from modelops.api.kinds import API_VERSION
from support.cluster.kubernetes_api import connect

Body = dict[str, Any]
_ADDED = ("Checked value must be of type", "some validation rules were not checked")
_PLURALS = {kind.__name__: kind.plural for kind in KINDS}


class ApiServer:
    """API server of a cluster. Requests are the administrator's, or those of an impersonated user."""

    def __init__(self, kubeconfig: Path) -> None:
        self._http = connect(kubeconfig)

    def create(
        self, body: Body, namespace: str, user: str | None = None, *, dry_run: bool = True, unknown: str = "Strict"
    ) -> httpx.Response:
        """Create an object. With `dry_run` the object is validated and not kept."""
        parameters = {"fieldValidation": unknown, **({"dryRun": "All"} if dry_run else {})}
        headers = {"Impersonate-User": user} if user is not None else {}
        return self._http.post(_path(body["kind"], namespace), params=parameters, json=body, headers=headers)

    def change(
        self, kind: str, namespace: str, name: str, change: Body, user: str | None = None, *groups: str
    ) -> httpx.Response:
        """Change an object by a JSON merge patch."""
        impersonated = [("Impersonate-User", user)] if user is not None else []
        return self._http.patch(
            _path(kind, namespace, name),
            json=change,
            headers=[
                ("Content-Type", "application/merge-patch+json"),
                *impersonated,
                *(("Impersonate-Group", group) for group in groups),
            ],
        )

    def ask(
        self,
        verb: Literal["create", "patch", "delete"],
        path: str,
        body: Body | None,
        user: str | None,
        *groups: str,
        dry_run: bool = True,
    ) -> httpx.Response:
        """Create, merge-patch or delete at a path of the API. With `dry_run` the request has no effect."""
        method = {"create": "POST", "patch": "PATCH", "delete": "DELETE"}[verb]
        content = "application/merge-patch+json" if verb == "patch" else "application/json"
        impersonated = [("Impersonate-User", user)] if user is not None else []
        return self._http.request(
            method,
            path,
            params={"dryRun": "All"} if dry_run else {},
            content=json.dumps(body) if body is not None else None,
            headers=[
                ("Content-Type", content),
                *impersonated,
                *(("Impersonate-Group", group) for group in groups),
            ],
        )

    def definition(self, plural: str) -> Body:
        """Return an installed CustomResourceDefinition."""
        answer = self._http.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}")
        assert answer.status_code == 200, answer.text
        definition: Body = answer.json()
        return definition

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def causes(answer: httpx.Response) -> list[str]:
    """Return the violations in a rejected object, as `field: message`.

    Leaves out what Kubernetes adds: that the value could not be checked further, and that there may be more violations.
    """
    assert answer.status_code == 422, f"{answer.status_code}: {answer.text[:2000]}"
    return [
        f"{cause['field']}: {cause['message']}"
        for cause in answer.json()["details"].get("causes", [])
        if not any(words in cause["message"] for words in _ADDED)
    ]


def message(answer: httpx.Response) -> str:
    """Return the message that kubectl shows."""
    return str(answer.json().get("message", ""))


def _path(kind: str, namespace: str, name: str | None = None) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{_PLURALS[kind]}" + (f"/{name}" if name else "")
