"""People hold, move and end a rollout, by annotation and by what they apply."""

from support import scripted_model
from support.real_cluster import Space, condition
from support.traffic import Traffic

ROLLOUT = {"steps": [{"weight": 25}, {"weight": 75, "hold": "1h"}]}


def test_people_promote_pause_abort_and_go_back(space: Space) -> None:
    """A step without hold waits for a person; abort takes the candidate back, and so does applying the stable version;
    another version in the middle begins from step one; promote-full goes straight to the end.
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
        anew = space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        assert anew["status"]["candidate"]["version"] == "v3"
        assert "failed" not in anew["status"]
        traffic.answered_by("v3")
        scripted_model.annotate(space, abort="not this one")
        back = space.wait("inferenceservice", "isvc", scripted_model.failed("v3", "Aborted"), within=60)
        assert back["status"]["failed"][0]["message"] == "not this one"

        space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
        space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT))
        home = space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=30)
        assert "RolledBack" not in [one["type"] for one in home["status"]["conditions"]]

        space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
        space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        scripted_model.annotate(space, promote_full="go")
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=60)
    assert traffic.failures == []
    assert set(traffic.answers) == {"v1", "v2", "v3"}
