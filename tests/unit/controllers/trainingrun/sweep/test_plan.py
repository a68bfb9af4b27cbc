"""What a sweep does: as many trials as asked for, each once whatever happens, and the best one's model."""

import copy
import random
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.sweep import Trial
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.jobs import by_owner
from modelops.controllers.trainingrun.sweep.garbage_collection import collect_garbage
from modelops.controllers.trainingrun.sweep.observe import observe
from modelops.controllers.trainingrun.sweep.result import model_parameters, reused_table
from modelops.controllers.trainingrun.sweep.trials import best_trial
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import Kube
from modelops.machinery.plan import Plan
from support.builders.common import NOW
from support.builders.common import settings as operator_settings
from support.builders.plans import condition_of, deleted, reason
from support.sweeps import Simulation, sweep_run

MORE_MEMORY = {"image": "example/train:1", "command": ["x"], "resources": {"limits": {"memory": "8Gi"}}}
STOPPING = {"earlyStopping": {"median": {"startStep": 2, "minTrials": 2}}}


def begun(**changes: Any) -> Simulation:
    """A sweep whose first trials have begun."""
    made = Simulation(sweep_run(**changes))
    made.step()
    return made


def finished(*values: float, **changes: Any) -> Simulation:
    """A sweep of so many trials, one after the other, each with its value."""
    made = begun(maxTrials=len(values), **changes)
    for number, value in enumerate(values):
        made.ends(number, value)
        made.step()
    return made


def message(plan: Plan) -> str:
    told = condition_of(plan, "Ready")
    assert told is not None
    return told.message


def parameters(made: Simulation) -> dict[int, dict[str, str]]:
    assert made.status.sweep is not None
    return {row.number: row.parameters for row in made.status.sweep.trials}


def test_as_many_trials_begin_as_may_run_at_once() -> None:
    made = Simulation(sweep_run(parallelism=3))
    decided = made.step()
    assert len(decided.apply) == 3
    assert made.table() == {0: "Running", 1: "Running", 2: "Running"}
    assert reason(decided) == "False Sweeping"
    assert message(decided) == "0/6 trials ended"
    assert made.status.started_at is not None


def test_a_trial_that_ends_makes_room_for_the_next() -> None:
    made = begun(parallelism=2)
    made.ends(1, 0.8)
    decided = made.step()
    assert made.table() == {0: "Running", 1: "Succeeded", 2: "Running"}
    assert message(decided) == "1/6 trials ended; best: trial 1, auc 0.8"


def test_nothing_is_written_while_the_table_stays_as_it_is() -> None:
    """A trial's progress, written every 15 seconds, must not cost a write of the sweep's status each time."""
    made = begun(parallelism=2)
    before, written = made.status, made.written
    made.tells(0, 0.1, 0.2)
    decided = made.step()
    assert made.status == before
    assert made.written == written
    assert message(decided) == "0/6 trials ended"


def test_the_best_trials_model_is_the_sweeps() -> None:
    made = finished(0.7, 0.9, 0.8)
    status = made.status
    assert status.outcome is not None
    assert (status.outcome.state, status.outcome.reason) == ("Succeeded", "Trained")
    assert status.outcome.message == "best of 3 trials: trial 1, auc 0.9"
    assert status.artifact is not None
    assert status.artifact.uri == "s3://store/m/1/"
    assert status.metrics == {"other": 1.0, "auc": 0.9}
    assert status.sweep is not None
    assert status.sweep.best == 1
    assert model_parameters(made.run, status) == {"max_depth": "4", **parameters(made)[1]}


def test_for_a_loss_the_least_is_the_best() -> None:
    made = finished(0.7, 0.2, 0.8, objective={"metric": "auc", "goal": "Minimize"})
    assert made.status.sweep is not None
    assert made.status.sweep.best == 1


def test_of_equal_trials_the_first_is_the_best() -> None:
    """Otherwise which model comes out would depend on which trial ended first."""
    made = finished(0.7, 0.9, 0.9)
    assert made.status.sweep is not None
    assert made.status.sweep.best == 1
    rows = [Trial(number=n, run="r", state="Succeeded", objective=value) for n, value in ((0, -2.0), (1, 0.0))]
    assert best_trial(made.seen().sweep.objective, rows) == rows[1]


def test_a_grid_ends_when_its_points_are_tried() -> None:
    depth = {"name": "depth", "type": "int", "min": 2, "max": 4}
    made = begun(algorithm="grid", parameters=[depth], maxTrials=10, parallelism=5)
    assert len(made.bodies) == 3
    for number in range(3):
        made.ends(number, 0.5)
    made.step()
    assert made.status.outcome is not None
    assert sorted(one["depth"] for one in parameters(made).values()) == ["2", "3", "4"]


def test_a_trial_without_the_objective_has_failed() -> None:
    made = begun(maxFailedTrials=0)
    made.ends(0)
    made.step()
    assert made.status.outcome is not None
    assert made.status.outcome.reason == "SweepFailed"
    assert 'ObjectiveMissing: the trainer wrote no "auc" to' in made.status.outcome.message


def test_a_few_failures_are_borne() -> None:
    made = begun(maxTrials=3, maxFailedTrials=2)
    for number in range(2):
        made.ends(number, state="Failed", reason="OutOfMemory")
        told = made.step()
    assert message(told) == "2/3 trials ended, 2 failed"
    made.ends(2, 0.5)
    made.step()
    assert made.status.outcome is not None
    assert made.status.outcome.state == "Succeeded"


def test_too_many_failures_end_the_sweep_and_what_still_runs() -> None:
    """Whatever is left would only burn the quota."""
    made = begun(parallelism=3, maxFailedTrials=1)
    running = made.body(1)["metadata"]["name"]
    made.ends(2, state="Failed", reason="TrainerFailed")
    made.step()
    made.now += timedelta(minutes=1)
    made.ends(0, state="Failed", reason="OutOfMemory")
    decided = made.step()
    outcome = made.status.outcome
    assert outcome is not None
    assert (outcome.state, outcome.reason) == ("Failed", "SweepFailed")
    name = made.body(0)["metadata"]["name"]
    assert outcome.message == (
        f"2/6 trials failed, maxFailedTrials is 1; the last, trial 0 (TrainingRun {name}): OutOfMemory: so it ended: 0"
    )
    assert running in deleted(decided)
    assert made.table() == {0: "Failed", 1: "Stopped", 2: "Failed", 3: "Stopped"}


def test_a_sweep_without_a_success_has_failed() -> None:
    made = begun(maxTrials=2, maxFailedTrials=2, parallelism=2)
    made.ends(0, state="Failed", reason="TrainerFailed")
    made.ends(1, state="Stopped", reason="Stopped")
    made.step()
    assert made.status.outcome is not None
    assert made.status.outcome.message.startswith("0/2 trials succeeded: 1 failed, 1 stopped; the last, trial 0")


def test_a_trial_that_waits_for_a_person_is_told_of() -> None:
    """A wrong image would hold the sweep up for ever, and its own status is where one looks."""
    made = begun(parallelism=2)
    condition = {
        "type": "Stalled",
        "status": "True",
        "reason": "ImagePullFailed",
        "message": "no such image",
        "lastTransitionTime": "2026-11-05T12:00:00Z",
    }
    made.tells(1, conditions=[condition])
    decided = made.step()
    assert reason(decided, "Stalled") == "True ImagePullFailed"
    assert message(decided) == f"trial 1 (TrainingRun {made.body(1)['metadata']['name']}): no such image"


def test_a_trial_that_will_not_be_the_best_is_stopped_once() -> None:
    made = begun(parallelism=3, **STOPPING)
    for number in (0, 1):
        made.tells(number, 0.7, 0.8)
        made.ends(number, 0.8)
    made.tells(2, 0.1, 0.2)
    made.step()
    why = "step 2: best auc 0.2 is worse than the median 0.75 of 2 trials"
    assert made.body(2)["metadata"]["annotations"]["modelops.dev/stop"] == why
    assert made.table()[2] == "Running"
    written = made.written
    made.tells(2, 0.1, 0.2, 0.9)
    made.step()
    assert made.body(2)["metadata"]["annotations"]["modelops.dev/stop"] == why
    assert made.written == written
    made.ends(2, state="Stopped", reason="Stopped")
    decided = made.step()
    assert made.table()[2] == "Stopped"
    assert message(decided) == "3/6 trials ended; best: trial 0, auc 0.8"


def test_without_early_stopping_no_trial_is_stopped() -> None:
    made = begun(parallelism=3)
    for number in (0, 1):
        made.tells(number, 0.7, 0.8)
        made.ends(number, 0.8)
    made.tells(2, 0.1, 0.2)
    made.step()
    assert "modelops.dev/stop" not in made.body(2)["metadata"]["annotations"]


def test_tpe_waits_for_the_trial_that_it_learns_from() -> None:
    """With two at once, trial 2 is suggested from trial 0. Who ends first does not change what is tried."""
    made = begun(algorithm="tpe", parallelism=2)
    made.ends(1, 0.5)
    made.step()
    assert made.table() == {0: "Running", 1: "Succeeded"}
    made.ends(0, 0.4)
    made.step()
    assert made.table() == {0: "Succeeded", 1: "Succeeded", 2: "Running", 3: "Running"}


def test_trials_are_kept_as_long_as_the_sweeps_pods_and_the_table_for_ever() -> None:
    """They are the table's evidence. That they go trains nothing again."""
    made = finished(0.7, 0.9, spec={"ttlAfterFinished": "10m"})
    assert len(made.bodies) == 2
    waits = made.step()
    assert waits.requeue_after == timedelta(minutes=10)
    made.now += timedelta(minutes=10)
    made.step()
    assert made.bodies == {}
    last = made.step()
    assert last.apply == ()
    assert last.requeue_after is None
    assert made.table() == {0: "Succeeded", 1: "Succeeded"}


def test_no_trial_goes_before_the_outcome_is_written() -> None:
    """A `ttlAfterFinished` of nothing, and an operator that dies between two writes: the models must not be lost."""
    made = begun(maxTrials=1, spec={"ttlAfterFinished": "0s"})
    made.ends(0, 0.5)
    decided = made.step(status_written=False)
    assert deleted(decided) == []
    made.step()
    assert made.status.outcome is not None
    assert len(made.bodies) == 1
    made.step()
    assert made.bodies == {}


def test_new_data_starts_new_trials() -> None:
    """What still runs for the old data ends at once; what has ended stays until there is a new best."""
    made = begun(parallelism=2, maxTrials=2)
    made.ends(0, 0.9)
    made.step()
    old = {number: made.body(number)["metadata"]["name"] for number in (0, 1)}
    made.letter = "b"
    decided = made.step()
    assert deleted(decided) == [old[1]]
    assert made.table() == {0: "Running", 1: "Running"}
    assert made.status.sweep is not None
    assert made.status.sweep.best is None
    new = [row.run for row in made.status.sweep.trials]
    assert set(new) & set(old.values()) == set()
    for name in new:
        number = int(made.bodies[name]["metadata"]["annotations"]["modelops.dev/trial"])
        made.bodies.pop(old[number], None)
        made.ends(number, 0.5)
    made.bodies[old[0]] = {**made.bodies[new[0]], "metadata": {**made.bodies[new[0]]["metadata"], "name": old[0]}}
    assert deleted(made.step()) == [old[0]]


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
def test_trials_stay_where_a_change_does_not_concern_them(change: dict[str, Any], stay: bool) -> None:
    """More trials for a sweep must not train those again that there are."""
    made = finished(0.7, 0.9)
    before = set(made.bodies)
    made.run = sweep_run(generation=2, **{"maxTrials": 2, **change})
    made.step()
    made.step()
    assert made.status.sweep is not None
    assert (before <= {row.run for row in made.status.sweep.trials}) is stay


def test_fewer_trials_end_the_sweep_with_those_that_there_are() -> None:
    made = begun(maxTrials=4, parallelism=2)
    made.ends(0, 0.5)
    made.step()
    made.run = sweep_run(generation=2, maxTrials=1)
    decided = made.step()
    assert len(deleted(decided)) == 2
    assert made.status.outcome is not None
    assert made.table() == {0: "Succeeded"}


def test_a_retry_makes_those_again_that_failed() -> None:
    made = begun(maxTrials=3, parallelism=3, maxFailedTrials=1)
    made.ends(0, 0.5)
    for number in (1, 2):
        made.ends(number, state="Failed", reason="TrainerFailed")
    made.step()
    before = parameters(made)
    kept, gone = made.body(0)["metadata"]["uid"], made.body(1)["metadata"]["uid"]
    made.run = sweep_run(maxTrials=3, parallelism=3, maxFailedTrials=1, annotations={"modelops.dev/retry": "1"})
    made.step()
    # What the run's own plan writes once it has acted on the annotation.
    made.status = made.status.model_copy(update={"last_handled_retry": "1"})
    made.step()
    assert made.table() == {0: "Succeeded", 1: "Running", 2: "Running"}
    assert parameters(made) == before
    assert made.body(0)["metadata"]["uid"] == kept
    assert made.body(1)["metadata"]["uid"] != gone
    for number in (1, 2):
        made.ends(number, 0.1)
    made.step()
    assert made.status.outcome is not None
    assert made.status.outcome.state == "Succeeded"


def test_more_memory_is_another_chance_for_those_that_failed() -> None:
    """As for every run. Those that have succeeded are left alone."""
    small = {**MORE_MEMORY, "resources": {"limits": {"memory": "1Gi"}}}
    given_ = {"maxTrials": 2, "maxFailedTrials": 0, "parallelism": 2}
    made = begun(**given_, spec={"trainer": small})
    made.ends(0, 0.5)
    made.ends(1, state="Failed", reason="OutOfMemory")
    made.step()
    assert made.status.outcome is not None
    assert made.status.outcome.state == "Failed"
    made.run = sweep_run(generation=2, **given_, spec={"trainer": MORE_MEMORY})
    made.step()
    assert made.status.outcome is None
    assert made.table() == {0: "Succeeded", 1: "Running"}
    assert made.body(1)["spec"]["trainer"]["resources"] == {"limits": {"memory": "8Gi"}}
    assert made.body(0)["metadata"]["generation"] == 1
    made.ends(1, 0.7)
    made.step()
    assert made.status.outcome is not None
    assert made.status.outcome.state == "Succeeded"


def test_a_change_that_helps_nothing_fails_again_at_once() -> None:
    made = begun(maxTrials=1, maxFailedTrials=0)
    made.ends(0, state="Failed", reason="TrainerFailed")
    made.step()
    written = made.written
    made.run = sweep_run(generation=2, maxTrials=1, maxFailedTrials=0)
    made.step()
    assert made.written == written
    assert made.status.outcome is not None
    assert made.status.outcome.state == "Failed"


def test_a_trial_that_somebody_deletes_is_made_again_as_it_was() -> None:
    made = begun(parallelism=3)
    before = parameters(made)
    del made.bodies[made.body(1)["metadata"]["name"]]
    made.step()
    assert parameters(made) == before
    assert len(made.bodies) == 3


def test_a_run_that_is_no_sweep_any_more_loses_its_trials() -> None:
    made = begun(parallelism=2)
    seen = made.seen()
    plain = seen.run.model_copy(update={"spec": seen.run.spec.model_copy(update={"sweep": None})})
    seen = type(seen)(plain, seen.resolved, seen.now, seen.children)
    assert len(deleted(collect_garbage(Plan(status=TrainingRunStatus()), seen))) == 2


def test_a_run_that_never_was_a_sweep_is_left_alone() -> None:
    seen = begun().seen()
    plain = seen.run.model_copy(update={"spec": seen.run.spec.model_copy(update={"sweep": None})})
    plan = Plan(status=TrainingRunStatus(), requeue_after=timedelta(minutes=1))
    assert collect_garbage(plan, type(seen)(plain, seen.resolved, NOW)) is plan


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["random", "tpe"]), st.integers(1, 4))
def test_whatever_happens_the_same_trials_are_made_and_each_once(seed: int, algorithm: str, parallelism: int) -> None:
    """The operator dies after any write, before or after its status; trials end in any order. The sweep that comes out
    is the one that nothing disturbed, and never do more trials run than may.
    """
    chance = random.Random(seed)
    given_ = {"algorithm": algorithm, "parallelism": parallelism, "maxTrials": 9, "seed": seed}

    def value(made: Simulation, number: int) -> float:
        return float(made.body(number)["spec"]["parameters"]["rate"])

    calm = begun(**given_)
    while calm.status.outcome is None:
        first = min(number for number, state in calm.table().items() if state == "Running")
        calm.ends(first, value(calm, first))
        calm.step()

    rough = Simulation(sweep_run(**given_))
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
            one = chance.choice(running)
            rough.ends(one, value(rough, one))
    assert rough.written == 9
    assert parameters(rough) == parameters(calm)
    assert rough.status.sweep == calm.status.sweep


def test_a_result_that_is_taken_over_keeps_its_parameters() -> None:
    """The model's origin must say what it was made with, though this sweep has tried nothing."""
    made = finished(0.7, 0.9)
    status = made.status
    whole = model_parameters(made.run, status)
    other = reused_table(made.seen().sweep, "another", whole, status.metrics)
    assert other.trials == [
        Trial(number=0, run="another", parameters=parameters(made)[1], state="Succeeded", objective=0.9)
    ]
    assert model_parameters(made.run, TrainingRunStatus(sweep=other)) == whole


async def test_a_sweep_sees_its_own_trials_as_they_are_now() -> None:
    """Of each trial the newest version that was heard of, and no run of anybody else."""
    made = begun(parallelism=2)
    cache = Cache({"TrainingRun": by_owner})
    for body in made.bodies.values():
        cache.put(body)
    stranger = copy.deepcopy(made.body(0))
    stranger["metadata"] |= {"name": "stranger", "uid": "s", "ownerReferences": []}
    cache.put(stranger)
    context = ReconcileContext(cache, cast(Kube, None), operator_settings(), NOW)
    run = made.run.model_copy(update={"status": made.status})
    first = await observe(run, made.resolved, context)
    assert [one.number for one in first.trials] == [0, 1]
    assert first.suggested == {}
    made.ends(0, 0.5)
    made.body(0)["metadata"]["resourceVersion"] = "2"
    cache.put(made.body(0))
    then = await observe(run, made.resolved, context)
    assert [one.result.state for one in then.trials] == ["Succeeded", "Running"]
    assert then.suggested == made.seen().suggested
    assert list(then.suggested) == [2]


async def test_a_sweep_that_has_ended_asks_for_no_suggestions() -> None:
    """Its trials are gone some day, and none is made again for that."""
    made = finished(0.7)
    context = ReconcileContext(Cache({"TrainingRun": by_owner}), cast(Kube, None), operator_settings(), NOW)
    seen = await observe(made.run.model_copy(update={"status": made.status}), made.resolved, context)
    assert (seen.children, seen.suggested) == ((), {})


def test_trials_that_there_are_come_before_new_ones() -> None:
    """Where a quota has no room for a new one, the others must still hear that they shall stop."""
    made = begun(parallelism=4, **STOPPING)
    for number in (0, 1):
        made.tells(number, 0.7, 0.8)
        made.ends(number, 0.8)
    made.tells(2, 0.1, 0.2)
    numbers = [body["metadata"]["annotations"]["modelops.dev/trial"] for body in made.plan().apply]
    assert numbers == ["2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("goal", "target", "value", "enough"),
    [
        ("Maximize", 0.8, 0.8, True),
        ("Maximize", 0.8, 0.79, False),
        ("Minimize", 0.2, 0.2, True),
        ("Minimize", 0.2, 0.21, False),
        ("Minimize", 0.0, 0.0, True),
    ],
)
def test_a_trial_that_is_good_enough_ends_the_sweep(goal: str, target: float, value: float, enough: bool) -> None:
    """As Katib's goal: what would come after it costs and helps nobody."""
    made = begun(parallelism=2, objective={"metric": "auc", "goal": goal, "target": target})
    made.ends(1, value)
    decided = made.step()
    assert (made.status.outcome is not None) is enough
    if enough:
        assert made.status.outcome is not None
        assert made.status.outcome.message == (
            f"best of 2 trials: trial 1, auc {value:.4g}, target {target:.4g} reached"
        )
        assert made.table() == {0: "Stopped", 1: "Succeeded"}
        assert deleted(decided) == [made.status.sweep.trials[0].run] if made.status.sweep else False
        assert made.step().apply == ()
