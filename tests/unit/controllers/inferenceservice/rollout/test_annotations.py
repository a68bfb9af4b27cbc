"""Requests to a rollout by annotation: each value is acted on once."""

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.controllers.inferenceservice.rollout.annotations import Requests, requests_of
from modelops.machinery.plan import Plan
from support.builders.inferenceservices import Json, inference_service
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))


def service(handled: dict[str, str] | None = None, **annotations: str) -> InferenceService:
    """Return an InferenceService with these annotations, of which the values in `handled` were acted on before."""
    named = {f"modelops.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return inference_service(annotations=named, status={"lastHandledRequests": handled or {}})


@pytest.mark.parametrize(
    ("given", "words", "paused"),
    [
        pytest.param(service(), (), False, id="without annotations there is no request"),
        pytest.param(service(promote="1"), ("promote",), False, id="a value is a request"),
        pytest.param(service({"promote": "1"}, promote="1"), (), False, id="the same value is acted on once"),
        pytest.param(service({"promote": "1"}, promote="2"), ("promote",), False, id="another value is a new request"),
        pytest.param(service(promote=""), (), False, id="an empty value is not a request"),
        pytest.param(service(promote_full="1"), ("promote-full",), False, id="promote-full is a request"),
        pytest.param(service({"promoteFull": "1"}, promote_full="1"), (), False, id="promote-full is acted on once"),
        pytest.param(service(abort="no"), ("abort",), False, id="abort is a request"),
        pytest.param(service({"abort": "no"}, abort="no"), (), False, id="abort is acted on once for a reason"),
        pytest.param(
            service(promote="1", promote_full="1", abort="no"),
            ("promote", "promote-full", "abort"),
            False,
            id="several requests are made at once",
        ),
        pytest.param(service(pause="true"), (), True, id="pause lasts while its value is true"),
        pytest.param(service(pause="yes"), (), False, id="pause with another value has no effect"),
        pytest.param(service(retry="1"), (), False, id="retry is not a request to a candidate"),
        pytest.param(
            service({"abort": "a" * 1024}, abort="a" * 2000),
            (),
            False,
            id="a value that the status cuts off is recognised",
        ),
    ],
)
def test_requests(given: InferenceService, words: tuple[str, ...], paused: bool) -> None:
    """An annotation stays: acting on it in each reconcile would promote through all steps."""
    requests = requests_of(given)
    assert (requests.words, requests.paused) == (words, paused)


def test_a_handled_value_is_remembered_without_its_annotation() -> None:
    """An annotation that is removed and set again to the same value is not a new request."""
    first = requests_of(service(promote="1", abort="no", retry="r", promote_full="f")).handled
    later = requests_of(inference_service(status={"lastHandledRequests": first.wire()})).handled
    assert first == later
    assert (first.promote, first.abort, first.retry, first.promote_full) == ("1", "no", "r", "f")


def with_request(annotation: str, *, settled: int, rollout: Json | None = None) -> tuple[Cluster, Plan]:
    """Annotate after version 2 has been rolled out for some reconciles, or with `settled=0` before it is selected."""
    rollout = rollout or {"steps": [{"weight": 25}, {"weight": 50}]}
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout=rollout), [V1])
    cluster.settle(4)
    if settled:
        cluster.select(V2)
        cluster.settle(settled)
    cluster.annotate(**{annotation: "1"})
    return cluster, cluster.reconcile()


@pytest.mark.parametrize(
    ("settled", "word", "message"),
    [
        (0, "promote", "there is no candidate to promote"),
        (0, "promote_full", "there is no candidate to promote-full"),
        (0, "abort", "there is no candidate to abort"),
        (1, "promote", "there is no step from which to promote"),
    ],
)
def test_a_request_without_an_effect_is_reported_once(settled: int, word: str, message: str) -> None:
    """The person would wait for ever, and the next candidate must not act on an older request."""
    cluster, decided = with_request(word, settled=settled)
    assert [event.message for event in decided.events if event.reason == "NothingToDo"] == [message]
    assert [event.reason for event in cluster.reconcile().events if event.reason == "NothingToDo"] == []
    cluster.select(V2)
    cluster.settle(4)
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.step, candidate.weight) == (1, 25)


@pytest.mark.parametrize("word", ["promote", "promote_full", "abort"])
@pytest.mark.parametrize("rollout", [{"steps": [{"weight": 25}]}, None], ids=["stepped", "rolling update"])
@pytest.mark.parametrize("former", [False, True], ids=["without a former candidate", "with a former candidate"])
def test_a_candidate_does_not_act_on_requests_that_are_older(word: str, rollout: Json | None, former: bool) -> None:
    """The operator was down, and its first reconcile finds both a request and a version that it has not seen before."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout=rollout), [V1])
    cluster.settle(4)
    if former:
        cluster.select(V2)
        cluster.settle(2)
    cluster.select(V3)
    cluster.annotate(**{word: "1"})
    decided = cluster.reconcile()
    messages = [event.message for event in decided.events if event.reason == "NothingToDo"]
    assert messages == [f"there was no candidate yet to {word.replace('_', '-')}"]
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.version, candidate.step) == ("mortgage-3", 0)
    assert cluster.service.status.failed == []
    cluster.settle(2)
    assert cluster.service.status.candidate is not None


@pytest.mark.parametrize("word", ["promote", "promote_full"])
def test_a_promotion_at_once_is_not_reported_as_without_an_effect(word: str) -> None:
    """In the last step a request ends the rollout in the same reconcile."""
    rollout = {"steps": [{"weight": 100}]}
    cluster, decided = with_request(word, settled=6, rollout=rollout)
    reasons = [event.reason for event in decided.events]
    while cluster.service.status.candidate is not None:
        reasons += [event.reason for event in cluster.settle(2).events]
    assert "Promoted" in reasons
    assert "NothingToDo" not in reasons


@pytest.mark.parametrize("word", ["promote", "promote-full"])
def test_a_request_to_promote_a_rolling_update_is_reported(word: str) -> None:
    """There are no steps, and nothing that could be faster."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4), [V1])
    cluster.settle(4)
    cluster.select(V2)
    cluster.reconcile()
    cluster.annotate(**{word: "1"})
    messages = [event.message for event in cluster.reconcile().events]
    assert messages == [f"a rolling update has no step from which to {word}"]
    assert cluster.reconcile().events == ()
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.step, candidate.steps) == (0, 0)


def test_a_request_before_a_version_serves_is_reported() -> None:
    """The first version serves as soon as it can, and there is no version to roll back to."""
    cluster = Cluster(inference_service(pinned="mortgage-1"), [V1])
    cluster.reconcile()
    cluster.annotate(abort="no")
    assert [event.reason for event in cluster.reconcile().events] == ["NothingToDo"]
    cluster.settle(4)
    assert cluster.answered().by != {}


def test_each_request_to_promote_is_one_step() -> None:
    """The second reconcile with the same value changes nothing."""
    cluster, decided = with_request("promote", settled=5)
    assert isinstance(decided.status, InferenceServiceStatus)
    assert decided.status.last_handled_requests.promote == "1"
    for _ in range(4):
        cluster.settle(2)
        candidate = cluster.service.status.candidate
        assert candidate is not None
        assert candidate.step == 2


def test_by_default_there_is_no_request() -> None:
    """A state without requests is the common one."""
    assert Requests().words == ()


def test_the_status_says_who_made_each_request() -> None:
    """Months later, a person asks who let this version through: a later request of somebody else must not hide it."""
    handled = requests_of(
        service(
            promote="1", promote_by="anna", promote_full="2", abort="no", abort_by="bert", retry="3", retry_by="carl"
        )
    ).handled
    assert (handled.promote_by, handled.promote_full_by) == ("anna", None)
    assert (handled.abort_by, handled.retry_by) == ("bert", "carl")
    later = requests_of(inference_service(status={"lastHandledRequests": handled.wire()})).handled
    assert later == handled


def test_the_status_says_who_paused_and_who_resumed() -> None:
    """A pause has no value that is acted on once: it is remembered as long as it lasts."""
    paused = requests_of(service(pause="true", pause_by="anna")).handled
    assert (paused.pause, paused.pause_by, paused.resume_by) == ("true", "anna", None)
    resumed = requests_of(service(paused.wire(), resume_by="bert"))
    assert (resumed.handled.pause, resumed.handled.pause_by, resumed.handled.resume_by) == (None, "anna", "bert")
    assert requests_of(service(resumed.handled.wire(), resume_by="bert")).made_by == ()


@pytest.mark.parametrize(
    ("word", "value", "by", "message"),
    [
        ("promote", "1", "promote_by", "anna requests to promote"),
        ("promote_full", "1", "promote_full_by", "anna requests to promote-full"),
        ("abort", "no", "abort_by", "anna requests to abort"),
        ("retry", "1", "retry_by", "anna requests to retry"),
        ("pause", "true", "pause_by", "anna requests to pause"),
    ],
)
def test_an_event_says_once_who_made_a_request(word: str, value: str, by: str, message: str) -> None:
    """Whoever watches the rollout sees at once whose hand it was."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout={"steps": [{"weight": 25}]}), [V1])
    cluster.settle(4)
    cluster.select(V2)
    cluster.settle(4)
    cluster.annotate(**{word: value, by: "anna"})
    assert [event.message for event in cluster.reconcile().events if event.reason == "Requested"] == [message]
    assert [event.message for event in cluster.reconcile().events if event.reason == "Requested"] == []


def test_an_event_says_who_resumed() -> None:
    """The annotation of the pause is gone: its absence names nobody."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout={"steps": [{"weight": 25}]}), [V1])
    cluster.settle(4)
    cluster.annotate(pause="true", pause_by="anna")
    cluster.reconcile()
    cluster.annotate(pause="", resume_by="bert")
    assert [event.message for event in cluster.reconcile().events if event.reason == "Requested"] == [
        "bert requests to resume"
    ]
