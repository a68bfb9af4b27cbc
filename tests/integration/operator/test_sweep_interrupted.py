"""Sweeps while the operator is killed or restarted."""

import time
from collections.abc import Callable

import pytest

from support import operator_process
from support.real_cluster import RealCluster, Space, has
from support.real_sweeps import SCORES, SEARCH, TRIALS_OF_THE_SEED, ended_trials, sweep_run, trials

pytestmark = pytest.mark.ends_the_operator


@pytest.mark.parametrize("end", [operator_process.kill_leader, operator_process.restart], ids=["killed", "restarted"])
def test_a_sweep_creates_the_same_trials_though_the_operator_ends_twice(
    space: Space, end: Callable[[RealCluster], None]
) -> None:
    """The same seed gives the same eight trials, each trained once."""
    space.upload("data/a.csv", "x\n1\n")
    space.apply(space.dataset(interval="1s"), sweep_run(space, "rough", SCORES, SEARCH))
    space.wait("trainingrun", "rough", lambda body: bool(trials(body)))
    end(space.cluster)
    space.wait("trainingrun", "rough", ended_trials(4), within=180)
    end(space.cluster)
    rough = space.wait("trainingrun", "rough", has("Ready", "True", "Trained"), within=300)
    assert [trial["number"] for trial in trials(rough)] == list(range(8))
    assert [trial["parameters"] for trial in trials(rough)] == TRIALS_OF_THE_SEED
    runs = space.listed("trainingruns", "modelops.dev/sweep=rough")
    assert sorted(run["metadata"]["name"] for run in runs) == sorted(trial["run"] for trial in trials(rough))
    for run in runs:
        jobs = space.listed("jobs", f"modelops.dev/trainingrun={run['metadata']['name']}")
        assert len(jobs) == 1, run["metadata"]["name"]
    assert len(space.listed("modelversions", "modelops.dev/trainingrun=rough")) == 1


def test_tpe_tries_the_same_parameters_though_the_operator_is_killed(space: Space) -> None:
    """TPE learns from results: suggestions do not depend on which parallel trials had ended at the time."""
    search = {**SEARCH, "algorithm": "tpe", "parallelism": 2, "maxTrials": 9}
    space.upload("data/a.csv", "x\n1\n")
    space.apply(space.dataset(interval="1s"))
    space.apply(*(sweep_run(space, name, SCORES, search) for name in ("first", "second")))
    space.wait("trainingrun", "second", ended_trials(6), within=240)
    operator_process.kill_leader(space.cluster)
    first, second = (
        space.wait("trainingrun", name, has("Ready", "True", "Trained"), within=300) for name in ("first", "second")
    )
    assert [trial["parameters"] for trial in trials(first)] == [trial["parameters"] for trial in trials(second)]


def test_deleted_trials_of_a_finished_sweep_stay_in_its_status(space: Space) -> None:
    """`ttlAfterFinished` deletes the trials, and no operator trains them again, not even after a restart."""
    search = {**SEARCH, "maxTrials": 2, "seed": 13}
    space.upload("data/a.csv", "x\n1\n")
    space.apply(space.dataset(interval="1s"), sweep_run(space, "tidy", SCORES, search, ttlAfterFinished="1s"))
    done = space.wait("trainingrun", "tidy", has("Ready", "True", "Trained"), within=180)
    for trial in trials(done):
        space.cluster.gone("trainingrun", trial["run"], space.name)
    operator_process.restart(space.cluster)
    time.sleep(2)
    assert space.get("trainingrun", "tidy")["status"]["sweep"] == done["status"]["sweep"]
    assert space.listed("trainingruns", "modelops.dev/sweep=tidy") == []
