"""Build a trainer's environment: SageMaker's variables, those of its gang, then the user's, which win. Pure.

SageMaker's variables are those of the SageMaker Training Toolkit (ENVIRONMENT_VARIABLES.md).
"""

import json
import re
from typing import Any

from modelops.api.pods import Resources
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.containers import environment, literal, override_variables
from modelops.controllers.trainingrun.attempt import gang
from modelops.machinery.resources import Body

ML = "/opt/ml"
"""Root of the directories of SageMaker's container contract."""


def trainer_environment(run: TrainingRun, job_name: str) -> list[Body]:
    """Return all variables of the trainer's container."""
    defaults: list[Body] = [
        *({"name": name, "value": literal(value)} for name, value in _sagemaker(run, job_name).items()),
        {"name": "SM_NUM_CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        *gang.variables(run, job_name),
    ]
    return override_variables(defaults, environment(run.spec.trainer.env))


def _sagemaker(run: TrainingRun, job_name: str) -> dict[str, str]:
    channels = sorted(dataset.name for dataset in run.spec.datasets)
    parameters = run.spec.parameters
    return {
        "HOME": "/tmp",
        "TRAINING_JOB_NAME": job_name,
        "SM_CHANNELS": _text(channels),
        "SM_HPS": _text(parameters),
        "SM_INPUT_CONFIG_DIR": f"{ML}/input/config",
        "SM_INPUT_DIR": f"{ML}/input",
        "SM_MODEL_DIR": f"{ML}/model",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_NUM_GPUS": str(_gpus(run.spec.trainer.resources)),
        "SM_OUTPUT_DATA_DIR": f"{ML}/output/data",
        "SM_OUTPUT_DIR": f"{ML}/output",
        **{f"SM_CHANNEL_{name.upper()}": f"{ML}/input/data/{name}" for name in channels},
        **{f"SM_HP_{_variable(name)}": value for name, value in sorted(parameters.items())},
    }


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _variable(parameter: str) -> str:
    """Return a parameter's name as part of a variable's name. Dashes stay, as SageMaker and Kubernetes allow them."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", parameter).upper()


def _gpus(resources: Resources | None) -> int:
    limits = (resources.limits if resources else None) or {}
    counts = [str(count) for name, count in limits.items() if name.endswith("/gpu")]
    return sum(int(count) for count in counts if count.isdigit())
