"""Workers that train together: their names, how they find each other, and what makes them one attempt. Pure."""

import json

from modelops.api.trainingrun import Framework, TrainingRun
from modelops.controllers.metadata import labels
from modelops.controllers.pods import INDEX_ANNOTATION, JOB_NAME_LABEL
from modelops.machinery.resources import Body

ALONE = "algo-1"
"""What SageMaker calls the one host of a training on one machine."""
_PORT = 29500
"""torchrun's default."""


def is_gang(run: TrainingRun) -> bool:
    """Whether there is more than one worker."""
    return run.spec.workers.count > 1


def service_name(job_name: str) -> str:
    """The headless Service of a Job's workers. A run's name may begin with a digit, a Service's may not."""
    return f"workers-{job_name.rpartition('-')[2]}"


def hosts(run: TrainingRun, job_name: str) -> list[str]:
    """The workers by rank, as names that resolve in their namespace."""
    if not is_gang(run):
        return [ALONE]
    service = service_name(job_name)
    return [f"{job_name}-{rank}.{service}" for rank in range(run.spec.workers.count)]


def service(run: TrainingRun, job_name: str, job_uid: str) -> Body:
    """The headless Service that gives each worker a name. It ends with its Job."""
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
            # Workers look for each other before they are ready.
            "publishNotReadyAddresses": True,
            "selector": {JOB_NAME_LABEL: job_name},
            "ports": [{"name": "rendezvous", "port": _PORT, "targetPort": _PORT, "protocol": "TCP"}],
        },
    }


def job_fields(run: TrainingRun) -> Body:
    """What makes a Job one of several ranks."""
    if not is_gang(run):
        return {}
    count = run.spec.workers.count
    return {"completionMode": "Indexed", "completions": count, "parallelism": count}


def variables(run: TrainingRun, job_name: str) -> list[Body]:
    """What a trainer finds the others by. Kubernetes replaces `$(RANK)` by what stands before."""
    workers = run.spec.workers
    names = hosts(run, job_name)
    if not is_gang(run):
        rank: Body = {"name": "RANK", "value": "0"}
        current, first = ALONE, "localhost"
    else:
        # The Job controller adds JOB_COMPLETION_INDEX last of all, too late to be referred to.
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
