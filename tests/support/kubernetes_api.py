"""Client of the API server without kubectl, since a process for each poll of a waiting test costs 0.1 s of CPU."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml

Body = dict[str, Any]
_WATCH_SECONDS = 2


class KubernetesApi:
    """Client for objects of any kind.

    Kinds are named as for kubectl: by kind, singular, plural or short name, with or without a group.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._http = connect(kubeconfig)
        self._lock = threading.Lock()
        self._resources: dict[str, tuple[str, Body]] = {}

    def apply(self, body: Body) -> None:
        """Apply as `kubectl apply --server-side --force-conflicts` does. Raises httpx.HTTPStatusError."""
        metadata = body["metadata"]
        path = self._path(body["kind"], metadata.get("namespace", ""), metadata["name"], body["apiVersion"])
        options = {"fieldManager": "kubectl", "force": "true", "fieldValidation": "Strict"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        answer = self._http.patch(path, params=options, content=json.dumps(body), headers=headers)
        answer.raise_for_status()

    def get(self, kind: str, name: str, namespace: str) -> Body | None:
        """Return an object; None where there is none."""
        answer = self._http.get(self._path(kind, namespace, name))
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        body: Body = answer.json()
        return body

    def listed(self, kind: str, namespace: str, selector: str = "") -> list[Body]:
        """Return the objects of a kind, or of several kinds separated by commas."""
        objects: list[Body] = []
        for name in kind.split(","):
            answer = self._http.get(self._path(name, namespace), params={"labelSelector": selector} if selector else {})
            answer.raise_for_status()
            listed = answer.json()
            type_meta = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
            objects += [{**type_meta, **item} for item in listed["items"]]
        return objects

    def states(self, kind: str, name: str, namespace: str, seconds: float) -> Iterator[Body | None]:
        """Yield the state of an object now and each later state for `seconds`; None while the object does not exist.

        Without changes the newest state is yielded again every few seconds. The last state is yielded at the end.
        """
        path, deadline = self._path(kind, namespace), time.monotonic() + seconds
        selected = {"fieldSelector": f"metadata.name={name}"}
        while True:
            left = deadline - time.monotonic()
            answer = self._http.get(path, params=selected)
            answer.raise_for_status()
            listed = answer.json()
            yield next(iter(listed["items"]), None)
            if left <= 0:
                return
            version = listed["metadata"]["resourceVersion"]
            watched = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
            with self._http.stream("GET", path, params=selected | watched) as events:
                for line in events.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    yield None if event["type"] == "DELETED" else event["object"]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _path(self, kind: str, namespace: str, name: str | None = None, api_version: str | None = None) -> str:
        root, resource = self._resource(kind, api_version)
        parts = [root]
        if resource["namespaced"]:
            parts += ["namespaces", namespace]
        parts.append(resource["name"])
        return "/".join(parts + ([name] if name else []))

    def _resource(self, kind: str, api_version: str | None) -> tuple[str, Body]:
        key = f"{api_version or ''} {kind}".lower()
        with self._lock:
            if key not in self._resources:
                self._discover()
            assert key in self._resources, f"the API server has no resource called {kind}"
            return self._resources[key]

    def _discover(self) -> None:
        """Read the resources of all groups. The first group with a resource name keeps the name, as for kubectl."""
        groups = self._http.get("/apis").raise_for_status().json()["groups"]
        versions = ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]
        for version in versions:
            root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
            answer = self._http.get(root)
            if answer.status_code != 200:  # An aggregated API may not be available yet.
                continue
            group = version.partition("/")[0] if "/" in version else ""
            for resource in answer.json()["resources"]:
                if "/" in resource["name"]:
                    continue
                names = {
                    resource["name"],
                    resource["singularName"] or resource["kind"].lower(),
                    resource["kind"].lower(),
                }
                for name in {*names, *resource.get("shortNames", ())}:
                    for key in (f" {name}", f" {name}.{group}", f"{version} {name}".lower()):
                        self._resources.setdefault(key, (root, resource))


def connect(kubeconfig: Path) -> httpx.Client:
    """Return a thread-safe HTTP client of the API server, with the administrator's certificate."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with TemporaryDirectory() as directory:
        # An SSL context loads a client certificate only from files.
        parts = {name: Path(directory) / name for name in ("client-certificate", "client-key")}
        for name, file in parts.items():
            file.touch(mode=0o600)
            file.write_bytes(base64.b64decode(user[f"{name}-data"]))
        context.load_cert_chain(parts["client-certificate"], parts["client-key"])
    return httpx.Client(base_url=cluster["server"], verify=context, timeout=30, trust_env=False)
