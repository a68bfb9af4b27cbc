"""Gangs: one Job for all workers, and how the workers find each other."""

import json

import pytest

from modelops.api.contract.tasks import TASK_VARIABLE, FetchTask
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.attempt import gang
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.resources import Body
from support.builders.common import settings
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import names, reason
from support.builders.trainingruns import training_run
from support.run_observations import job_name, observe, pinned, resolved_inputs

TWO: Body = {"workers": {"count": 2}}


def trainer(run: TrainingRun) -> tuple[Body, dict[str, Body]]:
    """Return the Job of a run, and its trainer's variables by name."""
    resolved = resolved_inputs(workers=run.spec.workers.wire())
    made = children.job(run, resolved, settings(), children.job_name(run, resolved.key))
    containers = made["spec"]["template"]["spec"]["containers"]
    (container,) = (container for container in containers if container["name"] == "trainer")
    return made, {variable["name"]: variable for variable in container["env"]}


def test_a_gang_is_one_indexed_job() -> None:
    """All ranks start and end together: one attempt is one Job, with a host name for each rank."""
    made, _ = trainer(training_run(**TWO))
    spec = made["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["subdomain"] == gang.service_name(made["metadata"]["name"])


def test_one_worker_is_not_a_gang() -> None:
    """A run of one worker has no ranks and no subdomain, and finds the one host of SageMaker."""
    made, variables = trainer(training_run())
    assert "completionMode" not in made["spec"]
    assert "subdomain" not in made["spec"]["template"]["spec"]
    assert variables["SM_HOSTS"]["value"] == '["algo-1"]'
    assert (variables["RANK"]["value"], variables["WORLD_SIZE"]["value"]) == ("0", "1")


@pytest.mark.parametrize(
    ("framework", "expected"),
    [
        (
            "torch",
            {
                "PET_NNODES": "2",
                "PET_NPROC_PER_NODE": "4",
                "PET_NODE_RANK": "$(RANK)",
                "PET_MASTER_ADDR": "FIRST",
                "PET_MASTER_PORT": "29500",
            },
        ),
        (
            "jax",
            {"JAX_COORDINATOR_ADDRESS": "FIRST:29500", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "$(RANK)"},
        ),
        ("plain", {}),
    ],
)
def test_each_framework_gets_its_own_variables(framework: str, expected: dict[str, str]) -> None:
    """Workers of torchrun, jax.distributed and plain scripts find each other without configuration."""
    workers = {"count": 2, "framework": framework, "processesPerWorker": 4}
    made, variables = trainer(training_run(workers=workers))
    name = made["metadata"]["name"]
    first = f"{name}-0.{gang.service_name(name)}"
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "FIRST", "MASTER_PORT": "29500"}
    for variable, value in {**common, **expected}.items():
        assert variables[variable]["value"] == value.replace("FIRST", first), variable
    others = {name for name in variables if name.startswith(("PET_", "JAX_"))}
    assert others == set(expected)


def test_rank_stands_before_every_variable_that_refers_to_it() -> None:
    """Kubernetes expands `$(RANK)` only where RANK stands before."""
    _, variables = trainer(training_run(workers={"count": 2, "framework": "jax"}))
    order = list(variables)
    referring = [name for name, variable in variables.items() if "$(RANK)" in variable.get("value", "")]
    assert referring
    assert all(order.index("RANK") < order.index(name) for name in referring)


def test_the_fetch_task_has_the_hosts_of_all_ranks() -> None:
    """Each rank writes SageMaker's resourceconfig.json from the same list."""
    made, variables = trainer(training_run(**TWO))
    (fetch,) = made["spec"]["template"]["spec"]["initContainers"]
    text = next(variable["value"] for variable in fetch["env"] if variable["name"] == TASK_VARIABLE)
    hosts = FetchTask.model_validate_json(text.replace("$$", "$")).hosts
    assert hosts == json.loads(variables["SM_HOSTS"]["value"])
    assert len(hosts) == 2


def test_the_longest_host_name_has_63_characters_at_most() -> None:
    """Also for the longest name of a run, and the last of the most workers."""
    run = training_run("r" * 52, workers={"count": 256})
    name = children.job_name(run, resolved_inputs().key)
    assert len(f"{name}-255") <= 63
    assert gang.service_name(name)[0].isalpha()


def test_a_gangs_service_is_created_once_and_owned_by_its_job() -> None:
    """Ranks resolve each other before they are ready; the Service is deleted with its Job."""
    name = job_name(**TWO)
    ranks = [pod(init=terminated(0), name=f"p-{rank}", rank=rank, trainer=RUNNING) for rank in (0, 1)]
    made = job(name, *ranks, spec={"completionMode": "Indexed"})
    done = plan(observe(status=pinned(**TWO), jobs=(made,), **TWO))
    assert reason(done) == "False Training"
    (service,) = done.apply
    assert names(done.apply) == [f"Service {gang.service_name(name)}"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["ownerReferences"][0]["uid"] == made.uid
    existing = {"services": frozenset({gang.service_name(name)})}
    assert plan(observe(status=pinned(**TWO), jobs=(made,), seen=existing, **TWO)).apply == ()


def test_a_job_for_a_queue_is_created_suspended() -> None:
    """The Job has no Pod before Kueue admits it, even if Kueue's webhook was not available at its creation."""
    run = training_run(queueName="team-a")
    made, _ = trainer(run)
    assert made["spec"]["suspend"] is True
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert "suspend" not in trainer(training_run())[0]["spec"]
