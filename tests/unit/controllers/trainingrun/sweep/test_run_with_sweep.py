"""A run with a sweep in the plan of all runs: trials instead of a Job, and one ModelVersion at the end."""

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
from support.run_observations import inputs_of
from support.sweeps import Simulation, sweep_run


class Whole(Simulation):
    """The simulation, with the plan of all runs."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(sweep_run(**{"maxTrials": 2, "parallelism": 2, **changes}))
        self.versions: tuple[ModelVersion, ...] = ()

    def plan(self) -> Plan:
        """Decide as the controller does, on the run and its Dataset."""
        run = self.run.model_copy(update={"status": self.status})
        inputs = inputs_of(run, {"mortgage": dataset(status={"snapshot": snapshot(self.letter)})}, now=self.now)
        assert isinstance(inputs, ResolvedInputs)
        sweep = SweepObservation(run, inputs, self.now, tuple(child_of(body) for body in self.bodies.values()))
        if run.spec.sweep is not None and not outcome_holds(run, inputs):
            earlier = {trial.number: trial.as_earlier_trial for trial in sweep.trials}
            numbers = trials_due(run.spec.sweep, sweep.trials)
            sweep = replace(sweep, suggested=suggest(run.spec.sweep, numbers, earlier))
        return plan(Observation(run, settings(), self.now, inputs, versions=self.versions, sweep=sweep))

    def apply(self, body: Body) -> None:
        """ModelVersions are kept beside the trials."""
        if body["kind"] == "ModelVersion":
            body = {
                **body,
                "metadata": {**body["metadata"], "uid": "v", "creationTimestamp": "2026-11-05T12:00:00Z"},
            }
            self.versions = (*self.versions, ModelVersion.model_validate(body))
        else:
            super().apply(body)

    def step(self, **how: Any) -> Plan:
        """With the conditions, as the machinery writes them."""
        decided = super().step(**how)
        conditions = merge(self.status.conditions, decided.conditions, self.run.metadata.generation, self.now)
        self.status = self.status.model_copy(
            update={"conditions": conditions, "observed_generation": self.run.metadata.generation}
        )
        return decided


def ended(**changes: Any) -> Whole:
    made = Whole(**changes)
    made.step()
    made.ends(0, 0.7)
    made.ends(1, 0.9)
    made.step()
    return made


def test_trials_begin_and_no_job() -> None:
    made = Whole()
    decided = made.step()
    assert [name.split()[0] for name in names(decided.apply)] == ["TrainingRun", "TrainingRun"]
    assert reason(decided) == "False Sweeping"
    assert reason(decided, "Reproducible") == "True Pinned"
    assert made.status.cache is not None
    assert made.status.cache.result == "Miss"


def test_trials_train_on_what_the_sweep_has_pinned() -> None:
    """Whatever the Dataset has become: the trial's own plan takes its data from its sweep."""
    made = Whole()
    made.step()
    child = TrainingRun.model_validate(made.body(0))
    inputs = inputs_of(child, {"mortgage": dataset(status={"snapshot": snapshot("b")})})
    assert isinstance(inputs, ResolvedInputs)
    assert [one.digest for one in inputs.inputs.datasets] == [digest("a")]


def test_one_version_comes_out_with_the_best_parameters() -> None:
    made = ended()
    (version,) = made.versions
    origin = version.spec.origin
    assert origin.sweep == "search"
    assert origin.parameters == {"max_depth": "4", **TrainingRun.model_validate(made.body(1)).spec.parameters}
    assert origin.metrics["auc"] == 0.9
    assert version.spec.artifact.uri == "s3://store/m/1/"
    decided = made.step()
    assert reason(decided) == "True Trained"
    assert decided.apply == ()
    assert made.status.model_version == version.metadata.name


def test_a_version_that_somebody_deleted_is_made_again_though_the_trials_are_gone() -> None:
    made = ended()
    before, made.versions = made.versions, ()
    made.now += timedelta(hours=2)
    made.step()
    assert made.bodies == {}
    assert made.versions[0].spec == before[0].spec


def test_a_failed_sweep_is_final_until_the_spec_changes() -> None:
    made = Whole(maxFailedTrials=0)
    made.step()
    made.ends(0, state="Failed", reason="TrainerFailed")
    decided = made.step()
    assert reason(decided, "Stalled") == "True SweepFailed"
    assert reason(decided, "Succeeded") == "False SweepFailed"
    made.now += timedelta(hours=2)
    made.step()
    assert made.bodies == {}
    assert made.step().apply == ()
    made.run = sweep_run(maxTrials=2, parallelism=2, maxFailedTrials=1, generation=2)
    assert len(made.step().apply) == 2


def test_a_sweep_that_is_stopped_ends_its_trials() -> None:
    made = Whole()
    made.step()
    made.ends(0, 0.5)
    made.run = sweep_run(maxTrials=2, parallelism=2, annotations={"modelops.dev/stop": "enough"})
    running = made.body(1)["metadata"]["name"]
    decided = made.step()
    assert deleted(decided) == [running]
    assert made.table() == {0: "Succeeded", 1: "Stopped"}
    assert made.status.outcome is not None
    assert made.status.outcome.state == "Stopped"
    assert made.status.failed_attempts == []
    assert made.step().apply == ()


def test_a_retry_of_a_failed_sweep_tries_again_what_failed() -> None:
    made = Whole(maxFailedTrials=0)
    made.step()
    made.ends(0, 0.5)
    made.ends(1, state="Failed", reason="TrainerFailed")
    made.step()
    made.run = sweep_run(maxTrials=2, parallelism=2, maxFailedTrials=0, annotations={"modelops.dev/retry": "1"})
    made.step()
    made.step()
    assert made.status.last_handled_retry == "1"
    assert made.table() == {0: "Succeeded", 1: "Running"}
    made.ends(1, 0.6)
    made.step()
    assert len(made.versions) == 1


def test_the_same_sweep_elsewhere_is_a_hit_with_its_parameters() -> None:
    """Its version under other gates must still say which parameters it was made with."""
    first = ended()
    gates = {"versionTemplate": {"gates": [{"metric": "auc", "min": 0.5}]}}
    other = Whole(name="again", spec={"output": {"model": "mortgage", "format": "sklearn", **gates}})
    other.versions = first.versions
    decided = other.step()
    assert reason(decided) == "True CacheHit"
    assert other.bodies == {}
    assert other.versions[1].spec.origin.parameters == first.versions[0].spec.origin.parameters
    told = condition_of(decided, "Ready")
    assert told is not None
    assert "nothing was trained" in told.message


def test_new_data_starts_another_search() -> None:
    made = Whole(spec={"rerunOn": ["DatasetChange"]})
    made.step()
    made.ends(0, 0.7)
    made.letter = "b"
    made.step()
    assert made.table() == {0: "Succeeded", 1: "Running"}
    made.ends(1, 0.8)
    made.step()
    before = set(made.bodies)
    decided = made.step()
    assert len(decided.apply) == 2
    assert isinstance(decided.status, TrainingRunStatus)
    assert decided.status.cache is not None
    assert decided.status.cache.reason.startswith("dataset train: sha256:aaa")
    assert len(set(made.bodies) - before) == 2
