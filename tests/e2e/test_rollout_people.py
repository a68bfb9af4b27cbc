"""Control of a rollout by a person, with annotations and changes of the spec."""

from support import scripted_model
from support.real_cluster import Space, condition
from support.traffic import Traffic

ROLLOUT = {"steps": [{"weight": 25}, {"weight": 75, "hold": "1h"}]}


def test_a_person_promotes_aborts_and_reverts_rollouts_without_a_lost_request(space: Space) -> None:
    """A step without `hold` waits for a person; `promote` ends it, and `promote-full` ends the whole rollout.

    `abort` rolls the candidate back, and so does selecting the stable version again. Another candidate in the middle of
    a rollout starts at step one.
    """
    space.apply(*(scripted_model.version(space, name) for name in ("v1", "v2", "v3")))
    space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
        waiting = space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        assert "waiting for a person to promote" in condition(waiting, "Ready")["message"]  # type: ignore[index]
        scripted_model.annotate(space, promote="1")
        moved = space.wait("inferenceservice", "isvc", scripted_model.in_step(2), within=60)
        assert moved["status"]["candidate"]["weight"] == 75

        space.apply(scripted_model.service(space, "v3", rollout=ROLLOUT))
        replaced = space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        assert replaced["status"]["candidate"]["version"] == "v3"
        assert "failed" not in replaced["status"]
        traffic.answered_by("v3")
        scripted_model.annotate(space, abort="not this one")
        aborted = space.wait("inferenceservice", "isvc", scripted_model.failed("v3", "Aborted"), within=60)
        assert aborted["status"]["failed"][0]["message"] == "not this one"

        space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
        space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT))
        reverted = space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=30)
        assert "RolledBack" not in [entry["type"] for entry in reverted["status"]["conditions"]]

        space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
        space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        scripted_model.annotate(space, promote_full="go")
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=60)
    assert traffic.failures == []
    assert set(traffic.answers) == {"v1", "v2", "v3"}
