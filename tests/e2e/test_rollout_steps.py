"""Stepped rollouts under load."""

from support import scripted_model
from support.real_cluster import Space, has

ANALYSIS = {
    "interval": "2s",
    "minRequests": 5,
    "errorRate": {"max": 0.01},
    "latency": [{"quantile": 0.5, "max": "500ms"}],
}


def test_a_stepped_rollout_under_load_loses_no_request(space: Space) -> None:
    """Short, long and streamed requests all get whole responses while traffic shifts and old Pods terminate."""
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    rollout = {"steps": [{"weight": 20, "hold": "4s"}, {"weight": 60, "hold": "4s"}], "analysis": ANALYSIS}
    space.apply(scripted_model.service(space, "v1", replicas=2, rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with scripted_model.all_kinds_of_traffic(space, slow_clients=2) as (short, long, streamed):
        short.answered_by("v1")
        space.apply(scripted_model.service(space, "v2", replicas=2, rollout=rollout))
        first_step = space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        stable = first_step["status"]["stable"]
        assert stable == {**stable, "version": "v1", "replicas": 2, "ready": 2}
        assert first_step["status"]["candidate"]["weight"] == 20
        shares = short.shares(2.5)
        assert 0.1 < shares["v2"] < 0.3, shares
        space.wait("inferenceservice", "isvc", scripted_model.in_step(2), within=60)
        shares = short.shares(2.5)
        assert 0.45 < shares["v2"] < 0.75, shares
        done = space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=90)
        long.answered_by("v2")
        streamed.answered_by("v2")
    assert short.failures + long.failures + streamed.failures == []
    assert short.total > 300
    assert done["status"]["stable"]["replicas"] == 2
    assert has("Ready")(done)
