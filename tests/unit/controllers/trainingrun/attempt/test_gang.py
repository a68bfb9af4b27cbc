"""Workers that train together: how they find each other, and what of them is one."""

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
from support.run_observations import job_of, key_of, observe, pinned

TWO: Body = {"workers": {"count": 2}}


def trainer(run: TrainingRun) -> tuple[Body, dict[str, Body]]:
    """The Job of a run, and its trainer's variables by name."""
    resolved = key_of(workers=run.spec.workers.wire())
    made = children.job(run, resolved, settings(), children.job_name(run, resolved.key))
    (container,) = (one for one in made["spec"]["template"]["spec"]["containers"] if one["name"] == "trainer")
    return made, {one["name"]: one for one in container["env"]}


def test_a_gang_is_one_indexed_job() -> None:
    """All ranks start and end together: one attempt, one Job, a name for each rank."""
    made, _ = trainer(training_run(**TWO))
    spec = made["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["subdomain"] == gang.service_name(made["metadata"]["name"])


def test_one_worker_is_no_gang() -> None:
    """A run of one worker needs no Service, no ranks and no subdomain, and finds SageMaker's one host."""
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
def test_each_framework_finds_its_variables(framework: str, expected: dict[str, str]) -> None:
    """torchrun, jax.distributed and plain scripts find the others without a line of configuration."""
    workers = {"count": 2, "framework": framework, "processesPerWorker": 4}
    made, variables = trainer(training_run(workers=workers))
    name = made["metadata"]["name"]
    first = f"{name}-0.{gang.service_name(name)}"
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "FIRST", "MASTER_PORT": "29500"}
    for variable, value in {**common, **expected}.items():
        assert variables[variable]["value"] == value.replace("FIRST", first), variable
    others = {one for one in variables if one.startswith(("PET_", "JAX_"))}
    assert others == set(expected)


def test_a_rank_is_known_before_it_is_referred_to() -> None:
    """Kubernetes replaces `$(RANK)` only by a variable further up; the last one keeps its text."""
    _, variables = trainer(training_run(workers={"count": 2, "framework": "jax"}))
    order = list(variables)
    referring = [name for name, one in variables.items() if "$(RANK)" in one.get("value", "")]
    assert referring
    assert all(order.index("RANK") < order.index(name) for name in referring)


def test_every_rank_knows_all_hosts() -> None:
    """SageMaker's resourceconfig.json is written by the worker of each rank, from the list that all of them have."""
    made, variables = trainer(training_run(**TWO))
    (fetch,) = made["spec"]["template"]["spec"]["initContainers"]
    text = next(one["value"] for one in fetch["env"] if one["name"] == TASK_VARIABLE)
    hosts = FetchTask.model_validate_json(text.replace("$$", "$")).hosts
    assert hosts == json.loads(variables["SM_HOSTS"]["value"])
    assert len(hosts) == 2


def test_names_of_workers_fit() -> None:
    """A host name has 63 characters at most, of the longest run and the last of the most workers too."""
    run = training_run("r" * 52, workers={"count": 256})
    name = children.job_name(run, key_of().key)
    assert len(f"{name}-255") <= 63
    assert gang.service_name(name)[0].isalpha()


def test_the_service_comes_with_the_job_and_goes_with_it() -> None:
    """Ranks find each other by it before they are ready; its owner is the Job, so that none is left over."""
    name = job_of(**TWO)
    ranks = [pod(init=terminated(0), name=f"p-{rank}", rank=rank, trainer=RUNNING) for rank in (0, 1)]
    made = job(name, *ranks, spec={"completionMode": "Indexed"})
    done = plan(observe(status=pinned(**TWO), jobs=(made,), **TWO))
    assert reason(done) == "False Training"
    (service,) = done.apply
    assert names(done.apply) == [f"Service {gang.service_name(name)}"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["ownerReferences"][0]["uid"] == made.uid
    there = {"services": frozenset({gang.service_name(name)})}
    assert plan(observe(status=pinned(**TWO), jobs=(made,), seen=there, **TWO)).apply == ()


def test_a_queue_holds_the_job_from_the_start() -> None:
    """No Pod before Kueue admits it, whether or not its webhook was there when the Job was made."""
    run = training_run(queueName="team-a")
    made, _ = trainer(run)
    assert made["spec"]["suspend"] is True
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert "suspend" not in trainer(training_run())[0]["spec"]
