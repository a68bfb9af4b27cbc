"""Linear regression by gradient descent over several workers, in JAX on CPUs, with SageMaker's container contract.

Each worker holds a part of the rows; all workers hold the same weights. Because the loss is a mean over all rows, JAX
exchanges sums between the workers (by gloo) in every step. After each step the first worker writes step and weights to
/opt/ml/checkpoints. Training resumes from a checkpoint that exists.

Hyperparameters: `steps` (number of steps, 50 by default) and `pause` (seconds to wait after each step, 0 by default).
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
LOST_AFTER_SECONDS = 15
"""A worker that is silent for this time is lost. The other workers then end, so that all can be restarted."""


def place(variable: str, default: str) -> Path:
    """Return a directory of the contract."""
    return Path(os.environ.get(variable, default))


CHECKPOINT = place("CHECKPOINT_DIR", "/opt/ml/checkpoints") / "state.npz"
OUTPUT = place("SM_OUTPUT_DIR", "/opt/ml/output")


@dataclass(frozen=True)
class State:
    """Content of a checkpoint: the number of steps done, and the weights after these steps."""

    step: int
    weights: np.ndarray


def hyperparameters() -> tuple[int, float]:
    """Return `steps` and `pause`. Raises ValueError for any other hyperparameter."""
    file = place("SM_INPUT_CONFIG_DIR", "/opt/ml/input/config") / "hyperparameters.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    unknown = sorted(set(given) - {"steps", "pause"})
    if unknown:
        raise ValueError(f"unknown hyperparameters: {', '.join(unknown)}; known are steps and pause")
    return int(given.get("steps", "50")), float(given.get("pause", "0"))


def join() -> None:
    """Connect to the other workers. A single worker connects to nothing."""
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
        heartbeat_timeout_seconds=LOST_AFTER_SECONDS,
        shutdown_timeout_seconds=LOST_AFTER_SECONDS,
    )


def rows_of(worker: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the features and the targets that a worker holds."""
    random = np.random.default_rng(worker)
    features = random.normal(size=(ROWS_OF_A_WORKER, len(TRUE_WEIGHTS))).astype(np.float32)
    noise = random.normal(scale=NOISE, size=ROWS_OF_A_WORKER).astype(np.float32)
    return features, features @ TRUE_WEIGHTS + noise


def resume() -> State:
    """Return the state to start from: the first worker's checkpoint, sent to all workers, or step 0."""
    start = State(0, np.zeros_like(TRUE_WEIGHTS))
    if jax.process_index() == 0 and CHECKPOINT.exists():
        with np.load(CHECKPOINT) as kept:
            start = State(int(kept["step"]), kept["weights"])
    step, weights = multihost_utils.broadcast_one_to_all((np.int32(start.step), start.weights))
    return State(int(step), np.asarray(weights))


def keep(state: State) -> None:
    """Write the checkpoint to another file and rename that file, so that no reader gets half a checkpoint."""
    fresh = CHECKPOINT.with_name("state.new")
    with fresh.open("wb") as file:
        np.savez(file, step=state.step, weights=state.weights)
    fresh.rename(CHECKPOINT)


@jax.jit
def descend(weights: jax.Array, features: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the weights after a step, and the loss before the step, over the rows of all workers."""

    def loss_of(weights: jax.Array) -> jax.Array:
        return jnp.mean((features @ weights - targets) ** 2)

    loss, gradient = jax.value_and_grad(loss_of)(weights)
    return weights - RATE * gradient, loss


def train(steps: int, pause: float) -> dict[str, float]:
    """Train, and return the final metrics. The first worker writes checkpoints, step metrics and the model."""
    first = jax.process_index() == 0
    ranks = multihost_utils.process_allgather(np.int32(jax.process_index()))
    spread = NamedSharding(Mesh(jax.devices(), ("workers",)), PartitionSpec("workers"))
    features, targets = (jax.make_array_from_process_local_data(spread, rows) for rows in rows_of(jax.process_index()))
    state = resume()
    resumed_from = state.step
    print(f"worker {jax.process_index()} of {jax.process_count()} starts from step {resumed_from}", flush=True)
    with (OUTPUT / "metrics.jsonl").open("a") as lines:
        while state.step < steps:
            weights, loss = descend(state.weights, features, targets)
            state = State(state.step + 1, np.asarray(weights))
            if first:
                keep(state)
                line = {"step": state.step, "total_steps": steps, "loss": float(loss), "resumed_from": resumed_from}
                print(json.dumps(line), file=lines, flush=True)
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
    """Train with the other workers; the first worker writes the metrics."""
    steps, pause = hyperparameters()
    join()
    metrics = train(steps, pause)
    if jax.process_index() == 0:
        (OUTPUT / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics), flush=True)


if __name__ == "__main__":
    main()
