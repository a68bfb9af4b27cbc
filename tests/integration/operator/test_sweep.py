"""Sweeps with real trainers: the best trial's model comes out, whatever happens to the operator meanwhile."""

import time
import uuid
from collections.abc import Iterator

import pytest

from support import real_cluster
from support.real_cluster import Body, RealCluster, Space, condition, has
from support.real_sweeps import (
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
def begun(cluster: RealCluster) -> Iterator[Space]:
    """One namespace for all sweeps: they train at the same time."""
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


def test_the_best_trial_becomes_the_model(begun: Space) -> None:
    """Whoever asks for the best of eight gets one ModelVersion, with its parameters, and the table of all eight."""
    done = begun.wait("trainingrun", "calm", has("Ready", "True", "Trained"), within=300)["status"]
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
    (version,) = begun.listed("modelversions", "modelops.dev/trainingrun=calm")
    origin = version["spec"]["origin"]
    assert version["metadata"]["name"] == done["modelVersion"]
    assert origin["parameters"] == best["parameters"]
    assert origin["sweep"] == origin["trainingRun"]["name"] == "calm"
    assert origin["metrics"]["score"] == best["objective"]
    made = begun.get("trainingrun", best["run"])
    assert version["spec"]["artifact"]["digest"] == made["status"]["artifact"]["digest"]
    assert [one["digest"] for one in origin["datasets"]] == [
        one["digest"] for one in made["status"]["inputs"]["datasets"]
    ]


def test_trials_are_runs_that_make_nothing_of_their_own(begun: Space) -> None:
    """They are found by label, belong to the sweep, and register no versions."""
    begun.wait("trainingrun", "calm", has("Ready"), within=300)
    runs = begun.listed("trainingruns", "modelops.dev/sweep=calm")
    owner = begun.get("trainingrun", "calm")["metadata"]["uid"]
    assert len(runs) == 8
    assert {one["metadata"]["ownerReferences"][0]["uid"] for one in runs} == {owner}
    assert {one["status"]["outcome"]["state"] for one in runs} == {"Succeeded"}
    assert not [one for one in runs if "modelVersion" in one["status"]]


def test_never_more_trials_run_than_may(begun: Space) -> None:
    """Kubernetes' own times tell: no moment is in more than three of the trials' Jobs."""
    begun.wait("trainingrun", "calm", has("Ready"), within=300)
    runs = begun.listed("trainingruns", "modelops.dev/sweep=calm")
    spans = [
        (
            real_cluster.moment(one["metadata"]["creationTimestamp"]),
            real_cluster.moment(one["status"]["outcome"]["finishedAt"]),
        )
        for one in runs
    ]
    # A trial that begins in the second in which another ended does not overlap it.
    assert all(sum(begin < start < end for begin, end in spans) < 3 for start, _ in spans)


def test_too_many_failures_end_the_sweep(begun: Space) -> None:
    """It says how many, and in the trainer's own words why; no trial begins or runs after that."""
    told = begun.wait("trainingrun", "fails", has("Stalled", "True", "SweepFailed"), within=180)
    message = condition(told, "Ready")["message"]  # type: ignore[index]
    assert "/20 trials failed, maxFailedTrials is 2" in message
    assert "TrainerFailed" in message
    assert "x is below a half" in message
    assert told["status"]["outcome"]["state"] == "Failed"
    assert not [trial for trial in trials(told) if trial["state"] == "Running"]
    assert begun.listed("modelversions", "modelops.dev/trainingrun=fails") == []
    before = {one["metadata"]["uid"] for one in begun.listed("trainingruns", "modelops.dev/sweep=fails")}
    time.sleep(3)
    after = begun.listed("trainingruns", "modelops.dev/sweep=fails")
    assert {one["metadata"]["uid"] for one in after} <= before
    assert {one["status"]["outcome"]["state"] for one in after} <= {"Failed"}


def test_trials_that_will_not_be_the_best_are_stopped(begun: Space) -> None:
    """Two of the four would take ten minutes: the sweep does not wait for them, and does not count them as failed."""
    done = begun.wait("trainingrun", "stops", has("Ready", "True", "Trained"), within=240)["status"]
    states = {(trial["parameters"]["kind"], trial["state"]) for trial in done["sweep"]["trials"]}
    assert states == {("good", "Succeeded"), ("bad", "Stopped")}
    (bad, *_) = [trial for trial in done["sweep"]["trials"] if trial["state"] == "Stopped"]
    run = begun.get("trainingrun", bad["run"])
    assert "the median of 2 trials" in run["metadata"]["annotations"]["modelops.dev/stop"]
    assert run["status"]["outcome"]["state"] == "Stopped"


def test_more_trials_keep_those_that_there_are(begun: Space) -> None:
    """`maxTrials` raised from 2 to 3 trains one more."""
    search = {**SEARCH, "maxTrials": 2, "seed": 12}
    begun.apply(sweep_run(begun, "grows", SCORES, search))
    begun.wait("trainingrun", "grows", has("Ready", "True", "Trained"), within=180)
    before = {one["metadata"]["uid"] for one in begun.listed("trainingruns", "modelops.dev/sweep=grows")}
    begun.apply(sweep_run(begun, "grows", SCORES, {**search, "maxTrials": 3}))
    done = begun.wait(
        "trainingrun", "grows", lambda body: has("Ready", "True", "Trained")(body) and len(trials(body)) == 3, 180
    )
    after = {one["metadata"]["uid"] for one in begun.listed("trainingruns", "modelops.dev/sweep=grows")}
    assert before < after
    assert len(after) == len(trials(done)) == 3
