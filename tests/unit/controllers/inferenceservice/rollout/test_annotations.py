"""What people ask of a rollout by annotation: each value once."""

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.controllers.inferenceservice.rollout.annotations import Requests, requests_of
from modelops.machinery.plan import Plan
from support.builders.inferenceservices import Json, inference_service
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))


def service(handled: dict[str, str] | None = None, **annotations: str) -> InferenceService:
    """An InferenceService with these annotations, of which those values were acted on before."""
    named = {f"modelops.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return inference_service(annotations=named, status={"lastHandledRequests": handled or {}})


@pytest.mark.parametrize(
    ("given", "asked", "paused"),
    [
        (service(), (), False),
        (service(promote="1"), ("promote",), False),
        (service({"promote": "1"}, promote="1"), (), False),
        (service({"promote": "1"}, promote="2"), ("promote",), False),
        (service(promote=""), (), False),
        (service(promote_full="1"), ("promote-full",), False),
        (service({"promoteFull": "1"}, promote_full="1"), (), False),
        (service(abort="no"), ("abort",), False),
        (service({"abort": "no"}, abort="no"), (), False),
        (service(promote="1", promote_full="1", abort="no"), ("promote", "promote-full", "abort"), False),
        (service(pause="true"), (), True),
        (service(pause="yes"), (), False),
        (service(retry="1"), (), False),
        (service({"abort": "a" * 1024}, abort="a" * 2000), (), False),
    ],
    ids=[
        "nothing is asked",
        "a value asks",
        "but not twice",
        "another one asks anew",
        "no value asks for nothing",
        "to the end",
        "once, too",
        "an abort",
        "once, too, in spite of its reason",
        "all at once",
        "a pause lasts",
        "and is true or none",
        "a retry is no request of a candidate",
        "what the status cannot hold is cut off, and known again all the same",
    ],
)
def test_what_is_asked(given: InferenceService, asked: tuple[str, ...], paused: bool) -> None:
    """An annotation stays where it is: to act on it again at each look would promote all the way."""
    found = requests_of(given)
    assert (found.asked, found.paused) == (asked, paused)


def test_what_was_handled_stays_so() -> None:
    """An annotation that is taken away and put back with the same value is no new request."""
    first = requests_of(service(promote="1", abort="no", retry="r", promote_full="f")).handled
    later = requests_of(inference_service(status={"lastHandledRequests": first.wire()})).handled
    assert first == later
    assert (first.promote, first.abort, first.retry, first.promote_full) == ("1", "no", "r", "f")


def asking(looks: int, rollout: Json | None = None, **annotations: str) -> tuple[Cluster, Plan]:
    """Version 2 is on its way since so many looks, or not even wanted, and then somebody asks."""
    rollout = rollout or {"steps": [{"weight": 25}, {"weight": 50}]}
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout=rollout), [V1])
    cluster.settle(4)
    if looks:
        cluster.want_version(V2)
        cluster.settle(looks)
    cluster.ask(**annotations)
    return cluster, cluster.look()


@pytest.mark.parametrize(
    ("looks", "word", "said"),
    [
        (0, "promote", "there is no candidate to promote"),
        (0, "promote_full", "there is no candidate to promote-full"),
        (0, "abort", "there is no candidate to abort"),
        (1, "promote", "there is no step from which to promote"),
    ],
)
def test_a_request_in_vain_is_told_of_once(looks: int, word: str, said: str) -> None:
    """Who asked would wait for ever; and the next candidate must not be promoted by what was asked before it came."""
    cluster, decided = asking(looks, **{word: "1"})
    assert [event.message for event in decided.events if event.reason == "NothingToDo"] == [said]
    assert [event.reason for event in cluster.look().events if event.reason == "NothingToDo"] == []
    cluster.want_version(V2)
    cluster.settle(4)
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.step, candidate.weight) == (1, 25)


@pytest.mark.parametrize("word", ["promote", "promote_full", "abort"])
@pytest.mark.parametrize("rollout", [{"steps": [{"weight": 25}]}, None], ids=["in steps", "Pod by Pod"])
@pytest.mark.parametrize("former", [False, True], ids=["nobody was on the way", "another one was"])
def test_what_was_asked_before_a_candidate_came_is_not_meant_for_it(
    word: str, rollout: Json | None, former: bool
) -> None:
    """The operator was away: in its first look it finds both the request and a version that nobody has seen yet, which
    had been promoted without a step, or remembered as one that a person had stopped.
    """
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout=rollout), [V1])
    cluster.settle(4)
    if former:
        cluster.want_version(V2)
        cluster.settle(2)
    cluster.want_version(V3)
    cluster.ask(**{word: "1"})
    decided = cluster.look()
    words = [event.message for event in decided.events if event.reason == "NothingToDo"]
    assert words == [f"there was no candidate yet to {word.replace('_', '-')}"]
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.version, candidate.step) == ("mortgage-3", 0)
    assert cluster.service.status.failed == []
    cluster.settle(2)
    assert cluster.service.status.candidate is not None


@pytest.mark.parametrize("word", ["promote", "promote_full"])
def test_a_promotion_that_was_asked_for_is_not_in_vain(word: str) -> None:
    """It had been told of as one, where it took effect at once."""
    rollout = {"steps": [{"weight": 100}]}
    cluster, decided = asking(6, rollout, **{word: "1"})
    told = [event.reason for event in decided.events]
    while cluster.service.status.candidate is not None:
        told += [event.reason for event in cluster.settle(2).events]
    assert "Promoted" in told
    assert "NothingToDo" not in told


@pytest.mark.parametrize("word", ["promote", "promote-full"])
def test_a_request_in_vain_pod_by_pod(word: str) -> None:
    """There are no steps, and nothing that could go faster."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4), [V1])
    cluster.settle(4)
    cluster.want_version(V2)
    cluster.look()
    cluster.ask(**{word: "1"})
    told = [event.message for event in cluster.look().events]
    assert told == [f"Pod by Pod there is no step from which to {word}"]
    assert cluster.look().events == ()
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert (candidate.step, candidate.steps) == (0, 0)


def test_a_request_before_anything_serves() -> None:
    """The first version serves as soon as it can, and there is nothing to go back to."""
    cluster = Cluster(inference_service(pinned="mortgage-1"), [V1])
    cluster.look()
    cluster.ask(abort="no")
    assert [event.reason for event in cluster.look().events] == ["NothingToDo"]
    cluster.settle(4)
    assert cluster.answered().by != {}


def test_each_promotion_is_one_step() -> None:
    """The second look at the same value does nothing."""
    cluster, decided = asking(5, promote="1")
    assert isinstance(decided.status, InferenceServiceStatus)
    assert decided.status.last_handled_requests.promote == "1"
    for _ in range(4):
        cluster.settle(2)
        candidate = cluster.service.status.candidate
        assert candidate is not None
        assert candidate.step == 2


def test_nothing_is_asked_by_default() -> None:
    """Scenes of tests, and a rollout that nobody looks at."""
    assert Requests().asked == ()
