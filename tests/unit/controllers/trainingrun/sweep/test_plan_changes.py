"""Plan of a sweep after a change: of the data, of the spec, by a retry, and once the trials are no longer needed."""

from datetime import timedelta
from typing import Any

import pytest

from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.trainingrun.sweep.garbage_collection import collect_garbage
from modelops.machinery.plan import Plan
from support.builders.common import NOW
from support.builders.plans import deleted
from support.controllers.sweeps import finished, parameters, started, sweep_run

MORE_MEMORY = {"image": "example/train:1", "command": ["x"], "resources": {"limits": {"memory": "8Gi"}}}
STOPPING = {"earlyStopping": {"median": {"startStep": 2, "minTrials": 2}}}


def test_trials_are_kept_for_ttl_after_finished_and_the_table_for_ever() -> None:
    """Nothing is trained again when the trials are deleted."""
    sweep = finished(0.7, 0.9, spec={"ttlAfterFinished": "10m"})
    assert len(sweep.bodies) == 2
    decided = sweep.step()
    assert decided.requeue_after == timedelta(minutes=10)
    sweep.now += timedelta(minutes=10)
    sweep.step()
    assert sweep.bodies == {}
    last = sweep.step()
    assert last.apply == ()
    assert last.requeue_after is None
    assert sweep.table() == {0: "Succeeded", 1: "Succeeded"}


def test_no_trial_is_deleted_before_the_outcome_is_written() -> None:
    """With `ttlAfterFinished: 0s` and an operator that is killed between two writes, the models must not be lost."""
    sweep = started(maxTrials=1, spec={"ttlAfterFinished": "0s"})
    sweep.finish(0, auc=0.5)
    decided = sweep.step(status_written=False)
    assert deleted(decided) == []
    sweep.step()
    assert sweep.status.outcome is not None
    assert len(sweep.bodies) == 1
    sweep.step()
    assert sweep.bodies == {}


def test_new_data_starts_new_trials() -> None:
    """Active trials of the old data are deleted at once, ended ones once the new search has an outcome."""
    sweep = started(parallelism=2, maxTrials=2)
    sweep.finish(0, auc=0.9)
    sweep.step()
    old = {number: sweep.body(number)["metadata"]["name"] for number in (0, 1)}
    sweep.data = "b"
    decided = sweep.step()
    assert deleted(decided) == [old[1]]
    assert sweep.table() == {0: "Running", 1: "Running"}
    assert sweep.status.sweep is not None
    assert sweep.status.sweep.best is None
    new = [row.run for row in sweep.status.sweep.trials]
    assert set(new) & set(old.values()) == set()
    for name in new:
        number = int(sweep.bodies[name]["metadata"]["annotations"]["modelops.dev/trial"])
        sweep.bodies.pop(old[number], None)
        sweep.finish(number, auc=0.5)
    sweep.bodies[old[0]] = {**sweep.bodies[new[0]], "metadata": {**sweep.bodies[new[0]]["metadata"], "name": old[0]}}
    assert deleted(sweep.step()) == [old[0]]


@pytest.mark.parametrize(
    ("change", "stay"),
    [
        ({"maxTrials": 4}, True),
        ({"parallelism": 2}, True),
        ({"maxFailedTrials": 1}, True),
        ({"objective": {"metric": "auc", "target": 0.8}}, True),
        ({"seed": 9}, False),
        ({"objective": {"metric": "loss"}}, False),
        ({"spec": {"parameters": {"max_depth": "5"}}}, False),
    ],
    ids=str,
)
def test_trials_stay_if_a_change_of_the_spec_does_not_concern_them(change: dict[str, Any], stay: bool) -> None:
    """A greater maxTrials must not train the existing trials again."""
    sweep = finished(0.7, 0.9)
    before = set(sweep.bodies)
    sweep.run = sweep_run(generation=2, **{"maxTrials": 2, **change})
    sweep.step()
    sweep.step()
    assert sweep.status.sweep is not None
    assert (before <= {row.run for row in sweep.status.sweep.trials}) is stay


def test_a_smaller_max_trials_ends_the_sweep_with_the_trials_that_remain() -> None:
    sweep = started(maxTrials=4, parallelism=2)
    sweep.finish(0, auc=0.5)
    sweep.step()
    sweep.run = sweep_run(generation=2, maxTrials=1)
    decided = sweep.step()
    assert len(deleted(decided)) == 2
    assert sweep.status.outcome is not None
    assert sweep.table() == {0: "Succeeded"}


def test_a_retry_creates_only_the_failed_trials_again() -> None:
    sweep = started(maxTrials=3, parallelism=3, maxFailedTrials=1)
    sweep.finish(0, auc=0.5)
    for number in (1, 2):
        sweep.finish(number, state="Failed", reason="TrainerFailed")
    sweep.step()
    before = parameters(sweep)
    kept, gone = sweep.body(0)["metadata"]["uid"], sweep.body(1)["metadata"]["uid"]
    sweep.run = sweep_run(maxTrials=3, parallelism=3, maxFailedTrials=1, annotations={"modelops.dev/retry": "1"})
    sweep.step()
    # The run's own plan writes that the annotation was handled.
    sweep.status = sweep.status.model_copy(update={"last_handled_retry": "1"})
    sweep.step()
    assert sweep.table() == {0: "Succeeded", 1: "Running", 2: "Running"}
    assert parameters(sweep) == before
    assert sweep.body(0)["metadata"]["uid"] == kept
    assert sweep.body(1)["metadata"]["uid"] != gone
    for number in (1, 2):
        sweep.finish(number, auc=0.1)
    sweep.step()
    assert sweep.outcome().state == "Succeeded"


def test_more_memory_trains_only_the_failed_trials_again() -> None:
    """Like every failed run. Trials that have succeeded stay."""
    small = {**MORE_MEMORY, "resources": {"limits": {"memory": "1Gi"}}}
    fields: dict[str, Any] = {"maxTrials": 2, "maxFailedTrials": 0, "parallelism": 2}
    sweep = started(**fields, spec={"trainer": small})
    sweep.finish(0, auc=0.5)
    sweep.finish(1, state="Failed", reason="OutOfMemory")
    sweep.step()
    assert sweep.outcome().state == "Failed"
    sweep.run = sweep_run(generation=2, **fields, spec={"trainer": MORE_MEMORY})
    sweep.step()
    assert sweep.status.outcome is None
    assert sweep.table() == {0: "Succeeded", 1: "Running"}
    assert sweep.body(1)["spec"]["trainer"]["resources"] == {"limits": {"memory": "8Gi"}}
    assert sweep.body(0)["metadata"]["generation"] == 1
    sweep.finish(1, auc=0.7)
    sweep.step()
    assert sweep.outcome().state == "Succeeded"


def test_a_change_that_does_not_concern_the_trials_fails_again_at_once() -> None:
    sweep = started(maxTrials=1, maxFailedTrials=0)
    sweep.finish(0, state="Failed", reason="TrainerFailed")
    sweep.step()
    written = sweep.written
    sweep.run = sweep_run(generation=2, maxTrials=1, maxFailedTrials=0)
    sweep.step()
    assert sweep.written == written
    assert sweep.outcome().state == "Failed"


def test_a_trial_that_a_person_deletes_is_created_again_with_the_same_parameters() -> None:
    sweep = started(parallelism=3)
    before = parameters(sweep)
    del sweep.bodies[sweep.body(1)["metadata"]["name"]]
    sweep.step()
    assert parameters(sweep) == before
    assert len(sweep.bodies) == 3


def test_a_run_without_its_former_sweep_deletes_the_trials() -> None:
    sweep = started(parallelism=2)
    seen = sweep.seen()
    plain = seen.run.model_copy(update={"spec": seen.run.spec.model_copy(update={"sweep": None})})
    seen = type(seen)(plain, seen.resolved, seen.now, seen.children)
    assert len(deleted(collect_garbage(Plan(status=TrainingRunStatus()), seen))) == 2


def test_the_plan_of_a_run_that_never_had_a_sweep_is_unchanged() -> None:
    seen = started().seen()
    plain = seen.run.model_copy(update={"spec": seen.run.spec.model_copy(update={"sweep": None})})
    plan = Plan(status=TrainingRunStatus(), requeue_after=timedelta(minutes=1))
    assert collect_garbage(plan, type(seen)(plain, seen.resolved, NOW)) is plan
