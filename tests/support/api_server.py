"""The API server asked without kubectl: one connection for hundreds of questions, and as whoever is named."""

import base64
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml

from modelops.api.crds import KINDS
from modelops.api.kinds import API_VERSION

Body = dict[str, Any]
_ADDED = ("Checked value must be of type", "some validation rules were not checked")
_PLURALS = {kind.__name__: kind.plural for kind in KINDS}


class ApiServer:
    """A cluster's API server, asked by its administrator or by somebody who is impersonated."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._http = httpx.Client(base_url=cluster["server"], verify=_context(cluster, user), timeout=30)

    def create(
        self, body: Body, namespace: str, user: str | None = None, *, dry_run: bool = True, unknown: str = "Strict"
    ) -> httpx.Response:
        """What it answers to a new object. `dry_run`: it is checked like any other, and not kept."""
        asked = {"fieldValidation": unknown, **({"dryRun": "All"} if dry_run else {})}
        who = {"Impersonate-User": user} if user is not None else {}
        return self._http.post(_path(body["kind"], namespace), params=asked, json=body, headers=who)

    def change(
        self, kind: str, namespace: str, name: str, change: Body, user: str | None = None, *groups: str
    ) -> httpx.Response:
        """What it answers to a change (a JSON merge patch) by its administrator, or by somebody else."""
        who = [("Impersonate-User", user)] if user is not None else []
        return self._http.patch(
            _path(kind, namespace, name),
            json=change,
            headers=[
                ("Content-Type", "application/merge-patch+json"),
                *who,
                *(("Impersonate-Group", group) for group in groups),
            ],
        )

    def definition(self, plural: str) -> Body:
        """A CustomResourceDefinition as it is installed."""
        answer = self._http.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}")
        assert answer.status_code == 200, answer.text
        found: Body = answer.json()
        return found

    def close(self) -> None:
        """Nothing more is asked."""
        self._http.close()


def causes(answer: httpx.Response) -> list[str]:
    """What is wrong with an object, as `field: message`, without what Kubernetes adds: that the same value cannot be
    checked further, and that more may be wrong.
    """
    assert answer.status_code == 422, f"{answer.status_code}: {answer.text[:2000]}"
    found = answer.json()["details"].get("causes", [])
    return [
        f"{one['field']}: {one['message']}" for one in found if not any(words in one["message"] for words in _ADDED)
    ]


def said(answer: httpx.Response) -> str:
    """The sentence that kubectl shows."""
    return str(answer.json().get("message", ""))


def _path(kind: str, namespace: str, name: str | None = None) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{_PLURALS[kind]}" + (f"/{name}" if name else "")


def _context(cluster: Body, user: Body) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with TemporaryDirectory() as directory:
        # Only from files can a context load what proves who asks.
        parts = {name: Path(directory) / name for name in ("client-certificate", "client-key")}
        for name, file in parts.items():
            file.touch(mode=0o600)
            file.write_bytes(base64.b64decode(user[f"{name}-data"]))
        context.load_cert_chain(parts["client-certificate"], parts["client-key"])
    return context
