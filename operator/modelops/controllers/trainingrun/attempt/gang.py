"""Name the workers of a gang, and let them find each other. Pure."""

import json

from modelops.api.trainingrun import Framework, TrainingRun
from modelops.controllers.metadata import labels
from modelops.controllers.pods import INDEX_ANNOTATION, JOB_NAME_LABEL
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body

SINGLE_HOST = "algo-1"
"""Host name that SageMaker gives a training on one machine."""
_PORT = 29500
"""Default of torchrun."""


def is_gang(run: TrainingRun) -> bool:
    """Return whether the run has more than one worker."""
    return run.spec.workers.count > 1


def service_name(job_name: str) -> str:
    """Return the name of a Job's headless Service. It never begins with a digit, as a run's name may."""
    return f"workers-{job_name.rpartition('-')[2]}"


def hosts(run: TrainingRun, job_name: str) -> list[str]:
    """Return the workers' host names by rank. They resolve in the run's namespace."""
    if not is_gang(run):
        return [SINGLE_HOST]
    service = service_name(job_name)
    return [f"{job_name}-{rank}.{service}" for rank in range(run.spec.workers.count)]


def service(run: TrainingRun, job_name: str, job_uid: str) -> Body:
    """Return the headless Service that gives each worker a host name. Its Job owns it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(job_name),
            "namespace": run.metadata.namespace,
            "labels": labels(run, "workers"),
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": job_name, "uid": job_uid, "controller": True}
            ],
        },
        "spec": {
            "clusterIP": "None",
            # Workers resolve each other before they are ready.
            "publishNotReadyAddresses": True,
            # The second label is one that nobody else may give a Pod, which would get a worker's name.
            "selector": {JOB_NAME_LABEL: job_name, MANAGED_BY: MANAGER},
            "ports": [{"name": "rendezvous", "port": _PORT, "targetPort": _PORT, "protocol": "TCP"}],
        },
    }


def job_fields(run: TrainingRun) -> Body:
    """Return the fields of a Job that give its Pods ranks; none for a single worker."""
    if not is_gang(run):
        return {}
    count = run.spec.workers.count
    return {"completionMode": "Indexed", "completions": count, "parallelism": count}


def variables(run: TrainingRun, job_name: str) -> list[Body]:
    """Return the variables by which workers find each other.

    Kubernetes expands `$(RANK)` only in variables that follow RANK.
    """
    workers = run.spec.workers
    names = hosts(run, job_name)
    if not is_gang(run):
        rank: Body = {"name": "RANK", "value": "0"}
        current, first = SINGLE_HOST, "localhost"
    else:
        # The Job controller appends JOB_COMPLETION_INDEX last, where no other variable can refer to it.
        rank = {"name": "RANK", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX_ANNOTATION}']"}}}
        current, first = f"{job_name}-$(RANK).{service_name(job_name)}", names[0]
    values = {
        "WORLD_SIZE": str(workers.count),
        "MASTER_ADDR": first,
        "MASTER_PORT": str(_PORT),
        "SM_HOSTS": json.dumps(names, separators=(",", ":")),
        "SM_CURRENT_HOST": current,
        **_of_framework(run, first),
    }
    return [rank, *({"name": name, "value": value} for name, value in values.items())]


def _of_framework(run: TrainingRun, first: str) -> dict[str, str]:
    workers = run.spec.workers
    match workers.framework:
        case Framework.TORCH:
            return {
                "PET_NNODES": str(workers.count),
                "PET_NPROC_PER_NODE": str(workers.processes_per_worker),
                "PET_NODE_RANK": "$(RANK)",
                "PET_MASTER_ADDR": first,
                "PET_MASTER_PORT": str(_PORT),
            }
        case Framework.JAX:
            return {
                "JAX_COORDINATOR_ADDRESS": f"{first}:{_PORT}",
                "JAX_NUM_PROCESSES": str(workers.count),
                "JAX_PROCESS_ID": "$(RANK)",
            }
        case Framework.PLAIN:
            return {}
