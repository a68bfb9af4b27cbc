"""Sweeps with trainers of a few lines, on the real cluster."""

from collections.abc import Callable
from typing import Any

from support.real_cluster import Body, Space

SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}
START = (
    "import json, os, time\n"
    "given = json.loads(os.environ['SM_HPS'])\n"
    "output = os.environ.get('SM_OUTPUT_DIR', '/opt/ml/output')\n"
    "def model(**metrics):\n"
    "    open('/opt/ml/model/model', 'w').write(json.dumps(given, sort_keys=True))\n"
    "    open(output + '/metrics.json', 'w').write(json.dumps(metrics))\n"
)
SCORES = START + "model(score=-(float(given['x']) - 1.5) ** 2 - int(given['n']) / 10)\n"
FAILS_BELOW_HALF = START + "assert float(given['x']) >= 0.5, 'x is below a half'\nmodel(score=1)\n"
SLOW_WHERE_BAD = (
    START
    + "good = given['kind'] == 'good'\n"
    + "steps = open(output + '/metrics.jsonl', 'w')\n"
    + "for step in range(1, 41 if good else 600):\n"
    + "    print(json.dumps({'step': step, 'score': 0.9 if good else 0.1}), file=steps, flush=True)\n"
    + "    time.sleep(1)\n"
    + "model(score=0.9 if good else 0.1)\n"
)
X = {"name": "x", "type": "double", "min": 0, "max": 3}
N = {"name": "n", "type": "int", "min": 1, "max": 5}
SEARCH: Body = {
    "algorithm": "random",
    "parameters": [X, N],
    "objective": {"metric": "score"},
    "parallelism": 3,
    "maxTrials": 8,
    "seed": 11,
}


TRIALS_OF_THE_SEED = [
    {"x": "2.0124183364859967", "n": "2"},
    {"x": "0.13219203822311798", "n": "2"},
    {"x": "0.5872028145133513", "n": "5"},
    {"x": "0.3808426074297817", "n": "5"},
    {"x": "2.4722780568715366", "n": "4"},
    {"x": "0.6482059613105018", "n": "5"},
    {"x": "2.5290311111625146", "n": "3"},
    {"x": "0.19070421850883323", "n": "1"},
]
"""Parameters of the eight trials of SEARCH, which its seed determines."""


def sweep_run(space: Space, name: str, script: str, search: Body, dataset: str | None = "data", **spec: Any) -> Body:
    """Build a TrainingRun with a sweep, whose trials are never cache hits."""
    body = space.run(name, script, dataset, sweep=search, cache={"mode": "Ignore"}, **spec)
    body["spec"]["trainer"]["resources"] = SMALL
    return body


def trials(body: Body) -> list[Body]:
    """Return the trials that a status lists."""
    listed: list[Body] = body.get("status", {}).get("sweep", {}).get("trials", [])
    return listed


def ended_trials(count: int) -> Callable[[Body], bool]:
    """Return a check that at least `count` trials have ended."""
    return lambda body: sum(trial["state"] != "Running" for trial in trials(body)) >= count
