"""Rollouts of the demo, under load: a good version is promoted, a slow and a wrong version are rolled back."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hack.kubectl import Kubectl, is_ready
from hack.load import Load
from hack.steps import Step, StepError, Steps

Body = dict[str, Any]
_APPROVE, _APPROVED_BY = "modelops.dev/approve", "modelops.dev/approved-by"
_BAD = {"slow": "A version that is slow", "wrong": "A version that is wrong"}
_TRAINED_WITHIN, _PASSED_WITHIN = 180.0, 180.0


class Rollouts:
    """Rollouts of one model's versions, shown step by step.

    `apply` applies a file of the example. `kubectl` is called for each step, since each step has a log of its own.
    """

    def __init__(
        self,
        steps: Steps,
        kubectl: Callable[[Step], Kubectl],
        apply: Callable[[Kubectl, Path], None],
        namespace: str,
        service: str,
        load: Load,
    ) -> None:
        self._steps = steps
        self._kubectl = kubectl
        self._apply = apply
        self._namespace = namespace
        self._service = service
        self._load = load

    def second(self, manifest: Path, later: Iterable[Path]) -> None:
        """Roll out a version that is as good as the first, until it has all traffic.

        The versions of `later` are trained meanwhile. They must be newer than the second, since the newest version
        that is ready is the one rolled out.
        """
        with self._steps.step("A second version") as step:
            kubectl = self._kubectl(step)
            version = self._trained(kubectl, manifest)
            for later_manifest in later:
                self._apply(kubectl, later_manifest)
            body = self._service_body(kubectl)
            if body["status"]["stable"]["version"] == version:
                step.note(f"{version} serves already")
                return
            if newest(kubectl, self._namespace) != version:
                step.note(f"{version} is no longer the newest")
                return
            step.note(f"{version}: its gates have passed")
        for number, step_spec in enumerate(body["spec"]["rollout"]["steps"], start=1):
            with self._part(f"  step {number}: {step_spec['weight']}% of traffic") as (kubectl, counted):
                self._wait(kubectl, partial(_beyond, version=version, step=number), version, counted)
        with self._part("  promotion: all traffic", analyzed=False) as (kubectl, counted):
            self._wait(kubectl, lambda body: is_ready(body) and _serves(body, version), version, counted)

    def bad(self, manifest: Path) -> Body:
        """Approve a bad version by mistake, wait for its rollback, and return its entry in `status.failed`."""
        with self._steps.step(_BAD[manifest.stem]) as step:
            kubectl = self._kubectl(step)
            version = self._trained(kubectl, manifest)
            before = _failed(self._service_body(kubectl), version)
            if before is not None:
                step.note(f"{version} was rolled back before")
                return before
            self._approve(kubectl, version)
            step.note(f"{version}: its gates have passed, and it is approved")
        with self._part("  rollback") as (kubectl, counted):
            try:
                body = self._wait(kubectl, lambda body: _failed(body, version) is not None, version, counted)
            finally:
                withdraw(kubectl, self._namespace, [version])
            failed = _failed(body, version)
            assert failed is not None, "the wait ends with this entry"
            counted.note(f"at {failed['weight']}% of traffic: {failed['message']}; {counted.words(version)}")
        with self._steps.step("  approval withdrawn") as step:
            service = f"inferenceservice/{self._service}"
            self._kubectl(step)("wait", "--for=condition=Ready", service, "-n", self._namespace, "--timeout=60s")
            step.note(f"{self._service_body(self._kubectl(step))['status']['stable']['version']} serves")
        return failed

    def _trained(self, kubectl: Kubectl, manifest: Path) -> str:
        self._apply(kubectl, manifest)
        run = kubectl.wait("trainingrun", _run(manifest), self._namespace, is_ready, within=_TRAINED_WITHIN)
        version = str(run["status"]["modelVersion"])
        kubectl.wait("modelversion", version, self._namespace, _gates_passed, within=60)
        return version

    def _approve(self, kubectl: Kubectl, version: str) -> None:
        body = kubectl.get("modelversion", version, self._namespace)
        assert body is not None, f"ModelVersion {version} is there"
        who = kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
        marks = (f"{_APPROVE}={body['spec']['artifact']['digest']}", f"{_APPROVED_BY}={who}")
        kubectl("annotate", "modelversion", version, "-n", self._namespace, "--overwrite", *marks)

    def _service_body(self, kubectl: Kubectl) -> Body:
        body = kubectl.get("inferenceservice", self._service, self._namespace)
        assert body is not None, f"InferenceService {self._service} is there"
        return body

    @contextlib.contextmanager
    def _part(self, name: str, *, analyzed: bool = True) -> "Iterator[tuple[Kubectl, _Counted]]":
        with self._steps.step(name) as step:
            yield self._kubectl(step), _Counted(step, self._load, analyzed=analyzed)

    def _wait(self, kubectl: Kubectl, done: Callable[[Body], bool], version: str, counted: "_Counted") -> Body:
        """Wait until `done` holds for the InferenceService; show requests and analyses meanwhile.

        Raises StepError if the version is rolled back, or after the time limit.
        """
        deadline = time.monotonic() + _PASSED_WITHIN
        while True:
            body = self._service_body(kubectl)
            counted.show(body, version)
            if done(body):
                return body
            failed = _failed(body, version)
            if failed is not None:
                raise StepError(f"{version} was rolled back: {failed['message']}")
            if time.monotonic() > deadline:
                raise StepError(f"{version} is not done after {_PASSED_WITHIN:.0f} s: {_ready_message(body)}")
            time.sleep(0.3)


class _Counted:
    """Detail of a step: the requests since the step began, and the last analysis if `analyzed`."""

    def __init__(self, step: Step, load: Load, *, analyzed: bool) -> None:
        self.note = step.note
        self._analyzed = analyzed
        self._load = load
        self._began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._before = Counter(load.answers)
        self._analysis = ""

    def words(self, version: str) -> str:
        """Return how many requests a version, and all others, have answered since the step began."""
        new = Counter(self._load.answers) - self._before
        return f"{new.total() - new[version]} requests by other versions, {new[version]} by {version}"

    def show(self, body: Body, version: str) -> None:
        """Show requests and the analysis of this step."""
        candidate = body["status"].get("candidate", {})
        analysis = candidate.get("analysis") if candidate.get("version") == version else None
        if self._analyzed and analysis is not None and analysis["at"] > self._began:
            messages = [check["message"] for check in analysis["checks"] if check["outcome"] == analysis["outcome"]]
            self._analysis = f"; {analysis['outcome']}: {'; '.join(messages)}"
        self.note(self.words(version) + self._analysis)


def withdraw(kubectl: Kubectl, namespace: str, versions: list[str]) -> None:
    """Withdraw the approval of versions."""
    for version in versions:
        kubectl("annotate", "modelversion", version, "-n", namespace, f"{_APPROVE}-", f"{_APPROVED_BY}-")


def approved(kubectl: Kubectl, namespace: str) -> list[str]:
    """Return the names of the versions that a person has approved."""
    versions = kubectl.listed("modelversions", namespace)
    return [body["metadata"]["name"] for body in versions if _APPROVE in body["metadata"].get("annotations", {})]


def newest(kubectl: Kubectl, namespace: str) -> str:
    """Return the name of the newest version that is Ready, which may serve."""
    ready = [body for body in kubectl.listed("modelversions", namespace) if is_ready(body)]
    ages = [(body["metadata"]["creationTimestamp"], body["metadata"]["name"]) for body in ready]
    return str(max(ages)[1])


def evidence(failed: list[Body]) -> str:
    """Return a text with the checks of versions that were rolled back, from their entries in `status.failed`."""
    lines = []
    for entry in failed:
        lines.append(f"{entry['version']}  {entry['reason']} in step {entry['step']} ({entry['weight']}% of traffic)")
        lines += [
            f"  {check['outcome']:<13} {check['name']:<15} {check['message']}" for check in entry["analysis"]["checks"]
        ]
    return "\n".join(lines)


def _run(manifest: Path) -> str:
    return f"approval-{manifest.stem}"


def _gates_passed(body: Body) -> bool:
    conditions = body["status"].get("conditions", [])
    return any(condition["type"] == "GatesPassed" and condition["status"] == "True" for condition in conditions)


def _ready_message(body: Body) -> str:
    conditions = body["status"].get("conditions", [])
    messages = (condition.get("message", "") for condition in conditions if condition["type"] == "Ready")
    return str(next(messages, "no status yet"))


def _serves(body: Body, version: str) -> bool:
    return bool(body["status"]["stable"]["version"] == version)


def _beyond(body: Body, version: str, step: int) -> bool:
    candidate = body["status"].get("candidate", {})
    return _serves(body, version) or (candidate.get("version") == version and candidate.get("step", 0) > step)


def _failed(body: Body, version: str) -> Body | None:
    return next((entry for entry in body["status"].get("failed", []) if entry["version"] == version), None)
