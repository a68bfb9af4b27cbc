"""Plan of a run with a sweep: trials instead of a Job, and one ModelVersion at the end."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.plan import plan
from modelops.controllers.trainingrun.sweep.child import child_of
from modelops.controllers.trainingrun.sweep.identity import outcome_holds
from modelops.controllers.trainingrun.sweep.observe import SweepObservation
from modelops.controllers.trainingrun.sweep.suggestions import suggest
from modelops.controllers.trainingrun.sweep.trials import trials_due
from modelops.machinery.conditions import merge
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body
from support.builders.common import digest, settings
from support.builders.datasets import dataset, snapshot
from support.builders.plans import condition_of, deleted, names, reason
from support.controllers.run_observations import inputs_of
from support.controllers.sweeps import Simulation, sweep_run


class RunSimulation(Simulation):
    """Simulation with the plan of the whole run."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(sweep_run(**{"maxTrials": 2, "parallelism": 2, **changes}))
        self.versions: tuple[ModelVersion, ...] = ()
        self.siblings: tuple[TrainingRun, ...] = ()

    def plan(self) -> Plan:
        """Decide as the controller does, on the run and its Dataset."""
        run = self.run.model_copy(update={"status": self.status})
        inputs = inputs_of(run, {"mortgage": dataset(status={"snapshot": snapshot(self.data)})}, now=self.now)
        assert isinstance(inputs, ResolvedInputs)
        sweep = SweepObservation(run, inputs, self.now, tuple(child_of(body) for body in self.bodies.values()))
        if run.spec.sweep is not None and not outcome_holds(run, inputs):
            earlier = {trial.number: trial.as_earlier_trial for trial in sweep.trials}
            numbers = trials_due(run.spec.sweep, sweep.trials)
            sweep = replace(sweep, suggested=suggest(run.spec.sweep, numbers, earlier))
        return plan(
            Observation(run, settings(), self.now, inputs, versions=self.versions, siblings=self.siblings, sweep=sweep)
        )

    def apply(self, body: Body) -> None:
        """Apply a trial or a ModelVersion."""
        if body["kind"] == "ModelVersion":
            body = {
                **body,
                "metadata": {**body["metadata"], "uid": "v", "creationTimestamp": "2026-11-05T12:00:00Z"},
            }
            self.versions = (*self.versions, ModelVersion.model_validate(body))
        else:
            super().apply(body)

    def step(self, **how: Any) -> Plan:
        """Carry a plan out, and write its conditions as the machinery does."""
        decided = super().step(**how)
        conditions = merge(self.status.conditions, decided.conditions, self.run.metadata.generation, self.now)
        self.status = self.status.model_copy(
            update={"conditions": conditions, "observed_generation": self.run.metadata.generation}
        )
        return decided


def ended(**changes: Any) -> RunSimulation:
    """Return a sweep whose two trials have succeeded: trial 1 is the best."""
    sweep = RunSimulation(**changes)
    sweep.step()
    sweep.finish(0, auc=0.7)
    sweep.finish(1, auc=0.9)
    sweep.step()
    return sweep


def test_a_sweep_creates_trials_and_no_job() -> None:
    sweep = RunSimulation()
    decided = sweep.step()
    assert [name.split()[0] for name in names(decided.apply)] == ["TrainingRun", "TrainingRun"]
    assert reason(decided) == "False Sweeping"
    assert reason(decided, "Reproducible") == "True Pinned"
    assert sweep.status.cache is not None
    assert sweep.status.cache.result == "Miss"


def test_trials_train_on_the_data_that_the_sweep_has_pinned() -> None:
    """Also if the Dataset has a newer snapshot."""
    sweep = RunSimulation()
    sweep.step()
    child = TrainingRun.model_validate(sweep.body(0))
    inputs = inputs_of(child, {"mortgage": dataset(status={"snapshot": snapshot("b")})})
    assert isinstance(inputs, ResolvedInputs)
    assert [dataset.digest for dataset in inputs.inputs.datasets] == [digest("a")]


def test_the_only_version_has_the_parameters_of_the_best_trial() -> None:
    sweep = ended()
    (version,) = sweep.versions
    origin = version.spec.origin
    assert origin.sweep == "search"
    assert origin.parameters == {"max_depth": "4", **TrainingRun.model_validate(sweep.body(1)).spec.parameters}
    assert origin.metrics["auc"] == 0.9
    assert version.spec.artifact.uri == "s3://store/m/1/"
    decided = sweep.step()
    assert reason(decided) == "True Trained"
    assert decided.apply == ()
    assert sweep.status.model_version == version.metadata.name


def test_a_deleted_version_is_created_again_after_the_deletion_of_the_trials() -> None:
    sweep = ended()
    (before,) = sweep.versions
    sweep.versions = sweep.versions[1:]
    sweep.now += timedelta(hours=2)
    sweep.step()
    assert sweep.bodies == {}
    (after,) = sweep.versions
    assert after.spec == before.spec


def test_a_failed_sweep_is_final_until_the_spec_changes() -> None:
    sweep = RunSimulation(maxFailedTrials=0)
    sweep.step()
    sweep.finish(0, state="Failed", reason="TrainerFailed")
    decided = sweep.step()
    assert reason(decided, "Stalled") == "True SweepFailed"
    assert reason(decided, "Succeeded") == "False SweepFailed"
    sweep.now += timedelta(hours=2)
    sweep.step()
    assert sweep.bodies == {}
    assert sweep.step().apply == ()
    sweep.run = sweep_run(maxTrials=2, parallelism=2, maxFailedTrials=1, generation=2)
    assert len(sweep.step().apply) == 2


def test_a_requested_stop_of_a_sweep_deletes_its_active_trials() -> None:
    sweep = RunSimulation()
    sweep.step()
    sweep.finish(0, auc=0.5)
    sweep.run = sweep_run(maxTrials=2, parallelism=2, annotations={"modelops.dev/stop": "enough"})
    running = sweep.body(1)["metadata"]["name"]
    decided = sweep.step()
    assert deleted(decided) == [running]
    assert sweep.table() == {0: "Succeeded", 1: "Stopped"}
    assert sweep.outcome().state == "Stopped"
    assert sweep.status.failed_attempts == []
    assert sweep.step().apply == ()


def test_a_requested_retry_of_a_failed_sweep_runs_the_failed_trials_again() -> None:
    sweep = RunSimulation(maxFailedTrials=0)
    sweep.step()
    sweep.finish(0, auc=0.5)
    sweep.finish(1, state="Failed", reason="TrainerFailed")
    sweep.step()
    sweep.run = sweep_run(maxTrials=2, parallelism=2, maxFailedTrials=0, annotations={"modelops.dev/retry": "1"})
    sweep.step()
    sweep.step()
    assert sweep.status.last_handled_retry == "1"
    assert sweep.table() == {0: "Succeeded", 1: "Running"}
    sweep.finish(1, auc=0.6)
    sweep.step()
    assert len(sweep.versions) == 1


def test_another_run_with_the_same_sweep_reuses_the_result_and_its_parameters() -> None:
    """The version with other gates has the parameters of the search too."""
    first = ended()
    gates = {"versionTemplate": {"gates": [{"metric": "auc", "min": 0.5}]}}
    other = RunSimulation(name="again", spec={"output": {"model": "mortgage", "format": "sklearn", **gates}})
    other.versions = first.versions
    other.siblings = (first.run.model_copy(update={"status": first.status}),)
    decided = other.step()
    assert reason(decided) == "True CacheHit"
    assert other.bodies == {}
    assert other.versions[1].spec.origin.parameters == first.versions[0].spec.origin.parameters
    ready = condition_of(decided, "Ready")
    assert ready is not None
    assert "nothing was trained" in ready.message


def test_new_data_starts_another_search() -> None:
    sweep = RunSimulation(spec={"rerunOn": ["DatasetChange"]})
    sweep.step()
    sweep.finish(0, auc=0.7)
    sweep.data = "b"
    sweep.step()
    assert sweep.table() == {0: "Succeeded", 1: "Running"}
    sweep.finish(1, auc=0.8)
    sweep.step()
    before = set(sweep.bodies)
    decided = sweep.step()
    assert len(decided.apply) == 2
    assert isinstance(decided.status, TrainingRunStatus)
    assert decided.status.cache is not None
    assert decided.status.cache.reason.startswith("dataset train: sha256:aaa")
    assert len(set(sweep.bodies) - before) == 2
