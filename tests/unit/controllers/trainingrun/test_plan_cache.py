"""Plan of a TrainingRun whose inputs another run may have a result for: cache hits, and the reasons of misses."""

import pytest

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.inputs.references import References
from modelops.controllers.trainingrun.plan import plan
from modelops.lineage.input_key import UNKNOWN_VERSION
from support.builders.common import digest
from support.builders.plans import names, reason
from support.builders.trainingruns import training_run
from support.controllers.run_observations import (
    TAG,
    VERSION,
    RunCase,
    check,
    job_name,
    observe,
    pinned,
    status_of,
    version_of,
)


def sibling(reason: str = "Trained") -> TrainingRun:
    """Another run with a result for the same inputs, ten minutes old. `reason` is that of its outcome."""
    status = pinned(outcome="Succeeded")
    return training_run("sibling", status={**status, "outcome": {**status["outcome"], "reason": reason}})


OTHERS = (version_of(training_run("another")),)
"""ModelVersion that another run has made from the same inputs."""
_OTHER_ARTIFACT = VERSION.spec.artifact.model_copy(update={"digest": digest("f")})
FORGED = VERSION.model_copy(update={"spec": VERSION.spec.model_copy(update={"artifact": _OTHER_ARTIFACT})})
"""ModelVersion of the same name and origin with another artifact."""
CASES = [
    RunCase(
        "the result of another run is reused without a Job, and its ModelVersion is the run's too",
        observe(versions=OTHERS, seen={"siblings": (sibling(),)}),
        ready="True CacheHit",
        succeeded="True CacheHit",
        cache="Hit: TrainingRun sibling has the same inputs",
    ),
    RunCase(
        "a ModelVersion that names these inputs is not believed without the run that made it",
        observe(versions=OTHERS),
        ready="False JobCreated",
        applies=[f"Job {job_name()}"],
        cache=f"Miss: ModelVersion {VERSION.metadata.name} names these inputs, but no TrainingRun with its result is "
        "there to confirm it",
    ),
    RunCase(
        "a ModelVersion with the expected name and another artifact is not taken for the run's",
        observe(versions=(FORGED,), seen={"siblings": (sibling(),)}),
        ready="True CacheHit",
        applies=[f"ModelVersion {VERSION.metadata.name}"],
        succeeded="True CacheHit",
        cache="Hit: TrainingRun sibling has the same inputs",
    ),
    RunCase(
        "with cache.mode Ignore no result is reused",
        observe(seen={"siblings": (sibling(),)}, cache={"mode": "Ignore"}),
        ready="False JobCreated",
        applies=[f"Job {job_name()}"],
        cache="Miss: cache.mode is Ignore",
    ),
    RunCase(
        "the result of a mutable tag is never reused",
        observe(seen={"siblings": (sibling(),)}, trainer=TAG),
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


def test_a_result_is_not_reused_if_a_secret_may_have_changed() -> None:
    """The operator may not look at the Secret: a model of another token or password could be taken for this one."""
    unknown = References({"Secret hub": UNKNOWN_VERSION, "ConfigMap c": digest("c")})
    seen = observe(references=unknown, seen={"siblings": (sibling(),)})
    decided = plan(seen)
    assert [name.split()[0] for name in names(decided.apply)] == ["Job"]
    cache = status_of(decided).cache
    assert cache is not None
    assert cache.reason.startswith("Secret hub may have changed, so no other result is reused")
    assert reason(decided, "Reproducible") == "False SecretNotReadable"
    known = plan(observe(references=References({"Secret hub": "uid at 7"}), seen={"siblings": (sibling(),)}))
    assert reason(known) == "True CacheHit"
