"""A candidate is judged by what it answers: by agreement with the stable version, and by how its predictions lie."""

from support import scripted_model
from support.real_cluster import Body, Space
from support.traffic import Traffic

AGREEMENT: Body = {"agreement": {"min": 0.9}}
DISTANCE: Body = {"predictionDistance": {"max": 0.5}}


def test_wrong_answers_are_found_in_copies_of_requests(space: Space) -> None:
    """Nobody gets one of them, and either check alone finds them. A version that answers alike is promoted by both."""
    space.apply(
        scripted_model.version(space, "v1"),
        scripted_model.version(space, "v2"),
        scripted_model.version(space, "wrong", value=9.0),
    )
    rollout = _shadow({**AGREEMENT, **DISTANCE})
    space.apply(scripted_model.service(space, "v1", rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", rollout=rollout))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=90)
        wrong = ((AGREEMENT, "agreement: 0% (0 of"), (DISTANCE, 'predictionDistance: 1 (JensenShannon, column "y")'))
        for check, found in wrong:
            assert found in _failure_by(space, check)
    assert traffic.failures == []
    assert "wrong" not in traffic.answers


def _failure_by(space: Space, check: Body) -> str:
    """What the wrong version is rolled back by, where this alone is asked of it. Another way of rolling it out has it
    tried again.
    """
    known = len(space.get("inferenceservice", "isvc")["status"].get("failed", []))
    space.apply(scripted_model.service(space, "wrong", rollout=_shadow(check)))
    failed = scripted_model.failed("wrong", "AnalysisFailed")
    body = space.wait(
        "inferenceservice", "isvc", lambda one: failed(one) and len(one["status"]["failed"]) > known, within=90
    )
    message: str = body["status"]["failed"][0]["message"]
    return message


def _shadow(checks: Body) -> Body:
    return {
        "strategy": "Shadow",
        "shadow": {"duration": "3s", "then": "Promote"},
        "analysis": {"interval": "1s", "minRequests": 30, **checks},
        "deadline": "90s",
    }
