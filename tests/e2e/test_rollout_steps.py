"""Stepped rollouts under load."""

import math
from collections import Counter

from support.cluster import scripted_model
from support.cluster.real_cluster import Space, has

ANALYSIS = {
    "interval": "2s",
    "minRequests": 5,
    "errorRate": {"max": 0.01},
    "latency": [{"quantile": 0.5, "max": "500ms"}],
}


def assert_share(counts: Counter[str], *, weight: float, within: float) -> None:
    """Assert that v2 gets its weight. Of few responses, as on a busy machine, chance alone makes a larger error."""
    deviation = math.sqrt(weight * (1 - weight) / counts.total())
    assert abs(counts["v2"] / counts.total() - weight) < max(within, 4 * deviation), counts


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
        assert_share(short.counts(2.5), weight=0.2, within=0.1)
        space.wait("inferenceservice", "isvc", scripted_model.in_step(2), within=60)
        assert_share(short.counts(2.5), weight=0.6, within=0.15)
        done = space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=90)
        long.answered_by("v2")
        streamed.answered_by("v2")
    assert short.failures + long.failures + streamed.failures == []
    assert short.total > 300
    assert done["status"]["stable"]["replicas"] == 2
    assert has("Ready")(done)
