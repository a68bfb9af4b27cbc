"""Run kubectl and helm of the checkout on one cluster."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

from hack.cluster import places
from hack.steps import Step, StepError

BIN = places.CHECKOUT / ".cluster" / "bin"


class Kubectl:
    """kubectl on one cluster; commands and their output are written to the log of a step."""

    def __init__(self, cluster: places.Cluster, step: Step) -> None:
        self._step = step
        self._environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}

    def __call__(self, *arguments: str, input_: str | None = None) -> str:
        """Return the standard output of kubectl. Raises StepError with the last line of standard error."""
        return self._step.run(BIN / "kubectl", *arguments, env=self._environment, input_=input_)

    def helm(self, *arguments: str) -> str:
        """Return the standard output of helm. Raises StepError with the last line of standard error."""
        return self._step.run(BIN / "helm", *arguments, env=self._environment)

    def apply(self, manifest: str) -> None:
        """Apply the objects of a YAML or JSON text on the server side, and take over fields of other owners."""
        self("apply", "--server-side", "--force-conflicts", "-f", "-", input_=manifest)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """Return an object, or None if the cluster has no such object."""
        text = self("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def listed(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind whose labels match a selector."""
        text = self("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        items: list[dict[str, Any]] = json.loads(text)["items"]
        return items

    def wait(
        self, kind: str, name: str, namespace: str, done: Callable[[dict[str, Any]], bool], within: float
    ) -> dict[str, Any]:
        """Wait until `done` holds for an object and Ready is up to date; show Ready meanwhile. Return the object.

        Raises StepError after `within` seconds, or as soon as the object is Stalled.
        """
        deadline = time.monotonic() + within
        state = "not there yet"
        while time.monotonic() < deadline:
            body = self.get(kind, name, namespace)
            if body is not None:
                conditions = {
                    condition["type"]: condition for condition in body.get("status", {}).get("conditions", [])
                }
                ready = conditions.get("Ready", {})
                state = f"{ready.get('reason', 'no status yet')}: {ready.get('message', '')}"
                current = ready.get("observedGeneration") == body["metadata"].get("generation")
                if current and done(body):
                    return body
                if current and conditions.get("Stalled", {}).get("status") == "True":
                    raise StepError(f"{kind} {name} is stalled: {state}")
            self._step.note(state[:90])
            time.sleep(0.3)
        raise StepError(f"{kind} {name} is not ready after {within:.0f} s: {state}")


def is_ready(body: dict[str, Any]) -> bool:
    """Return whether the condition Ready of an object with a status is True."""
    conditions = body["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
