"""Sweeps with real trainers."""

import time
import uuid
from collections.abc import Iterator

import pytest

from support.cluster import real_cluster
from support.cluster.real_cluster import Body, RealCluster, Space, condition, has
from support.cluster.real_sweeps import (
    FAILS_BELOW_HALF,
    SCORES,
    SEARCH,
    SLOW_WHERE_BAD,
    TRIALS_OF_THE_SEED,
    X,
    sweep_run,
    trials,
)


@pytest.fixture(scope="module")
def shared(cluster: RealCluster) -> Iterator[Space]:
    """Return a namespace with the sweeps of all tests, which train at the same time."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    space.upload("data/a.csv", "x\n1\n")
    space.apply(
        space.dataset(interval="1s"),
        sweep_run(space, "calm", SCORES, SEARCH),
        sweep_run(space, "fails", FAILS_BELOW_HALF, _failing()),
        sweep_run(space, "stops", SLOW_WHERE_BAD, _stopping(), dataset=None),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _failing() -> Body:
    below = {**X, "max": 0.4}
    return {**SEARCH, "parameters": [below], "parallelism": 2, "maxTrials": 20, "maxFailedTrials": 2}


def _stopping() -> Body:
    """Build a search of four trials at once: two good ones that last 40 s, two bad ones that would last ten minutes."""
    kind = {"name": "kind", "type": "categorical", "values": ["good", "bad"]}
    turn = {"name": "turn", "type": "int", "min": 1, "max": 2}
    return {
        "algorithm": "grid",
        "parameters": [kind, turn],
        "objective": {"metric": "score"},
        "parallelism": 4,
        "maxTrials": 4,
        "earlyStopping": {"median": {"startStep": 2, "minTrials": 2}},
    }


def test_the_model_of_the_best_trial_becomes_the_model_version(shared: Space) -> None:
    """A sweep of eight trials yields one ModelVersion with the best parameters, and a table of all trials."""
    done = shared.wait("trainingrun", "calm", has("Ready", "True", "Trained"), within=300)["status"]
    trials = done["sweep"]["trials"]
    assert [trial["number"] for trial in trials] == list(range(8))
    assert [trial["parameters"] for trial in trials] == TRIALS_OF_THE_SEED
    assert {trial["state"] for trial in trials} == {"Succeeded"}
    for trial in trials:
        x, n = float(trial["parameters"]["x"]), int(trial["parameters"]["n"])
        assert trial["objective"] == pytest.approx(-((x - 1.5) ** 2) - n / 10)
        assert 0 <= x <= 3
        assert 1 <= n <= 5
    best = max(trials, key=lambda trial: trial["objective"])
    assert done["sweep"]["best"] == best["number"]
    (version,) = shared.listed("modelversions", "modelops.dev/trainingrun=calm")
    origin = version["spec"]["origin"]
    assert version["metadata"]["name"] == done["modelVersion"]
    assert origin["parameters"] == best["parameters"]
    assert origin["sweep"] == origin["trainingRun"]["name"] == "calm"
    assert origin["metrics"]["score"] == best["objective"]
    best_run = shared.get("trainingrun", best["run"])
    assert version["spec"]["artifact"]["digest"] == best_run["status"]["artifact"]["digest"]
    assert [dataset["digest"] for dataset in origin["datasets"]] == [
        dataset["digest"] for dataset in best_run["status"]["inputs"]["datasets"]
    ]


def test_trials_are_owned_runs_that_register_no_model_versions(shared: Space) -> None:
    """Trials have the label of their sweep, and the sweep as owner."""
    shared.wait("trainingrun", "calm", has("Ready"), within=300)
    runs = shared.listed("trainingruns", "modelops.dev/sweep=calm")
    owner = shared.get("trainingrun", "calm")["metadata"]["uid"]
    assert len(runs) == 8
    assert {run["metadata"]["ownerReferences"][0]["uid"] for run in runs} == {owner}
    assert {run["status"]["outcome"]["state"] for run in runs} == {"Succeeded"}
    assert not [run for run in runs if "modelVersion" in run["status"]]


def test_no_more_trials_than_parallelism_run_at_once(shared: Space) -> None:
    """By the timestamps of the trials no moment lies in more than three of them."""
    shared.wait("trainingrun", "calm", has("Ready"), within=300)
    runs = shared.listed("trainingruns", "modelops.dev/sweep=calm")
    spans = [
        (
            real_cluster.moment(run["metadata"]["creationTimestamp"]),
            real_cluster.moment(run["status"]["outcome"]["finishedAt"]),
        )
        for run in runs
    ]
    # A trial that begins in the second in which another ended does not overlap it.
    assert all(sum(begin < start < end for begin, end in spans) < 3 for start, _ in spans)


def test_more_failed_trials_than_allowed_fail_the_sweep(shared: Space) -> None:
    """The message has the number of failures and the trainer's output, and no trial runs or starts afterwards."""
    run = shared.wait("trainingrun", "fails", has("Stalled", "True", "SweepFailed"), within=180)
    message = condition(run, "Ready")["message"]  # type: ignore[index]
    assert "/20 trials failed, maxFailedTrials is 2" in message
    assert "TrainerFailed" in message
    assert "x is below a half" in message
    assert run["status"]["outcome"]["state"] == "Failed"
    assert not [trial for trial in trials(run) if trial["state"] == "Running"]
    assert shared.listed("modelversions", "modelops.dev/trainingrun=fails") == []
    before = {run["metadata"]["uid"] for run in shared.listed("trainingruns", "modelops.dev/sweep=fails")}
    time.sleep(3)
    after = shared.listed("trainingruns", "modelops.dev/sweep=fails")
    assert {run["metadata"]["uid"] for run in after} <= before
    assert {run["status"]["outcome"]["state"] for run in after} <= {"Failed"}


def test_trials_below_the_median_are_stopped_early(shared: Space) -> None:
    """The sweep neither waits for two bad trials of ten minutes nor counts them as failed."""
    done = shared.wait("trainingrun", "stops", has("Ready", "True", "Trained"), within=240)["status"]
    states = {(trial["parameters"]["kind"], trial["state"]) for trial in done["sweep"]["trials"]}
    assert states == {("good", "Succeeded"), ("bad", "Stopped")}
    (bad, *_) = [trial for trial in done["sweep"]["trials"] if trial["state"] == "Stopped"]
    run = shared.get("trainingrun", bad["run"])
    assert "worse than the median 0.9 of 2 trials" in run["metadata"]["annotations"]["modelops.dev/stop"]
    assert run["status"]["outcome"]["state"] == "Stopped"


def test_raising_max_trials_keeps_existing_trials(shared: Space) -> None:
    """`maxTrials` raised from 2 to 3 trains a third trial only."""
    search = {**SEARCH, "maxTrials": 2, "seed": 12}
    shared.apply(sweep_run(shared, "grows", SCORES, search))
    shared.wait("trainingrun", "grows", has("Ready", "True", "Trained"), within=180)
    before = {run["metadata"]["uid"] for run in shared.listed("trainingruns", "modelops.dev/sweep=grows")}
    shared.apply(sweep_run(shared, "grows", SCORES, {**search, "maxTrials": 3}))
    done = shared.wait(
        "trainingrun", "grows", lambda body: has("Ready", "True", "Trained")(body) and len(trials(body)) == 3, 180
    )
    after = {run["metadata"]["uid"] for run in shared.listed("trainingruns", "modelops.dev/sweep=grows")}
    assert before < after
    assert len(after) == len(trials(done)) == 3
