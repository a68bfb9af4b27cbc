"""Analysis of a candidate's predictions: agreement with the stable version, and distance of the distributions."""

from support import scripted_model
from support.real_cluster import Body, Space
from support.traffic import Traffic

AGREEMENT: Body = {"agreement": {"min": 0.9}}
DISTANCE: Body = {"predictionDistance": {"max": 0.5}}


def test_wrong_predictions_are_detected_in_mirrored_requests(space: Space) -> None:
    """No client gets a wrong prediction, and each check alone detects them. An equal version passes both checks."""
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
        messages_by_check = (
            (AGREEMENT, "agreement: 0% (0 of"),
            (DISTANCE, 'predictionDistance: 1 (JensenShannon, column "y")'),
        )
        for check, message in messages_by_check:
            assert message in _failure_message(space, check)
    assert traffic.failures == []
    assert "wrong" not in traffic.answers


def _failure_message(space: Space, check: Body) -> str:
    """Roll the wrong version out with one check alone, and return the message of its rollback.

    A changed `spec.rollout` makes the operator retry a failed version.
    """
    known = len(space.get("inferenceservice", "isvc")["status"].get("failed", []))
    space.apply(scripted_model.service(space, "wrong", rollout=_shadow(check)))
    failed = scripted_model.failed("wrong", "AnalysisFailed")
    body = space.wait(
        "inferenceservice", "isvc", lambda body: failed(body) and len(body["status"]["failed"]) > known, within=90
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
