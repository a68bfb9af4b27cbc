"""Training with several workers, on a real cluster."""

import json
from typing import Any

import pytest
import yaml

from hack.cluster import places
from hack.cluster.images import Built
from support.cluster.real_cluster import Body, Space, has

_EXAMPLE = places.CHECKOUT / "examples" / "distributed" / "trainingrun.yaml"
_IMAGE = "modelops-example/distributed:dev"
_RANK = "batch.kubernetes.io/job-completion-index"
_SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def test_two_workers_train_one_model(space: Space, jax_image: Built) -> None:
    """`workers.count` alone makes a training distributed: the workers connect, and one model is published."""
    space.apply(_regression(space, jax_image, steps="20", pause="0"))
    done = space.wait("trainingrun", "regression", has("Ready"), within=180)
    metrics = done["status"]["metrics"]
    assert metrics["process_count"] == 2
    assert metrics["ranks"] == 2
    assert metrics["resumed_from"] == 0
    assert done["status"]["attempts"] == 1
    assert [version["metadata"]["name"] for version in space.listed("modelversions")] == [
        done["status"]["modelVersion"]
    ]
    assert [path for path, _ in _model(space, done)] == ["model.npz"]


@pytest.mark.takes_minutes
def test_all_workers_restart_from_the_checkpoint_after_one_was_killed(space: Space, jax_image: Built) -> None:
    """A gang cannot continue without one of its workers: all workers restart, from the last checkpoint."""
    space.apply(_regression(space, jax_image, steps="400", pause="0.1"))
    begun = space.wait("trainingrun", "regression", lambda body: _step(body) > 0, within=120)
    before = _pods_by_rank(space, begun)
    assert set(before) == {"0", "1"}
    _kill_trainer(space, before["1"])

    done = space.wait("trainingrun", "regression", has("Ready"), within=240)
    status = done["status"]
    assert status["metrics"]["resumed_from"] > 0, "the workers began from nothing"
    assert status["metrics"]["process_count"] == 2
    assert status["attempts"] == 2
    (failed,) = status["failedAttempts"]
    assert failed["counted"]
    after = _pods_by_rank(space, done)
    assert set(after) == {"0", "1"}
    assert not {_uid(pod) for pod in after.values()} & {_uid(pod) for pod in before.values()}, "a worker was left"
    assert len(space.listed("modelversions")) == 1


_MEETS = """
import json, os, socket, time
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
prefixes = ("PET_", "JAX_", "MASTER_", "RANK", "WORLD_SIZE", "SM_HOSTS", "SM_CURRENT_HOST")
mine = {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
mine["resources"] = json.load(open("/opt/ml/input/config/resourceconfig.json"))

def retry(function, *arguments):
    for _ in range(300):
        try:
            return function(*arguments)
        except OSError as error:
            last = error
            time.sleep(0.2)
    raise SystemExit(f"{arguments}: {last}")

mine["addresses"] = [retry(socket.gethostbyname, host) for host in mine["resources"]["hosts"]]

if rank == 0:
    server = socket.create_server(("", place[1]))
    all_ = {0: mine}
    while len(all_) < size:
        with server.accept()[0].makefile() as connection:
            other = json.load(connection)
            all_[int(other["RANK"])] = other
    with open("/opt/ml/model/environments.json", "w") as file:
        json.dump([all_[number] for number in sorted(all_)], file)
else:
    # Not published: only the model of rank 0 is.
    open("/opt/ml/model/not-mine", "w").write("x")
    with retry(socket.create_connection, place) as connection:
        connection.sendall(json.dumps(mine).encode())
"""
"""Script: rank 0 listens at MASTER_ADDR and MASTER_PORT, and collects the environments of the other workers."""


@pytest.mark.parametrize("framework", ["torch", "jax", "plain"])
def test_workers_of_each_framework_find_each_other_by_environment_variables(space: Space, framework: str) -> None:
    """Training code for torchrun, JAX, SageMaker or none of these runs unchanged with several workers."""
    run = space.run(
        "meets", _MEETS, dataset=None, workers={"count": 3, "framework": framework, "processesPerWorker": 2}
    )
    run["spec"]["trainer"]["resources"] = _SMALL
    space.apply(run)
    done = space.wait("trainingrun", "meets", has("Ready"), within=120)
    ((path, content),) = _model(space, done)
    assert path == "environments.json"
    workers: list[dict[str, Any]] = json.loads(content)

    assert [worker["RANK"] for worker in workers] == ["0", "1", "2"]
    assert {worker["WORLD_SIZE"] for worker in workers} == {"3"}
    hosts = workers[0]["resources"]["hosts"]
    assert len(set(hosts)) == 3
    assert all(worker["resources"]["hosts"] == json.loads(worker["SM_HOSTS"]) == hosts for worker in workers)
    assert [worker["resources"]["current_host"] for worker in workers] == hosts
    assert [worker["SM_CURRENT_HOST"] for worker in workers] == hosts
    addresses = workers[0]["addresses"]
    assert len(set(addresses)) == 3
    assert all(worker["addresses"] == addresses for worker in workers)
    address, port = workers[0]["MASTER_ADDR"], workers[0]["MASTER_PORT"]
    for rank, worker in enumerate(workers):
        assert {name: value for name, value in worker.items() if name.startswith(("PET_", "JAX_"))} == {
            "torch": {
                "PET_NNODES": "3",
                "PET_NPROC_PER_NODE": "2",
                "PET_NODE_RANK": str(rank),
                "PET_MASTER_ADDR": address,
                "PET_MASTER_PORT": port,
            },
            "jax": {
                "JAX_COORDINATOR_ADDRESS": f"{address}:{port}",
                "JAX_NUM_PROCESSES": "3",
                "JAX_PROCESS_ID": str(rank),
            },
            "plain": {},
        }[framework]


def _regression(space: Space, image: Built, **parameters: str) -> Body:
    """Return the example's TrainingRun, with these parameters."""
    body: Body = yaml.safe_load(_EXAMPLE.read_text().replace(_IMAGE, image.by_digest))
    body["metadata"]["namespace"] = space.name
    body["spec"]["parameters"] = parameters
    return body


def _step(run: Body) -> int:
    return int(run.get("status", {}).get("progress", {}).get("step", 0))


def _pods_by_rank(space: Space, run: Body) -> dict[str, Body]:
    """Return the Pods of the Job that the status names, by completion index."""
    pods = space.listed("pods", f"batch.kubernetes.io/job-name={run['status']['job']}")
    return {pod["metadata"]["labels"][_RANK]: pod for pod in pods}


def _uid(pod: Body) -> str:
    return str(pod["metadata"]["uid"])


def _kill_trainer(space: Space, pod: Body) -> None:
    """Send SIGKILL to the user's process, which is neither PID 1 of the container nor the supervisor."""
    kill = ("/modelops/bin/busybox", "killall", "-9", "python3")
    space.cluster.kubectl("exec", "-n", space.name, pod["metadata"]["name"], "-c", "trainer", "--", *kill)


def _model(space: Space, run: Body) -> list[tuple[str, bytes]]:
    """Return path and content of each file of the model that a run published."""
    version = space.get("modelversion", run["status"]["modelVersion"])
    bucket, _, prefix = version["spec"]["artifact"]["uri"].removeprefix("s3://").partition("/")
    s3 = space.cluster.s3
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    return [(key.removeprefix(prefix), s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
