"""A candidate is judged by what it answers: by agreement with the stable version, and by how its predictions lie."""

from support import behaving
from support.real_cluster import Space
from support.traffic import Traffic

ROLLOUT = {
    "strategy": "Shadow",
    "shadow": {"duration": "3s", "then": "Promote"},
    "analysis": {
        "interval": "1s",
        "minRequests": 30,
        "agreement": {"min": 0.9},
        "predictionDistance": {"max": 0.5},
    },
    "deadline": "90s",
}


def test_wrong_answers_are_found_in_copies_of_requests(space: Space) -> None:
    """Nobody gets one of them. A version that answers alike is promoted by the same checks."""
    space.apply(
        behaving.version(space, "v1"), behaving.version(space, "v2"), behaving.version(space, "wrong", value=9.0)
    )
    space.apply(behaving.service(space, "v1", rollout=ROLLOUT))
    space.wait("inferenceservice", "isvc", behaving.serves("v1"), within=120)
    with Traffic(behaving.address(space), behaving.PATH, behaving.REQUEST, clients=4, pause=0.03) as traffic:
        space.apply(behaving.service(space, "v2", rollout=ROLLOUT))
        space.wait("inferenceservice", "isvc", behaving.serves("v2"), within=90)
        space.apply(behaving.service(space, "wrong", rollout=ROLLOUT))
        body = space.wait("inferenceservice", "isvc", behaving.failed("wrong", "AnalysisFailed"), within=90)
    assert traffic.failures == []
    assert "wrong" not in traffic.answers
    (entry,) = body["status"]["failed"]
    assert "agreement 0 (0 of" in entry["message"]
    assert "predictionDistance" in entry["message"]
