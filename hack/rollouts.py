"""The demo's rollouts, under load: a second version goes through its steps, a slow and a wrong one go back."""

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
    """Versions of one model on their way, as a person watches them.

    `apply` applies a file of the example. `kubectl` is made anew for each step, which has a log of its own.
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
        """A version that is as good as the first: step by step, until it serves everything.

        `later` are trained meanwhile: the newest version is what serves, so that they must not be older.
        """
        with self._steps.step("A second version") as step:
            kubectl = self._kubectl(step)
            version = self._trained(kubectl, manifest)
            for one in later:
                self._apply(kubectl, one)
            body = self._seen(kubectl)
            if body["status"]["stable"]["version"] == version:
                step.note(f"{version} serves already")
                return
            if newest(kubectl, self._namespace) != version:
                step.note(f"{version} is not the newest any more")
                return
            step.note(f"{version}: its gates have passed")
        for number, one in enumerate(body["spec"]["rollout"]["steps"], start=1):
            with self._stage(f"  step {number}: {one['weight']} percent") as (kubectl, counted):
                self._wait(kubectl, partial(_beyond, version=version, step=number), version, counted)
        with self._stage("  promotion: all requests", judged=False) as (kubectl, counted):
            self._wait(kubectl, lambda body: is_ready(body) and _serves(body, version), version, counted)

    def bad(self, manifest: Path) -> Body:
        """A version that a person lets serve by mistake: what the status keeps of it once it has gone back."""
        with self._steps.step(_BAD[manifest.stem]) as step:
            kubectl = self._kubectl(step)
            version = self._trained(kubectl, manifest)
            before = _failed(self._seen(kubectl), version)
            if before is not None:
                step.note(f"{version} was rolled back before")
                return before
            self._approve(kubectl, version)
            step.note(f"{version}: its gates have passed, and it is approved")
        with self._stage("  rolled back") as (kubectl, counted):
            try:
                body = self._wait(kubectl, lambda body: _failed(body, version) is not None, version, counted)
            finally:
                withdraw(kubectl, self._namespace, [version])
            failed = _failed(body, version)
            assert failed is not None, "that was waited for"
            counted.note(f"at {failed['weight']} percent: {failed['message']}; {counted.words(version)}")
        with self._steps.step("  approval withdrawn") as step:
            back = f"inferenceservice/{self._service}"
            self._kubectl(step)("wait", "--for=condition=Ready", back, "-n", self._namespace, "--timeout=60s")
            step.note(f"{self._seen(self._kubectl(step))['status']['stable']['version']} serves")
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

    def _seen(self, kubectl: Kubectl) -> Body:
        body = kubectl.get("inferenceservice", self._service, self._namespace)
        assert body is not None, f"InferenceService {self._service} is there"
        return body

    @contextlib.contextmanager
    def _stage(self, name: str, *, judged: bool = True) -> "Iterator[tuple[Kubectl, _Counted]]":
        with self._steps.step(name) as step:
            yield self._kubectl(step), _Counted(step, self._load, judged=judged)

    def _wait(self, kubectl: Kubectl, done: Callable[[Body], bool], version: str, counted: "_Counted") -> Body:
        """Wait, and show meanwhile how requests and judgements go."""
        deadline = time.monotonic() + _PASSED_WITHIN
        while True:
            body = self._seen(kubectl)
            counted.show(body, version)
            if done(body):
                return body
            failed = _failed(body, version)
            if failed is not None:
                raise StepError(f"{version} was rolled back: {failed['message']}")
            if time.monotonic() > deadline:
                raise StepError(f"{version} is not there after {_PASSED_WITHIN:.0f} s: {_ready_message(body)}")
            time.sleep(0.3)


class _Counted:
    """What a step shows: the requests since it began, and the last judgement where one matters."""

    def __init__(self, step: Step, load: Load, *, judged: bool) -> None:
        self.note = step.note
        self._judged = judged
        self._load = load
        self._began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._before = Counter(load.answers)
        self._verdict = ""

    def words(self, version: str) -> str:
        """How many requests the version has answered, and the others."""
        new = Counter(self._load.answers) - self._before
        return f"{new.total() - new[version]} requests by what served, {new[version]} by {version}"

    def show(self, body: Body, version: str) -> None:
        """Note how it stands."""
        candidate = body["status"].get("candidate", {})
        analysis = candidate.get("analysis") if candidate.get("version") == version else None
        if self._judged and analysis is not None and analysis["at"] > self._began:
            said = [one["message"] for one in analysis["checks"] if one["outcome"] == analysis["outcome"]]
            self._verdict = f"; {analysis['outcome']}: {'; '.join(said)}"
        self.note(self.words(version) + self._verdict)


def withdraw(kubectl: Kubectl, namespace: str, versions: list[str]) -> None:
    """Take approvals back."""
    for version in versions:
        kubectl("annotate", "modelversion", version, "-n", namespace, f"{_APPROVE}-", f"{_APPROVED_BY}-")


def approved(kubectl: Kubectl, namespace: str) -> list[str]:
    """The versions that a person lets serve."""
    found = kubectl.listed("modelversions", namespace)
    return [one["metadata"]["name"] for one in found if _APPROVE in one["metadata"].get("annotations", {})]


def newest(kubectl: Kubectl, namespace: str) -> str:
    """The newest version that may serve."""
    ready = [body for body in kubectl.listed("modelversions", namespace) if is_ready(body)]
    ages = [(body["metadata"]["creationTimestamp"], body["metadata"]["name"]) for body in ready]
    return str(max(ages)[1])


def evidence(failed: list[Body]) -> str:
    """What speaks against versions that went back, as the status has it."""
    lines = []
    for one in failed:
        lines.append(f"{one['version']}  {one['reason']} in step {one['step']} with {one['weight']} percent")
        lines += [
            f"  {check['outcome']:<13} {check['name']:<15} {check['message']}" for check in one["analysis"]["checks"]
        ]
    return "\n".join(lines)


def _run(manifest: Path) -> str:
    return f"approval-{manifest.stem}"


def _gates_passed(body: Body) -> bool:
    return any(one["type"] == "GatesPassed" and one["status"] == "True" for one in body["status"].get("conditions", []))


def _ready_message(body: Body) -> str:
    ready = next((one for one in body["status"].get("conditions", []) if one["type"] == "Ready"), {})
    return str(ready.get("message", "no status yet"))


def _serves(body: Body, version: str) -> bool:
    return bool(body["status"]["stable"]["version"] == version)


def _beyond(body: Body, version: str, step: int) -> bool:
    candidate = body["status"].get("candidate", {})
    return _serves(body, version) or (candidate.get("version") == version and candidate.get("step", 0) > step)


def _failed(body: Body, version: str) -> Body | None:
    return next((one for one in body["status"].get("failed", []) if one["version"] == version), None)
