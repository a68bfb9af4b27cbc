"""Runs that a sweep creates: its own spec on its pinned data, without versions, reruns and sweeps of their own."""

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
from support.controllers.sweeps import DATA, resolved, sweep_run

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


def trial_of(**changes: Any) -> Body:
    """Return the run of trial 3 of a sweep."""
    run = sweep_run(**changes)
    return trial_body(run, resolved(run), 3, {"rate": "0.1"})


def test_a_trial_has_the_spec_of_the_sweep_and_parameters_of_its_own() -> None:
    """Pod, queue, workers, retries and cache of the sweep hold for each trial."""
    run = sweep_run(spec=WHOLE)
    child = TrainingRun.model_validate(trial_of(spec=WHOLE))
    assert child.spec.parameters == {"max_depth": "4", "rate": "0.1"}
    same = ("datasets", "trainer", "pod", "workers", "queue_name", "retries", "timeout", "ttl_after_finished", "cache")
    for name in same:
        assert getattr(child.spec, name) == getattr(run.spec, name), name
    assert child.spec.output.publish_timeout == "2h"


def test_a_trial_has_no_version_no_sweep_and_no_rerun() -> None:
    """The sweep decides when to train again, and creates the only version."""
    child = TrainingRun.model_validate(trial_of(spec=WHOLE))
    assert child.spec.output.registration == "Never"
    assert child.spec.output.version_template.gates == []
    assert child.spec.sweep is None
    assert child.spec.rerun_on == []
    assert child.spec.rerun == training_run().spec.rerun


def test_a_trial_carries_owner_number_and_objective() -> None:
    metadata = trial_of()["metadata"]
    assert metadata["ownerReferences"][0]["uid"] == "uid-of-search"
    assert metadata["labels"]["modelops.dev/sweep"] == "search"
    assert metadata["labels"]["app.kubernetes.io/component"] == "trial"
    assert metadata["annotations"]["modelops.dev/trial"] == "3"
    assert metadata["annotations"]["modelops.dev/objective"] == "auc"


def test_a_change_of_a_trial_wakes_its_sweep_alone() -> None:
    """With the label that names a TrainingRun it would wake that run as a Job does."""
    metadata = trial_of()["metadata"]
    assert "modelops.dev/trainingrun" not in metadata["labels"]
    assert list(sweep_of_trial(trial_of(), Cache({}))) == [Key("TrainingRun", NAMESPACE, "search")]
    assert list(sweep_of_trial({"metadata": {"name": "a", "namespace": NAMESPACE}}, Cache({}))) == []


def test_the_pinned_data_is_read_back_from_the_annotation() -> None:
    """Every trial trains on it, also after a newer snapshot."""
    child = TrainingRun.model_validate(trial_of())
    pinned = pinned_by_parent(child)
    assert pinned == [OriginDataset.model_validate(DATA | {"objectVersions": []})]
    assert pinned_by_parent(training_run()) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '[{"name": "train"}]', "null"])
def test_an_invalid_annotation_pins_nothing(text: str) -> None:
    run = training_run()
    edited = run.metadata.model_copy(update={"annotations": {PINNED_INPUTS: text}})
    assert pinned_by_parent(run.model_copy(update={"metadata": edited})) is None


def test_the_name_of_a_trial_is_the_same_in_every_version_of_the_operator() -> None:
    """Another name would train every trial of a sweep under way again after an upgrade."""
    run = sweep_run()
    assert trial_name(run, resolved(run), 3) == "search-78d872a520"


def test_the_name_of_a_trial_does_not_depend_on_its_parameters() -> None:
    """Two replicas that observe other results must not create two runs of one trial."""
    run = sweep_run()
    name, other = (trial_body(run, resolved(run), 3, {"rate": rate})["metadata"]["name"] for rate in ("0.1", "0.2"))
    assert name == other
    assert name != trial_body(run, resolved(run), 4, {"rate": "0.1"})["metadata"]["name"]
    assert name != trial_body(run, resolved(run, "b"), 3, {"rate": "0.1"})["metadata"]["name"]


@pytest.mark.parametrize("name", ["a", "a" * 52, "a" * 40 + "-" + "b" * 11, "a-b-c"])
def test_the_name_of_a_trial_is_valid_for_every_name_of_a_sweep(name: str) -> None:
    run = sweep_run(name)
    made_name = trial_name(run, resolved(run), 499)
    assert len(made_name) <= TrainingRun.name_limit
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", made_name)


def stored(body: Body, **annotations: str) -> Body:
    """Return a trial as the API server stores it."""
    metadata = body["metadata"]
    more = {"uid": "u", "generation": 1, "resourceVersion": "1"}
    return {**body, "metadata": {**metadata, **more, "annotations": {**metadata["annotations"], **annotations}}}


def test_an_unchanged_trial_is_not_written_again() -> None:
    run = sweep_run(spec=WHOLE)
    child = child_of(stored(trial_of(spec=WHOLE)))
    assert already_applied(kept_trial_body(run, resolved(run), 3, {"rate": "0.1"}, child), child.body)


def test_requests_to_stop_and_the_retry_of_a_trial_are_kept() -> None:
    """A stopped trial must not continue after a change of its sweep, nor an old one count for a new retry."""
    run = sweep_run(annotations={"modelops.dev/retry": "2"})
    body = stored(trial_of(), **{"modelops.dev/stop": "too slow", "modelops.dev/sweep-retry": "1"})
    annotations = kept_trial_body(run, resolved(run), 3, {"rate": "0.1"}, child_of(body), "another reason")["metadata"][
        "annotations"
    ]
    assert annotations["modelops.dev/stop"] == "too slow"
    assert annotations["modelops.dev/sweep-retry"] == "1"
    fresh = kept_trial_body(run, resolved(run), 3, {"rate": "0.1"}, child_of(stored(trial_of())))["metadata"][
        "annotations"
    ]
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
def test_only_fields_that_decide_the_model_are_in_the_input_key(
    algorithm: str, change: dict[str, Any], matters: bool
) -> None:
    """Another parallelism trains no trial again, except for tpe, whose suggestions depend on it."""
    before, after = (sweep_run(algorithm=algorithm, **more).spec.sweep for more in ({}, change))
    assert (result_fields(before) != result_fields(after)) is matters
    assert result_fields(None) == {}
