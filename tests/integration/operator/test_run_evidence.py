"""What a TrainingRun tells while it trains and leaves behind, and data that is read where it is."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import machine
from support.real_cluster import Body, Space, has
from support.real_datasets import claim_of

_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}
_TELLS = """
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


def test_progress_is_told_while_it_trains_and_all_of_it_is_kept(space: Space) -> None:
    """A person sees how far a training is, Prometheus its metrics, an audit every step, the packages and the code."""
    space.apply(_run(space, "tells", _TELLS))

    def shows(body: Body) -> bool:
        return has("Running", "True", "Training")(body) and "endsAt" in body["status"].get("progress", {})

    seen = space.wait("trainingrun", "tells", shows, within=120)["status"]["progress"]
    assert seen["totalSteps"] == 80
    assert seen["metrics"]["loss"] == pytest.approx(1 / seen["step"])
    assert 0 < seen["percent"] < 100
    (pod,) = space.listed("pods", "modelops.dev/trainingrun=tells")
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:9102/metrics", timeout=5) as answer:
        told = answer.read().decode()
    assert 'metric="loss"' in told

    done = space.wait("trainingrun", "tells", has("Ready", "True", "Trained"), within=120)
    origin = space.get("modelversion", done["status"]["modelVersion"])["spec"]["origin"]
    assert origin["revision"] == "1f4c9a0"
    assert _object(space, origin["packages"]) == b"numpy==2.2.0\n"
    history = [json.loads(line) for line in _object(space, origin["history"]).splitlines()]
    assert [one["step"] for one in history] == list(range(1, 81))


@pytest.fixture
def claim(space: Space, tmp_path: Path) -> Iterator[Path]:
    """The directory behind the claim `files`."""
    tmp_path.chmod(0o755)
    volume, bound = claim_of(space, "files", tmp_path)
    space.apply(volume, bound)
    yield tmp_path
    space.cluster.kubectl("delete", "persistentvolume", volume["metadata"]["name"], "--wait=false")


@pytest.mark.skipif(machine.docker_answers(), reason="kind's node does not have the files of this machine")
def test_a_claim_is_trained_on_in_place(space: Space, claim: Path) -> None:
    """Files of a volume are read-only where the trainer looks for them; others than the snapshot's end the run."""
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
    told = space.wait("trainingrun", "late", has("Stalled", "True", "PinnedVersionMissing"), within=120)
    assert "a.csv" in json.dumps(told["status"]["conditions"])
