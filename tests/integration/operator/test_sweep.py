"""Sweeps with real trainers: the best trial's model comes out, whatever happens to the operator meanwhile."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support import operator_process, real_cluster
from support.real_cluster import Body, RealCluster, Space, condition, has

_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}
_START = (
    "import json, os, time\n"
    "given = json.loads(os.environ['SM_HPS'])\n"
    "output = os.environ.get('SM_OUTPUT_DIR', '/opt/ml/output')\n"
    "def model(**metrics):\n"
    "    open('/opt/ml/model/model', 'w').write(json.dumps(given, sort_keys=True))\n"
    "    open(output + '/metrics.json', 'w').write(json.dumps(metrics))\n"
)
_SCORES = _START + "model(score=-(float(given['x']) - 1.5) ** 2 - int(given['n']) / 10)\n"
_FAILS_BELOW_HALF = _START + "assert float(given['x']) >= 0.5, 'x is below a half'\nmodel(score=1)\n"
_SLOW_WHERE_BAD = (
    _START
    + "good = given['kind'] == 'good'\n"
    + "steps = open(output + '/metrics.jsonl', 'w')\n"
    + "for step in range(1, 41 if good else 600):\n"
    + "    print(json.dumps({'step': step, 'score': 0.9 if good else 0.1}), file=steps, flush=True)\n"
    + "    time.sleep(1)\n"
    + "model(score=0.9 if good else 0.1)\n"
)
_X = {"name": "x", "type": "double", "min": 0, "max": 3}
_N = {"name": "n", "type": "int", "min": 1, "max": 5}
_SEARCH: Body = {
    "algorithm": "random",
    "parameters": [_X, _N],
    "objective": {"metric": "score"},
    "parallelism": 3,
    "maxTrials": 8,
    "seed": 11,
}


@pytest.fixture(scope="module")
def begun(cluster: RealCluster) -> Iterator[Space]:
    """One namespace for all sweeps: they train at the same time."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    space.upload("data/a.csv", "x\n1\n")
    space.apply(
        space.dataset(interval="1s"),
        _sweep(space, "calm", _SCORES, _SEARCH),
        _sweep(space, "fails", _FAILS_BELOW_HALF, _failing()),
        _sweep(space, "stops", _SLOW_WHERE_BAD, _stopping(), dataset=None),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _sweep(space: Space, name: str, script: str, sweep: Body, dataset: str | None = "data", **spec: Any) -> Body:
    body = space.run(name, script, dataset, sweep=sweep, cache={"mode": "Ignore"}, **spec)
    body["spec"]["trainer"]["resources"] = _SMALL
    return body


def _failing() -> Body:
    below = {**_X, "max": 0.4}
    return {**_SEARCH, "parameters": [below], "parallelism": 2, "maxTrials": 20, "maxFailedTrials": 2}


def _stopping() -> Body:
    """Four trials at once: two that are good, long enough to be looked at, and two that are bad and would take ten
    minutes.
    """
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


def _trials(body: Body) -> list[Body]:
    found: list[Body] = body.get("status", {}).get("sweep", {}).get("trials", [])
    return found


def _done(many: int) -> Any:
    """Whether so many trials have ended."""
    return lambda body: sum(trial["state"] != "Running" for trial in _trials(body)) >= many


def test_the_best_trial_becomes_the_model(begun: Space) -> None:
    """Whoever asks for the best of eight gets one ModelVersion, with its parameters, and the table of all eight."""
    done = begun.wait("trainingrun", "calm", has("Ready", "True", "Trained"), within=300)["status"]
    trials = done["sweep"]["trials"]
    assert [trial["number"] for trial in trials] == list(range(8))
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
    assert not [trial for trial in _trials(told) if trial["state"] == "Running"]
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


@pytest.mark.parametrize("end", [operator_process.kill_leader, operator_process.restart], ids=["killed", "restarted"])
def test_an_operator_that_ends_changes_nothing(begun: Space, end: Any) -> None:
    """The same seed gives the same eight trials, each trained once, though the operator ended in the middle, twice."""
    calm = begun.wait("trainingrun", "calm", has("Ready"), within=300)
    name = f"rough-{end.__name__.replace('_', '-')}"
    begun.apply(_sweep(begun, name, _SCORES, _SEARCH))
    begun.wait("trainingrun", name, lambda body: bool(_trials(body)))
    end(begun.cluster)
    begun.wait("trainingrun", name, _done(4), within=180)
    end(begun.cluster)
    rough = begun.wait("trainingrun", name, has("Ready", "True", "Trained"), within=300)
    told = [[(trial["number"], trial["parameters"]) for trial in _trials(body)] for body in (calm, rough)]
    assert told[0] == told[1]
    runs = begun.listed("trainingruns", f"modelops.dev/sweep={name}")
    assert sorted(one["metadata"]["name"] for one in runs) == sorted(trial["run"] for trial in _trials(rough))
    for one in runs:
        jobs = begun.listed("jobs", f"modelops.dev/trainingrun={one['metadata']['name']}")
        assert len(jobs) == 1, one["metadata"]["name"]
    assert len(begun.listed("modelversions", f"modelops.dev/trainingrun={name}")) == 1


def test_tpe_tries_the_same_though_the_operator_is_killed(begun: Space) -> None:
    """It learns from results: which of the trials beside it had ended when it was asked must make no difference."""
    search = {**_SEARCH, "algorithm": "tpe", "parallelism": 2, "maxTrials": 9}
    begun.apply(_sweep(begun, "tpe-one", _SCORES, search), _sweep(begun, "tpe-other", _SCORES, search))
    begun.wait("trainingrun", "tpe-other", _done(6), within=240)
    operator_process.kill_leader(begun.cluster)
    one, other = (
        begun.wait("trainingrun", name, has("Ready", "True", "Trained"), within=300)
        for name in ("tpe-one", "tpe-other")
    )
    assert [trial["parameters"] for trial in _trials(one)] == [trial["parameters"] for trial in _trials(other)]


def test_more_trials_keep_those_that_there_are(begun: Space) -> None:
    """`maxTrials` raised from 2 to 3 trains one more."""
    search = {**_SEARCH, "maxTrials": 2, "seed": 12}
    begun.apply(_sweep(begun, "grows", _SCORES, search))
    begun.wait("trainingrun", "grows", has("Ready", "True", "Trained"), within=180)
    before = {one["metadata"]["uid"] for one in begun.listed("trainingruns", "modelops.dev/sweep=grows")}
    begun.apply(_sweep(begun, "grows", _SCORES, {**search, "maxTrials": 3}))
    done = begun.wait(
        "trainingrun", "grows", lambda body: has("Ready", "True", "Trained")(body) and len(_trials(body)) == 3, 180
    )
    after = {one["metadata"]["uid"] for one in begun.listed("trainingruns", "modelops.dev/sweep=grows")}
    assert before < after
    assert len(after) == len(_trials(done)) == 3


def test_trials_go_when_the_sweeps_time_is_over_and_the_table_stays(begun: Space) -> None:
    """`ttlAfterFinished` tidies up, and trains nothing again."""
    search = {**_SEARCH, "maxTrials": 2, "seed": 13}
    begun.apply(_sweep(begun, "tidy", _SCORES, search, ttlAfterFinished="1s"))
    done = begun.wait("trainingrun", "tidy", has("Ready", "True", "Trained"), within=180)
    for trial in _trials(done):
        begun.cluster.gone("trainingrun", trial["run"], begun.name)
    operator_process.restart(begun.cluster)
    time.sleep(2)
    assert begun.get("trainingrun", "tidy")["status"]["sweep"] == done["status"]["sweep"]
    assert begun.listed("trainingruns", "modelops.dev/sweep=tidy") == []
