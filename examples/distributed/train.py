"""Linear regression by gradient descent over several workers, in JAX on CPUs, to SageMaker's container contract.

Each worker holds its share of the rows, and all of them the same weights: the mean over all rows makes JAX exchange
sums between the workers (by gloo) in every step. After each step the first worker keeps step and weights in
/opt/ml/checkpoints; where that is there already, training goes on from it.

Hyperparameters: `steps`, how many there are, and `pause`, how many seconds to wait after each of them.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ROWS_OF_A_WORKER = 1024
TRUE_WEIGHTS = np.array([2.0, -3.0, 0.5, 1.0], dtype=np.float32)
NOISE = 0.1
RATE = 0.1
GONE_AFTER_SECONDS = 15
"""How long a worker may be silent: what waits for one that is gone ends then, so that all can be started again."""


def place(variable: str, default: str) -> Path:
    """A directory of the contract."""
    return Path(os.environ.get(variable, default))


CHECKPOINT = place("CHECKPOINT_DIR", "/opt/ml/checkpoints") / "state.npz"
OUTPUT = place("SM_OUTPUT_DIR", "/opt/ml/output")


@dataclass(frozen=True)
class State:
    """What a checkpoint holds: how many steps are done, and the weights after them."""

    step: int
    weights: np.ndarray


def hyperparameters() -> tuple[int, float]:
    """`steps` and `pause`."""
    file = place("SM_INPUT_CONFIG_DIR", "/opt/ml/input/config") / "hyperparameters.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    unknown = sorted(set(given) - {"steps", "pause"})
    if unknown:
        raise ValueError(f"unknown hyperparameters: {', '.join(unknown)}; known are steps and pause")
    return int(given.get("steps", "50")), float(given.get("pause", "0"))


def join() -> None:
    """Meet the other workers. Alone, there is nobody to meet."""
    workers = int(os.environ.get("JAX_NUM_PROCESSES", "1"))
    if workers == 1:
        return
    address = os.environ["JAX_COORDINATOR_ADDRESS"]
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        coordinator_address=address,
        coordinator_bind_address=f"0.0.0.0:{address.rpartition(':')[2]}",
        num_processes=workers,
        process_id=int(os.environ["JAX_PROCESS_ID"]),
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=GONE_AFTER_SECONDS,
        shutdown_timeout_seconds=GONE_AFTER_SECONDS,
    )


def rows_of(worker: int) -> tuple[np.ndarray, np.ndarray]:
    """The features and the targets that a worker holds."""
    random = np.random.default_rng(worker)
    features = random.normal(size=(ROWS_OF_A_WORKER, len(TRUE_WEIGHTS))).astype(np.float32)
    noise = random.normal(scale=NOISE, size=ROWS_OF_A_WORKER).astype(np.float32)
    return features, features @ TRUE_WEIGHTS + noise


def resumed() -> State:
    """Where to go on from: what the first worker's checkpoint says, told to all of them."""
    found = State(0, np.zeros_like(TRUE_WEIGHTS))
    if jax.process_index() == 0 and CHECKPOINT.exists():
        with np.load(CHECKPOINT) as kept:
            found = State(int(kept["step"]), kept["weights"])
    step, weights = multihost_utils.broadcast_one_to_all((np.int32(found.step), found.weights))
    return State(int(step), np.asarray(weights))


def keep(state: State) -> None:
    """Write the checkpoint beside its place and rename it: whoever copies it never sees half of one."""
    fresh = CHECKPOINT.with_name("state.new")
    with fresh.open("wb") as file:
        np.savez(file, step=state.step, weights=state.weights)
    fresh.rename(CHECKPOINT)


@jax.jit
def descend(weights: jax.Array, features: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The weights after one step, and the loss before it, over the rows of all workers."""

    def loss_of(weights: jax.Array) -> jax.Array:
        return jnp.mean((features @ weights - targets) ** 2)

    loss, gradient = jax.value_and_grad(loss_of)(weights)
    return weights - RATE * gradient, loss


def train(steps: int, pause: float) -> dict[str, float]:
    """The final metrics. The first worker writes what is to be kept."""
    first = jax.process_index() == 0
    ranks = multihost_utils.process_allgather(np.int32(jax.process_index()))
    spread = NamedSharding(Mesh(jax.devices(), ("workers",)), PartitionSpec("workers"))
    features, targets = (jax.make_array_from_process_local_data(spread, rows) for rows in rows_of(jax.process_index()))
    state = resumed()
    resumed_from = state.step
    print(f"worker {jax.process_index()} of {jax.process_count()} goes on from step {resumed_from}", flush=True)
    with (OUTPUT / "metrics.jsonl").open("a") as told:
        while state.step < steps:
            weights, loss = descend(state.weights, features, targets)
            state = State(state.step + 1, np.asarray(weights))
            if first:
                keep(state)
                line = {"step": state.step, "total_steps": steps, "loss": float(loss), "resumed_from": resumed_from}
                print(json.dumps(line), file=told, flush=True)
            time.sleep(pause)
    if first:
        np.savez(place("SM_MODEL_DIR", "/opt/ml/model") / "model.npz", weights=state.weights)
    _, loss = descend(state.weights, features, targets)
    return {
        "loss": float(loss),
        "error": float(np.abs(state.weights - TRUE_WEIGHTS).max()),
        "process_count": jax.process_count(),
        "ranks": int(np.unique(ranks).size),
        "resumed_from": resumed_from,
    }


def main() -> None:
    steps, pause = hyperparameters()
    join()
    metrics = train(steps, pause)
    if jax.process_index() == 0:
        (OUTPUT / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics), flush=True)


if __name__ == "__main__":
    main()
