"""The runs that a sweep makes: the sweep's own spec, on the sweep's data, and nothing that a trial must not do."""

import re
from typing import Any

import pytest

from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.inputs.pinning import pinned_by_parent
from modelops.controllers.trainingrun.inputs.sweep_fields import result_fields
from modelops.controllers.trainingrun.sweep.child import child_of
from modelops.controllers.trainingrun.sweep.children import kept_trial_body, trial_body
from modelops.controllers.trainingrun.sweep.event_mapping import sweep_of_trial
from modelops.controllers.trainingrun.sweep.identity import trial_name
from modelops.controllers.trainingrun.sweep.metadata import PINNED_INPUTS
from modelops.machinery.cache import Cache
from modelops.machinery.matching import already_applied
from modelops.machinery.resources import Body, Key
from support.builders.common import NAMESPACE
from support.builders.trainingruns import training_run
from support.sweeps import DATA, resolved, sweep_run

WHOLE: Body = {
    "rerunOn": ["DatasetChange"],
    "rerun": {"minInterval": "1h", "debounce": "1m"},
    "queueName": "team-a",
    "workers": {"count": 2, "framework": "torch"},
    "pod": {"serviceAccountName": "trainer", "nodeSelector": {"gpu": "yes"}},
    "retries": {"limit": 2},
    "timeout": "1h",
    "ttlAfterFinished": "5m",
    "cache": {"mode": "Ignore", "nonce": "n"},
    "output": {
        "model": "mortgage",
        "format": "sklearn",
        "publishTimeout": "2h",
        "versionTemplate": {"gates": [{"metric": "auc", "min": 0.5}], "approval": "Manual"},
    },
}


def made(**changes: Any) -> Body:
    run = sweep_run(**changes)
    return trial_body(run, resolved(run), 3, {"rate": "0.1"})


def test_a_trial_is_the_sweeps_run_with_its_parameters() -> None:
    """Whatever the sweep says of Pods, queue, workers, retries and caching holds for each trial."""
    run = sweep_run(spec=WHOLE)
    child = TrainingRun.model_validate(made(spec=WHOLE))
    assert child.spec.parameters == {"max_depth": "4", "rate": "0.1"}
    same = ("datasets", "trainer", "pod", "workers", "queue_name", "retries", "timeout", "ttl_after_finished", "cache")
    for name in same:
        assert getattr(child.spec, name) == getattr(run.spec, name), name
    assert child.spec.output.publish_timeout == "2h"


def test_a_trial_makes_no_version_no_trials_and_follows_nothing() -> None:
    """The sweep decides when there is new data, and makes the one version that comes out."""
    child = TrainingRun.model_validate(made(spec=WHOLE))
    assert child.spec.output.registration == "Never"
    assert child.spec.output.version_template.gates == []
    assert child.spec.sweep is None
    assert child.spec.rerun_on == []
    assert child.spec.rerun == training_run().spec.rerun


def test_a_trial_is_marked() -> None:
    metadata = made()["metadata"]
    assert metadata["ownerReferences"][0]["uid"] == "uid-of-search"
    assert metadata["labels"]["modelops.dev/sweep"] == "search"
    assert metadata["labels"]["app.kubernetes.io/component"] == "trial"
    assert metadata["annotations"]["modelops.dev/trial"] == "3"
    assert metadata["annotations"]["modelops.dev/objective"] == "auc"


def test_a_change_of_a_trial_wakes_its_sweep_and_nothing_else() -> None:
    """A label that names a TrainingRun would make of a trial what a Job is."""
    metadata = made()["metadata"]
    assert "modelops.dev/trainingrun" not in metadata["labels"]
    assert list(sweep_of_trial(made(), Cache({}))) == [Key("TrainingRun", NAMESPACE, "search")]
    assert list(sweep_of_trial({"metadata": {"name": "a", "namespace": NAMESPACE}}, Cache({}))) == []


def test_every_trial_trains_on_the_data_that_the_sweep_has_pinned() -> None:
    """Whatever the Dataset has become since the sweep began."""
    child = TrainingRun.model_validate(made())
    pinned = pinned_by_parent(child)
    assert pinned == [OriginDataset.model_validate(DATA | {"objectVersions": []})]
    assert pinned_by_parent(training_run()) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '[{"name": "train"}]', "null"])
def test_an_annotation_that_nobody_of_ours_has_written_pins_nothing(text: str) -> None:
    run = training_run()
    meddled = run.metadata.model_copy(update={"annotations": {PINNED_INPUTS: text}})
    assert pinned_by_parent(run.model_copy(update={"metadata": meddled})) is None


def test_a_trial_has_one_name_whatever_its_parameters_are() -> None:
    """Two operators that look at other results must not make two runs of one trial."""
    run = sweep_run()
    one, other = (trial_body(run, resolved(run), 3, {"rate": rate})["metadata"]["name"] for rate in ("0.1", "0.2"))
    assert one == other
    assert one != trial_body(run, resolved(run), 4, {"rate": "0.1"})["metadata"]["name"]
    assert one != trial_body(run, resolved(run, "b"), 3, {"rate": "0.1"})["metadata"]["name"]


@pytest.mark.parametrize("name", ["a", "a" * 52, "a" * 40 + "-" + "b" * 11, "a-b-c"])
def test_a_trials_name_is_one_that_admission_takes(name: str) -> None:
    run = sweep_run(name)
    made_name = trial_name(run, resolved(run), 499)
    assert len(made_name) <= TrainingRun.name_limit
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", made_name)


def stored(body: Body, **annotations: str) -> Body:
    """A trial as the API server has it."""
    metadata = body["metadata"]
    more = {"uid": "u", "generation": 1, "resourceVersion": "1"}
    return {**body, "metadata": {**metadata, **more, "annotations": {**metadata["annotations"], **annotations}}}


def test_a_trial_that_is_as_it_shall_be_is_not_written_again() -> None:
    run = sweep_run(spec=WHOLE)
    child = child_of(stored(made(spec=WHOLE)))
    assert already_applied(kept_trial_body(run, resolved(run), 3, {"rate": "0.1"}, child), child.body)


def test_a_word_to_stop_and_which_retry_it_was_made_for_stay() -> None:
    """A trial that was told to stop must not go on since its sweep's spec has changed, nor one seem made anew."""
    run = sweep_run(annotations={"modelops.dev/retry": "2"})
    body = stored(made(), **{"modelops.dev/stop": "too slow", "modelops.dev/sweep-retry": "1"})
    annotations = kept_trial_body(run, resolved(run), 3, {"rate": "0.1"}, child_of(body), "another reason")["metadata"][
        "annotations"
    ]
    assert annotations["modelops.dev/stop"] == "too slow"
    assert annotations["modelops.dev/sweep-retry"] == "1"
    fresh = kept_trial_body(run, resolved(run), 3, {"rate": "0.1"}, child_of(stored(made())))["metadata"]["annotations"]
    assert not {"modelops.dev/stop", "modelops.dev/sweep-retry"} & set(fresh)


@pytest.mark.parametrize(
    ("algorithm", "change", "matters"),
    [
        ("random", {"parallelism": 4}, False),
        ("tpe", {"parallelism": 4}, True),
        ("tpe", {"maxFailedTrials": 9}, False),
        ("random", {"maxTrials": 9}, True),
        ("random", {"seed": 1}, True),
        ("random", {"earlyStopping": {"median": {}}}, True),
        ("random", {"objective": {"metric": "auc", "goal": "Minimize"}}, True),
        ("random", {"objective": {"metric": "auc", "target": 0.9}}, True),
    ],
    ids=str,
)
def test_what_decides_the_model_is_in_the_key_and_nothing_else(
    algorithm: str, change: dict[str, Any], matters: bool
) -> None:
    """How many trials run at once is no reason to train all of them again, but where tpe learns from it."""
    before, after = (sweep_run(algorithm=algorithm, **more).spec.sweep for more in ({}, change))
    assert (result_fields(before) != result_fields(after)) is matters
    assert result_fields(None) == {}
