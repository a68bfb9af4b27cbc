"""A simulated sweep: the API server with the runs of its trials, and an operator that plans on them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Inputs, Outcome, TrainingRunStatus
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
from support.builders.plans import condition_of
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
    """Build a run with a sweep. `changes` are fields of the sweep, except `spec` and `annotations` of the run."""
    spec = changes.pop("spec", {})
    annotations = changes.pop("annotations", {})
    run = training_run(name, status, generation, sweep=_SWEEP | changes, **spec)
    return run.model_copy(update={"metadata": run.metadata.model_copy(update={"annotations": annotations})})


def resolved(run: TrainingRun, data: str = "a") -> ResolvedInputs:
    """Return the inputs of a run on this data, which is named by the hex digit that fills its digest."""
    spec = run.spec.wire()
    components = {"parameters": str(spec["parameters"]), "dataset train": digest(data), "sweep": str(spec["sweep"])}
    inputs = Inputs.model_validate(
        {
            "generation": run.metadata.generation,
            "datasets": [DATA | {"digest": digest(data)}],
            "components": components,
        }
    )
    return ResolvedInputs(inputs, json_digest(components))


@dataclass
class Simulation:
    """An API server that has a sweep's trials, and an operator without memory."""

    run: TrainingRun
    data: str = "a"
    now: datetime = NOW
    bodies: dict[str, Body] = field(default_factory=dict)
    status: TrainingRunStatus = field(default_factory=TrainingRunStatus)
    written: int = 0
    """Number of the operator's writes of trials."""
    uids: int = 0

    @property
    def resolved(self) -> ResolvedInputs:
        """Current inputs of the run."""
        return resolved(self.run, self.data)

    def outcome(self) -> Outcome:
        """Return the outcome of the run, which must have one."""
        assert self.status.outcome is not None
        return self.status.outcome

    def seen(self) -> SweepObservation:
        """Observe the run and its trials, with suggestions."""
        run = self.run.model_copy(update={"status": self.status})
        seen = SweepObservation(run, self.resolved, self.now, tuple(child_of(body) for body in self.bodies.values()))
        assert run.spec.sweep is not None
        if outcome_holds(run, self.resolved):
            return seen
        trials = seen.trials
        earlier = {trial.number: trial.as_earlier_trial for trial in trials}
        return replace(seen, suggested=suggest(run.spec.sweep, trials_due(run.spec.sweep, trials), earlier))

    def plan(self) -> Plan:
        """Decide what the sweep needs now."""
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
        """Carry a plan out. The operator may be killed after `only` so many writes, or before it writes the status."""
        decided = self.plan()
        for body in decided.apply[:only]:
            self.apply(body)
        if only is None:
            for delete in decided.delete:
                self.bodies.pop(delete.key.name, None)
            if status_written:
                assert isinstance(decided.status, TrainingRunStatus)
                self.status = decided.status
        return decided

    def apply(self, body: Body) -> None:
        """Apply the run of a trial, as the API server does."""
        name = body["metadata"]["name"]
        before = self.bodies.get(name)
        if before is None:
            self.uids += 1
            created = copy.deepcopy(body)
            created["metadata"] |= {"uid": f"uid-{self.uids}", "generation": 1, "resourceVersion": "1"}
            self.bodies[name] = created
            self.written += 1
            return
        after = copy.deepcopy(before)
        after["spec"] = copy.deepcopy(body["spec"])
        after["metadata"]["annotations"] = dict(body["metadata"]["annotations"])
        if after["spec"] != before["spec"]:
            after["metadata"]["generation"] += 1
        if after != before:
            self.written += 1
        self.bodies[name] = after

    def body(self, number: int) -> Body:
        """Return the run of a trial."""
        (run,) = (
            body
            for body in self.bodies.values()
            if body["metadata"]["annotations"]["modelops.dev/trial"] == str(number)
        )
        return run

    def report(self, number: int, *, auc: Sequence[float] = (), **status: Any) -> None:
        """Write the status of a trial, as its own controller does: the objective at step 1, 2 and so on."""
        body = self.body(number)
        trace = [{"step": step, "value": value} for step, value in enumerate(auc, start=1)]
        progress = {"progress": {"step": len(auc), "trace": trace}} if auc else {}
        body["status"] = body.get("status", {}) | progress | status
        generation = body["metadata"]["generation"]
        body["status"] |= {"observedGeneration": generation, "inputs": {"generation": generation}}

    def finish(
        self, number: int, *, auc: float | None = None, state: str = "Succeeded", reason: str = "Trained"
    ) -> None:
        """End a trial with this value of its objective, or without a value."""
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
            more["metrics"] = {"other": 1.0} | ({"auc": auc} if auc is not None else {})
        self.report(number, **more)

    def table(self) -> dict[int, str]:
        """Return number → state of each trial in the status."""
        assert self.status.sweep is not None
        return {row.number: row.state for row in self.status.sweep.trials}


def started(**changes: Any) -> Simulation:
    """Return a sweep whose first trials have been created."""
    sweep = Simulation(sweep_run(**changes))
    sweep.step()
    return sweep


def finished(*values: float, **changes: Any) -> Simulation:
    """Return a sweep that has run a trial for each value, one after the other."""
    sweep = started(maxTrials=len(values), **changes)
    for number, value in enumerate(values):
        sweep.finish(number, auc=value)
        sweep.step()
    return sweep


def message(plan: Plan) -> str:
    """Return the message of Ready."""
    ready = condition_of(plan, "Ready")
    assert ready is not None
    return ready.message


def parameters(sweep: Simulation) -> dict[int, dict[str, str]]:
    """Return the parameters of each trial of the table, by number."""
    assert sweep.status.sweep is not None
    return {row.number: row.parameters for row in sweep.status.sweep.trials}
