"""Plan of a TrainingRun by its inputs: missing, new, or changed."""

from typing import Any

import pytest

from modelops.controllers.trainingrun.inputs.references import References
from modelops.controllers.trainingrun.plan import plan
from support.builders.plans import condition_of, reason
from support.controllers.run_observations import (
    POLLED_EVERY,
    REFERENCES_READ_EVERY,
    SHORTLY,
    TAG,
    VERSION,
    RunCase,
    check,
    job_name,
    observe,
    pinned,
    running,
)

FOLLOWS: dict[str, Any] = {"rerunOn": ["DatasetChange"]}
DEEPER: dict[str, Any] = {"parameters": {"max_depth": "5"}}
CASES = [
    RunCase(
        "a Dataset without a snapshot is waited for, and its snapshot wakes the run",
        observe(data=None),
        ready="False DatasetNotReady",
    ),
    RunCase(
        "a missing Secret is looked up every half minute, since Secrets are not watched",
        observe(references=References(missing=("Secret s",))),
        ready="False ReferenceNotFound",
        requeue_after=REFERENCES_READ_EVERY,
    ),
    RunCase(
        "inputs without a model are trained",
        observe(),
        ready="False JobCreated",
        applies=[f"Job {job_name()}"],
        cache="Miss: no result for these inputs in this namespace",
    ),
    RunCase(
        "a new snapshot alone does not train again",
        observe(data="b", status=pinned("a", "Succeeded"), versions=(VERSION,)),
        ready="True EndedBefore",
        succeeded="True EndedBefore",
        cache="Miss: explained before",
    ),
    RunCase(
        "with rerunOn DatasetChange a new snapshot is trained on, and the miss names both digests",
        observe(data="b", status=pinned("a", "Succeeded"), **FOLLOWS),
        ready="False JobCreated",
        applies=[f"Job {job_name('b')}"],
        cache=f"Miss: dataset train: sha256:{'a' * 12}… → sha256:{'b' * 12}…",
    ),
    RunCase(
        "a new snapshot does not end the run under way",
        observe(data="b", status=pinned("a"), jobs=(running(job_name("a")),), **FOLLOWS),
        ready="False Training",
        cache="Miss: explained before",
        requeue_after=POLLED_EVERY,
    ),
    RunCase(
        "a changed spec deletes the Job under way before the next one is created, and the miss names the change",
        observe(status=pinned(), generation=2, jobs=(running(job_name()),), **DEEPER),
        ready="False Superseded",
        deletes=[job_name()],
        requeue_after=SHORTLY,
        cache='Miss: parameters: {"max_depth":"4"} → {"max_depth":"5"}',
    ),
    RunCase(
        "once the Job of the former spec is gone the next one is created, and the miss names the change",
        observe(status=pinned(), generation=2, **DEEPER),
        ready="False JobCreated",
        applies=[f"Job {job_name(**DEEPER)}"],
        cache='Miss: parameters: {"max_depth":"4"} → {"max_depth":"5"}',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan_by_inputs(case: RunCase) -> None:
    """Each row's name is the promise that it protects."""
    check(case)


@pytest.mark.parametrize(
    ("references", "data", "message"),
    [
        (References(missing=("Secret s", "key k of ConfigMap c")), "a", "Secret s, key k of ConfigMap c"),
        (None, None, 'Dataset "mortgage"'),
    ],
    ids=["references", "dataset"],
)
def test_the_message_names_every_missing_input(references: References | None, data: str | None, message: str) -> None:
    """A person reads in the run which objects to create."""
    ready = condition_of(plan(observe(references=references, data=data)), "Ready")
    assert ready is not None
    assert message in ready.message


@pytest.mark.parametrize(
    ("spec", "versioned", "expected"),
    [
        ({}, True, "True Pinned"),
        ({"trainer": TAG}, True, "False MutableImageTag"),
        ({}, False, "False BucketNotVersioned"),
    ],
    ids=["pinned by digest and version", "a mutable tag", "a bucket without versioning"],
)
def test_reproducible_is_true_only_for_pinned_image_and_data(
    spec: dict[str, Any], versioned: bool, expected: str
) -> None:
    """A run that may not be repeated with the same bytes says why."""
    assert reason(plan(observe(versioned=versioned, **spec)), "Reproducible") == expected
