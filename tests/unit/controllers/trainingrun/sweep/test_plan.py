"""Plan of a sweep: as many trials as the spec says, each once whatever happens, and the model of the best trial."""

import asyncio
import copy
import random
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.sweep import Trial
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.owned import by_owner
from modelops.controllers.trainingrun.sweep.observe import observe
from modelops.controllers.trainingrun.sweep.result import model_parameters, reused_table
from modelops.controllers.trainingrun.sweep.suggester import Suggester
from modelops.controllers.trainingrun.sweep.trials import best_trial
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import Kube
from support.builders.common import NOW
from support.builders.common import settings as operator_settings
from support.builders.plans import deleted, reason
from support.controllers.sweeps import Simulation, finished, message, parameters, started, sweep_run

MORE_MEMORY = {"image": "example/train:1", "command": ["x"], "resources": {"limits": {"memory": "8Gi"}}}
STOPPING = {"earlyStopping": {"median": {"startStep": 2, "minTrials": 2}}}


def test_as_many_trials_are_created_as_may_run_at_the_same_time() -> None:
    sweep = Simulation(sweep_run(parallelism=3))
    decided = sweep.step()
    assert len(decided.apply) == 3
    assert sweep.table() == {0: "Running", 1: "Running", 2: "Running"}
    assert reason(decided) == "False Sweeping"
    assert message(decided) == "0/6 trials ended"
    assert sweep.status.started_at is not None


def test_the_next_trial_is_created_once_another_has_ended() -> None:
    sweep = started(parallelism=2)
    sweep.finish(1, auc=0.8)
    decided = sweep.step()
    assert sweep.table() == {0: "Running", 1: "Succeeded", 2: "Running"}
    assert message(decided) == "1/6 trials ended; best: trial 1, auc 0.8"


def test_the_progress_of_a_trial_causes_no_write_of_the_sweep() -> None:
    """The progress of a trial changes every 15 seconds. The status of the sweep must not be written each time."""
    sweep = started(parallelism=2)
    sweep.step()  # The UIDs of the trials' runs are recorded once.
    before, written = sweep.status, sweep.written
    sweep.report(0, auc=(0.1, 0.2))
    decided = sweep.step()
    assert sweep.status == before
    assert sweep.written == written
    assert message(decided) == "0/6 trials ended"


def test_the_model_of_the_best_trial_is_the_sweeps_model() -> None:
    sweep = finished(0.7, 0.9, 0.8)
    status = sweep.status
    assert status.outcome is not None
    assert (status.outcome.state, status.outcome.reason) == ("Succeeded", "Trained")
    assert status.outcome.message == "best of 3 trials: trial 1, auc 0.9"
    assert status.artifact is not None
    assert status.artifact.uri == "s3://store/m/1/"
    assert status.metrics == {"other": 1.0, "auc": 0.9}
    assert status.sweep is not None
    assert status.sweep.best == 1
    assert model_parameters(sweep.run, status) == {"max_depth": "4", **parameters(sweep)[1]}


def test_with_goal_minimize_the_least_value_is_the_best() -> None:
    sweep = finished(0.7, 0.2, 0.8, objective={"metric": "auc", "goal": "Minimize"})
    assert sweep.status.sweep is not None
    assert sweep.status.sweep.best == 1


def test_of_equal_trials_the_first_is_the_best() -> None:
    """Otherwise the model would depend on which trial ended first."""
    sweep = finished(0.7, 0.9, 0.9)
    assert sweep.status.sweep is not None
    assert sweep.status.sweep.best == 1
    rows = [Trial(number=n, run="r", state="Succeeded", objective=auc) for n, auc in ((0, -2.0), (1, 0.0))]
    assert best_trial(sweep.seen().sweep.objective, rows) == rows[1]


def test_a_grid_ends_when_all_its_points_were_run() -> None:
    depth = {"name": "depth", "type": "int", "min": 2, "max": 4}
    sweep = started(algorithm="grid", parameters=[depth], maxTrials=10, parallelism=5)
    assert len(sweep.bodies) == 3
    for number in range(3):
        sweep.finish(number, auc=0.5)
    sweep.step()
    assert sweep.status.outcome is not None
    assert sorted(trial["depth"] for trial in parameters(sweep).values()) == ["2", "3", "4"]


def test_a_trial_without_the_objective_has_failed() -> None:
    sweep = started(maxFailedTrials=0)
    sweep.finish(0)
    sweep.step()
    assert sweep.outcome().reason == "SweepFailed"
    assert 'ObjectiveMissing: the trainer wrote no "auc" to' in sweep.outcome().message


def test_a_sweep_succeeds_in_spite_of_max_failed_trials_failures() -> None:
    sweep = started(maxTrials=3, maxFailedTrials=2)
    for number in range(2):
        sweep.finish(number, state="Failed", reason="OutOfMemory")
        decided = sweep.step()
    assert message(decided) == "2/3 trials ended, 2 failed"
    sweep.finish(2, auc=0.5)
    sweep.step()
    assert sweep.outcome().state == "Succeeded"


def test_too_many_failures_end_the_sweep_and_its_active_trials() -> None:
    """The active trials would only use up the quota."""
    sweep = started(parallelism=3, maxFailedTrials=1)
    running = sweep.body(1)["metadata"]["name"]
    sweep.finish(2, state="Failed", reason="TrainerFailed")
    sweep.step()
    sweep.now += timedelta(minutes=1)
    sweep.finish(0, state="Failed", reason="OutOfMemory")
    decided = sweep.step()
    outcome = sweep.status.outcome
    assert outcome is not None
    assert (outcome.state, outcome.reason) == ("Failed", "SweepFailed")
    name = sweep.body(0)["metadata"]["name"]
    assert outcome.message == (
        f"2/6 trials failed, maxFailedTrials is 1; the last, trial 0 (TrainingRun {name}): OutOfMemory: so it ended: 0"
    )
    assert running in deleted(decided)
    assert sweep.table() == {0: "Failed", 1: "Stopped", 2: "Failed", 3: "Stopped"}


def test_a_sweep_without_a_success_has_failed() -> None:
    sweep = started(maxTrials=2, maxFailedTrials=2, parallelism=2)
    sweep.finish(0, state="Failed", reason="TrainerFailed")
    sweep.finish(1, state="Stopped", reason="Stopped")
    sweep.step()
    assert sweep.outcome().message.startswith("0/2 trials succeeded: 1 failed, 1 stopped; the last, trial 0")


def test_the_reason_of_a_stalled_trial_is_shown_by_the_sweep() -> None:
    """A wrong image would hold up the sweep for ever, and a person looks at the sweep's status first."""
    sweep = started(parallelism=2)
    condition = {
        "type": "Stalled",
        "status": "True",
        "reason": "ImagePullFailed",
        "message": "no such image",
        "lastTransitionTime": "2026-11-05T12:00:00Z",
    }
    sweep.report(1, conditions=[condition])
    decided = sweep.step()
    assert reason(decided, "Stalled") == "True ImagePullFailed"
    assert message(decided) == f"trial 1 (TrainingRun {sweep.body(1)['metadata']['name']}): no such image"


def test_a_trial_below_the_median_is_stopped_once() -> None:
    sweep = started(parallelism=3, **STOPPING)
    for number in (0, 1):
        sweep.report(number, auc=(0.7, 0.8))
        sweep.finish(number, auc=0.8)
    sweep.report(2, auc=(0.1, 0.2))
    sweep.step()
    reason_to_stop = "step 2: best auc 0.2 is worse than the median 0.75 of 2 trials"
    assert sweep.body(2)["metadata"]["annotations"]["modelops.dev/stop"] == reason_to_stop
    assert sweep.table()[2] == "Running"
    written = sweep.written
    sweep.report(2, auc=(0.1, 0.2, 0.9))
    sweep.step()
    assert sweep.body(2)["metadata"]["annotations"]["modelops.dev/stop"] == reason_to_stop
    assert sweep.written == written
    sweep.finish(2, state="Stopped", reason="Stopped")
    decided = sweep.step()
    assert sweep.table()[2] == "Stopped"
    assert message(decided) == "3/6 trials ended; best: trial 0, auc 0.8"


def test_without_early_stopping_no_trial_is_stopped() -> None:
    sweep = started(parallelism=3)
    for number in (0, 1):
        sweep.report(number, auc=(0.7, 0.8))
        sweep.finish(number, auc=0.8)
    sweep.report(2, auc=(0.1, 0.2))
    sweep.step()
    assert "modelops.dev/stop" not in sweep.body(2)["metadata"]["annotations"]


def test_tpe_creates_a_trial_only_after_those_that_it_learns_from() -> None:
    """With two at the same time, trial 2 is suggested from trial 0. Which trial ends first does not change it."""
    sweep = started(algorithm="tpe", parallelism=2)
    sweep.finish(1, auc=0.5)
    sweep.step()
    assert sweep.table() == {0: "Running", 1: "Succeeded"}
    sweep.finish(0, auc=0.4)
    sweep.step()
    assert sweep.table() == {0: "Succeeded", 1: "Succeeded", 2: "Running", 3: "Running"}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["random", "tpe"]), st.integers(1, 4))
def test_each_trial_is_created_once_however_often_the_operator_is_killed(
    seed: int, algorithm: str, parallelism: int
) -> None:
    """The operator is killed after any write, before or after its status, and trials end in any order.

    The table is the same as without any disturbance, and never do more trials run than `parallelism` allows.
    """
    chance = random.Random(seed)
    fields: dict[str, Any] = {"algorithm": algorithm, "parallelism": parallelism, "maxTrials": 9, "seed": seed}

    def value(sweep: Simulation, number: int) -> float:
        return float(sweep.body(number)["spec"]["parameters"]["rate"])

    calm = started(**fields)
    while calm.status.outcome is None:
        first = min(number for number, state in calm.table().items() if state == "Running")
        calm.finish(first, auc=value(calm, first))
        calm.step()

    rough = Simulation(sweep_run(**fields))
    steps = 0
    while rough.status.outcome is None:
        steps += 1
        assert steps < 500
        rough.step(status_written=chance.random() < 0.5, only=chance.choice([None, None, 0, 1]))
        running = [
            int(body["metadata"]["annotations"]["modelops.dev/trial"])
            for body in rough.bodies.values()
            if "outcome" not in body.get("status", {})
        ]
        assert len(running) <= parallelism
        if running and chance.random() < 0.6:
            number = chance.choice(running)
            rough.finish(number, auc=value(rough, number))
    assert rough.written == 9
    assert parameters(rough) == parameters(calm)
    assert rough.status.sweep == calm.status.sweep


def test_a_reused_result_keeps_its_parameters() -> None:
    """The origin of the model has the parameters, though this sweep has run no trial."""
    sweep = finished(0.7, 0.9)
    status = sweep.status
    whole = model_parameters(sweep.run, status)
    other = reused_table(sweep.seen().sweep, "another", whole, status.metrics)
    assert other.trials == [
        Trial(number=0, run="another", parameters=parameters(sweep)[1], state="Succeeded", objective=0.9)
    ]
    assert model_parameters(sweep.run, TrainingRunStatus(sweep=other)) == whole


async def test_a_sweep_observes_the_newest_version_of_its_own_trials() -> None:
    """Runs of other owners are not observed."""
    sweep = started(parallelism=2)
    cache = Cache({"TrainingRun": by_owner})
    for body in sweep.bodies.values():
        cache.put(body)
    stranger = copy.deepcopy(sweep.body(0))
    stranger["metadata"] |= {"name": "stranger", "uid": "s", "ownerReferences": []}
    cache.put(stranger)
    context = ReconcileContext(cache, cast(Kube, None), operator_settings(), NOW)
    run = sweep.run.model_copy(update={"status": sweep.status})
    suggester = Suggester()
    first = observe(run, sweep.resolved, context, suggester)
    assert [trial.number for trial in first.trials] == [0, 1]
    assert first.suggested == {}
    sweep.finish(0, auc=0.5)
    sweep.body(0)["metadata"]["resourceVersion"] = "2"
    cache.put(sweep.body(0))
    asked = observe(run, sweep.resolved, context, suggester)
    assert asked.suggested == {}, "no reconcile waits for a suggestion"
    await asyncio.gather(*suggester._running.values())
    then = observe(run, sweep.resolved, context, suggester)
    assert [trial.result.state for trial in then.trials] == ["Succeeded", "Running"]
    assert then.suggested == sweep.seen().suggested
    assert list(then.suggested) == [2]


def test_a_sweep_that_has_ended_has_no_suggestions() -> None:
    """No trial is created again after its deletion."""
    sweep = finished(0.7)
    context = ReconcileContext(Cache({"TrainingRun": by_owner}), cast(Kube, None), operator_settings(), NOW)
    run = sweep.run.model_copy(update={"status": sweep.status})
    seen = observe(run, sweep.resolved, context, Suggester())
    assert (seen.children, seen.suggested) == ((), {})


def test_existing_trials_are_applied_before_new_ones() -> None:
    """A quota without room for a new trial must not keep a request to stop from the others."""
    sweep = started(parallelism=4, **STOPPING)
    for number in (0, 1):
        sweep.report(number, auc=(0.7, 0.8))
        sweep.finish(number, auc=0.8)
    sweep.report(2, auc=(0.1, 0.2))
    numbers = [body["metadata"]["annotations"]["modelops.dev/trial"] for body in sweep.plan().apply]
    assert numbers == ["2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("goal", "target", "value", "reached"),
    [
        ("Maximize", 0.8, 0.8, True),
        ("Maximize", 0.8, 0.79, False),
        ("Minimize", 0.2, 0.2, True),
        ("Minimize", 0.2, 0.21, False),
        ("Minimize", 0.0, 0.0, True),
    ],
)
def test_a_trial_that_reaches_the_target_ends_the_sweep(goal: str, target: float, value: float, reached: bool) -> None:
    """Like the goal of a Katib experiment: further trials would cost and not help."""
    sweep = started(parallelism=2, objective={"metric": "auc", "goal": goal, "target": target})
    sweep.finish(1, auc=value)
    decided = sweep.step()
    assert (sweep.status.outcome is not None) is reached
    if reached:
        assert sweep.outcome().message == (f"best of 2 trials: trial 1, auc {value:.4g}, target {target:.4g} reached")
        assert sweep.table() == {0: "Stopped", 1: "Succeeded"}
        assert deleted(decided) == [sweep.status.sweep.trials[0].run] if sweep.status.sweep else False
        assert sweep.step().apply == ()


def test_a_run_that_took_the_place_of_a_trial_does_not_count() -> None:
    """Who deletes a trial, and creates a run of its name below the sweep, could tell any objective and model."""
    sweep = started(maxTrials=2, parallelism=2)
    sweep.step()
    own = sweep.body(0)["metadata"]["uid"]
    assert sweep.status.sweep is not None
    assert sweep.status.sweep.trials[0].uid == own
    sweep.body(0)["metadata"]["uid"] = "forged"
    sweep.finish(0, auc=1.0)
    decided = sweep.step()
    assert [(delete.key.name, delete.uid) for delete in decided.delete] == [
        (sweep.status.sweep.trials[0].run, "forged")
    ]
    assert sweep.table()[0] == "Running"
    again = sweep.step()
    assert [body["metadata"]["annotations"]["modelops.dev/trial"] for body in again.apply[-1:]] == ["0"]
    sweep.step()
    assert sweep.status.sweep is not None
    assert sweep.status.sweep.trials[0].uid not in (own, "forged", None)
    sweep.finish(0, auc=0.6)
    sweep.finish(1, auc=0.7)
    sweep.step()
    assert sweep.status.sweep.best == 1
