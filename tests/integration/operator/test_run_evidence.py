"""Progress and records of a TrainingRun, and training on a claim mounted in place."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import machine
from support.cluster.real_cluster import Body, Space, has
from support.cluster.real_datasets import claim_of

_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}
_REPORTS_PROGRESS = """
import json, time
with open('/opt/ml/output/metrics.jsonl', 'w') as steps:
    for step in range(1, 81):
        print(json.dumps({'step': step, 'total_steps': 80, 'loss': 1 / step}), file=steps, flush=True)
        time.sleep(0.8)
open('/opt/ml/output/packages.txt', 'w').write('numpy==2.2.0\\n')
open('/opt/ml/output/metrics.json', 'w').write('{"loss": 0.025}')
open('/opt/ml/model/model', 'w').write('weights')
"""


def _run(space: Space, name: str, script: str, dataset: str | None = None) -> Body:
    body = space.run(name, script, dataset)
    body["spec"]["trainer"] |= {"resources": _SMALL, "env": [{"name": "GIT_COMMIT", "value": "1f4c9a0"}]}
    return body


def _object(space: Space, uri: str) -> bytes:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    content: bytes = space.cluster.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


@pytest.mark.takes_minutes
def test_progress_is_shown_during_training_and_every_step_is_kept(space: Space) -> None:
    """The status shows progress, /metrics the newest values. The ModelVersion names history, packages and commit."""
    space.apply(_run(space, "reports", _REPORTS_PROGRESS))

    def has_estimate(body: Body) -> bool:
        return has("Running", "True", "Training")(body) and "endsAt" in body["status"].get("progress", {})

    progress = space.wait("trainingrun", "reports", has_estimate, within=120)["status"]["progress"]
    assert progress["totalSteps"] == 80
    assert progress["metrics"]["loss"] == pytest.approx(1 / progress["step"])
    assert 0 < progress["percent"] < 100
    (pod,) = space.listed("pods", "modelops.dev/trainingrun=reports")
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:9102/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    assert 'metric="loss"' in metrics

    done = space.wait("trainingrun", "reports", has("Ready", "True", "Trained"), within=120)
    origin = space.get("modelversion", done["status"]["modelVersion"])["spec"]["origin"]
    assert origin["revision"] == "1f4c9a0"
    assert _object(space, origin["packages"]) == b"numpy==2.2.0\n"
    history = [json.loads(line) for line in _object(space, origin["history"]).splitlines()]
    assert [line["step"] for line in history] == list(range(1, 81))


@pytest.fixture
def claim(space: Space, tmp_path: Path) -> Iterator[Path]:
    """Create the claim `files`, and return the directory behind it."""
    tmp_path.chmod(0o755)
    volume, bound = claim_of(space, "files", tmp_path)
    space.apply(volume, bound)
    yield tmp_path
    space.cluster.kubectl("delete", "persistentvolume", volume["metadata"]["name"], "--wait=false")


@pytest.mark.skipif(machine.docker_answers(), reason="kind's node does not have the files of this machine")
def test_a_run_reads_a_claim_in_place_and_fails_on_files_of_another_snapshot(space: Space, claim: Path) -> None:
    """The claim is mounted read-only at the trainer's data path. Files that differ from the snapshot fail the run."""
    data = claim / "mortgage"
    data.mkdir()
    (data / "a.csv").write_text("x\n1\n")
    source = {"pvc": {"claimName": "files", "path": "mortgage"}}
    space.apply(space.object("Dataset", "claimed", {"source": source, "interval": "1h", "settle": "0s"}))
    script = """
import os
data = '/opt/ml/input/data/train'
try:
    open(data + '/new', 'w')
except OSError as error:
    open('/opt/ml/model/model', 'w').write(open(data + '/a.csv').read() + error.strerror)
"""
    space.apply(_run(space, "reads", script, "claimed"))
    done = space.wait("trainingrun", "reads", has("Ready", "True", "Trained"), within=120)
    assert _object(space, done["status"]["artifact"]["uri"] + "model") == b"x\n1\nRead-only file system"
    assert has("Reproducible", "False", "VolumeNotVersioned")(done)

    (data / "a.csv").write_text("x\n2\n")
    space.apply(_run(space, "late", script + "# again", "claimed"))
    run = space.wait("trainingrun", "late", has("Stalled", "True", "PinnedVersionMissing"), within=120)
    assert "a.csv" in json.dumps(run["status"]["conditions"])
