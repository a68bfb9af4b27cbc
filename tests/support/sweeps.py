"""A sweep and its trials for planners' tests: bodies as the API server would have them."""

import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Inputs, TrainingRunStatus
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.sweep.child import child_of
from modelops.controllers.trainingrun.sweep.garbage_collection import collect_garbage
from modelops.controllers.trainingrun.sweep.identity import outcome_holds
from modelops.controllers.trainingrun.sweep.observe import SweepObservation
from modelops.controllers.trainingrun.sweep.plan import plan
from modelops.controllers.trainingrun.sweep.suggestions import suggest
from modelops.controllers.trainingrun.sweep.trials import trials_due
from modelops.lineage.digests import json_digest
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body
from support.builders.common import NOW, digest
from support.builders.trainingruns import training_run

DATA = {
    "name": "train",
    "dataset": "mortgage",
    "digest": digest("a"),
    "manifest": "s3://store/m",
    "versioned": True,
    "objects": 3,
    "objectVersions": [{"key": "a.csv", "versionId": "1", "size": 1, "etag": "e"}],
}
_RATE = {"name": "rate", "type": "double", "min": 0.001, "max": 1.0, "log": True}
_SWEEP = {"algorithm": "random", "parameters": [_RATE], "objective": {"metric": "auc"}, "maxTrials": 6}


def sweep_run(name: str = "search", *, generation: int = 1, status: Body | None = None, **changes: Any) -> TrainingRun:
    """A run with a sweep. Changes are those of the sweep, but for `spec` and `annotations`."""
    spec = changes.pop("spec", {})
    annotations = changes.pop("annotations", {})
    run = training_run(name, status, generation, sweep=_SWEEP | changes, **spec)
    return run.model_copy(update={"metadata": run.metadata.model_copy(update={"annotations": annotations})})


def resolved(run: TrainingRun, letter: str = "a") -> ResolvedInputs:
    """The inputs of a run, with data of this letter."""
    spec = run.spec.wire()
    components = {"parameters": str(spec["parameters"]), "dataset train": digest(letter), "sweep": str(spec["sweep"])}
    inputs = Inputs.model_validate(
        {
            "generation": run.metadata.generation,
            "datasets": [DATA | {"digest": digest(letter)}],
            "components": components,
        }
    )
    return ResolvedInputs(inputs, json_digest(components))


@dataclass
class Simulation:
    """An API server that holds a sweep's trials, and an operator that looks at them anew each time."""

    run: TrainingRun
    letter: str = "a"
    now: datetime = NOW
    bodies: dict[str, Body] = field(default_factory=dict)
    status: TrainingRunStatus = field(default_factory=TrainingRunStatus)
    written: int = 0
    """How many writes the operator has made of trials."""
    uids: int = 0

    @property
    def resolved(self) -> ResolvedInputs:
        """The inputs."""
        return resolved(self.run, self.letter)

    def seen(self) -> SweepObservation:
        """What the operator sees, with suggestions."""
        run = self.run.model_copy(update={"status": self.status})
        seen = SweepObservation(run, self.resolved, self.now, tuple(child_of(body) for body in self.bodies.values()))
        assert run.spec.sweep is not None
        if outcome_holds(run, self.resolved):
            return seen
        trials = seen.trials
        tried = {one.number: one.as_earlier_trial for one in trials}
        return replace(seen, suggested=suggest(run.spec.sweep, trials_due(run.spec.sweep, trials), tried))

    def plan(self) -> Plan:
        """What the operator decides now."""
        seen = self.seen()
        old = seen.run.status
        status = TrainingRunStatus(input_key=self.resolved.key, inputs=self.resolved.inputs)
        if old.input_key == self.resolved.key:
            status = old.model_copy(update={"inputs": self.resolved.inputs, "conditions": []})
        if outcome_holds(seen.run, self.resolved):
            return collect_garbage(Plan(status=status), seen)
        decided = plan(seen, status.model_copy(update={"outcome": None}))
        return collect_garbage(Plan(apply=decided.trials, status=decided.status, conditions=decided.conditions), seen)

    def step(self, *, status_written: bool = True, only: int | None = None) -> Plan:
        """Carry a plan out, as far as the operator lives: `only` so many writes, and the status or not."""
        decided = self.plan()
        for body in decided.apply[:only]:
            self.apply(body)
        if only is None:
            for one in decided.delete:
                self.bodies.pop(one.key.name, None)
            if status_written:
                assert isinstance(decided.status, TrainingRunStatus)
                self.status = decided.status
        return decided

    def apply(self, wanted: Body) -> None:
        """Server-side apply, for what sweeps write."""
        name = wanted["metadata"]["name"]
        before = self.bodies.get(name)
        if before is None:
            self.uids += 1
            made = copy.deepcopy(wanted)
            made["metadata"] |= {"uid": f"uid-{self.uids}", "generation": 1, "resourceVersion": "1"}
            self.bodies[name] = made
            self.written += 1
            return
        after = copy.deepcopy(before)
        after["spec"] = copy.deepcopy(wanted["spec"])
        after["metadata"]["annotations"] = dict(wanted["metadata"]["annotations"])
        if after["spec"] != before["spec"]:
            after["metadata"]["generation"] += 1
        if after != before:
            self.written += 1
        self.bodies[name] = after

    def body(self, number: int) -> Body:
        """The run of a trial."""
        (found,) = (
            body
            for body in self.bodies.values()
            if body["metadata"]["annotations"]["modelops.dev/trial"] == str(number)
        )
        return found

    def tells(self, number: int, *values: float, **status: Any) -> None:
        """What a trial's own controller writes: its objective, a step each."""
        body = self.body(number)
        trace = [{"step": step, "value": value} for step, value in enumerate(values, start=1)]
        progress = {"progress": {"step": len(values), "trace": trace}} if values else {}
        body["status"] = body.get("status", {}) | progress | status
        generation = body["metadata"]["generation"]
        body["status"] |= {"observedGeneration": generation, "inputs": {"generation": generation}}

    def ends(self, number: int, value: float | None = None, state: str = "Succeeded", reason: str = "Trained") -> None:
        """A trial ends, by itself: with this value of its objective, or none."""
        outcome = {
            "state": state,
            "reason": reason,
            "message": f"so it ended: {number}",
            "finishedAt": format_timestamp(self.now),
        }
        more: Body = {"outcome": outcome}
        if state == "Succeeded":
            uri = f"s3://store/m/{number}/"
            more["artifact"] = {"uri": uri, "digest": digest("d"), "bytes": 9, "image": "example/train@sha256:1"}
            more["metrics"] = {"other": 1.0} | ({"auc": value} if value is not None else {})
        self.tells(number, **more)

    def table(self) -> dict[int, str]:
        """Number → state, as the status has it."""
        assert self.status.sweep is not None
        return {row.number: row.state for row in self.status.sweep.trials}
