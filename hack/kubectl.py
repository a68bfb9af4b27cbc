"""kubectl and helm of the checkout, on one cluster."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

from hack.cluster import places
from hack.steps import Step, StepError

BIN = places.CHECKOUT / ".cluster" / "bin"


class Kubectl:
    """kubectl on one cluster, within a step."""

    def __init__(self, cluster: places.Cluster, step: Step) -> None:
        self._step = step
        self._environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}

    def __call__(self, *arguments: str, input_: str | None = None) -> str:
        """What kubectl wrote. Raises StepError with its last line of error."""
        return self._step.run(BIN / "kubectl", *arguments, env=self._environment, input_=input_)

    def helm(self, *arguments: str) -> str:
        """What helm wrote."""
        return self._step.run(BIN / "helm", *arguments, env=self._environment)

    def apply(self, manifest: str) -> None:
        """Apply what is in the text."""
        self("apply", "--server-side", "--force-conflicts", "-f", "-", input_=manifest)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """The object, or None."""
        text = self("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def listed(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of a kind."""
        text = self("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found

    def wait(
        self, kind: str, name: str, namespace: str, done: Callable[[dict[str, Any]], bool], within: float
    ) -> dict[str, Any]:
        """Wait until an object is as wanted, and show its Ready condition meanwhile. Stalled ends the wait."""
        deadline = time.monotonic() + within
        seen = "not there yet"
        while time.monotonic() < deadline:
            body = self.get(kind, name, namespace)
            if body is not None:
                conditions = {one["type"]: one for one in body.get("status", {}).get("conditions", [])}
                ready = conditions.get("Ready", {})
                seen = f"{ready.get('reason', 'no status yet')}: {ready.get('message', '')}"
                current = ready.get("observedGeneration") == body["metadata"].get("generation")
                if current and done(body):
                    return body
                if current and conditions.get("Stalled", {}).get("status") == "True":
                    raise StepError(f"{kind} {name} is stalled: {seen}")
            self._step.note(seen[:90])
            time.sleep(0.3)
        raise StepError(f"{kind} {name} is not ready after {within:.0f} s: {seen}")


def is_ready(body: dict[str, Any]) -> bool:
    """Whether Ready is True."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in body["status"].get("conditions", []))
