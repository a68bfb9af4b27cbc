"""Plan of a TrainingRun whose inputs another run may have a result for: cache hits, and the reasons of misses."""

import pytest

from modelops.api.trainingrun import TrainingRun
from support.builders.trainingruns import training_run
from support.controllers.run_observations import TAG, VERSION, RunCase, check, job_name, observe, pinned, version_of


def sibling(reason: str = "Trained") -> TrainingRun:
    """Another run with a result for the same inputs, ten minutes old. `reason` is that of its outcome."""
    status = pinned(outcome="Succeeded")
    return training_run("sibling", status={**status, "outcome": {**status["outcome"], "reason": reason}})


OTHERS = (version_of(training_run("another")),)
"""ModelVersion that another run has made from the same inputs."""
CASES = [
    RunCase(
        "the ModelVersion of another run with the same inputs is reused, without a Job",
        observe(versions=OTHERS),
        ready="True CacheHit",
        succeeded="True CacheHit",
        cache=f"Hit: ModelVersion {VERSION.metadata.name} has the same inputs",
    ),
    RunCase(
        "with cache.mode Ignore no result is reused",
        observe(versions=OTHERS, cache={"mode": "Ignore"}),
        ready="False JobCreated",
        applies=[f"Job {job_name()}"],
        cache="Miss: cache.mode is Ignore",
    ),
    RunCase(
        "the result of a mutable tag is never reused",
        observe(versions=(version_of(training_run("another"), trainer=TAG),), trainer=TAG),
        ready="False JobCreated",
        applies=[f"Job {job_name(trainer=TAG)}"],
        cache="Miss: the image is a mutable tag, so no other result is reused; pin it by digest",
    ),
    RunCase(
        "a sibling's result is reused also if it has no ModelVersion",
        observe(seen={"siblings": (sibling(),)}),
        ready="True CacheHit",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True CacheHit",
        cache="Hit: TrainingRun sibling has the same inputs",
    ),
    RunCase(
        "a result that a sibling only reused is not passed on, which would make it younger",
        observe(seen={"siblings": (sibling(reason="CacheHit"),)}),
        ready="False JobCreated",
        applies=[f"Job {job_name()}"],
        cache="Miss: no result for these inputs in this namespace",
    ),
    RunCase(
        "a result older than cache.ttl is not reused",
        observe(seen={"siblings": (sibling(),)}, cache={"ttl": "5m"}),
        ready="False JobCreated",
        applies=[f"Job {job_name(cache={'ttl': '5m'})}"],
        cache="Miss: the results for these inputs are older than cache.ttl (5m)",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan_by_cache(case: RunCase) -> None:
    """Each row's name is the promise that it protects."""
    check(case)
