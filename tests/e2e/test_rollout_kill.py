"""Rollouts while the operator is killed."""

import time

import pytest

from support.cluster import operator_process, scripted_model
from support.cluster.polling import PARALLEL_SLOWDOWN
from support.cluster.real_cluster import Space
from support.cluster.traffic import Traffic

ANALYSIS = {"interval": "1s", "minRequests": 3, "errorRate": {"max": 0.01}}


@pytest.mark.ends_the_operator
def test_a_rollout_completes_though_the_operator_is_killed_again_and_again(space: Space) -> None:
    """A kill at any moment of a rollout neither stops the rollout nor loses a request."""
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    steps = [{"weight": 10, "hold": "2s"}, {"weight": 50, "hold": "2s"}, {"weight": 90, "hold": "2s"}]
    rollout = {"steps": steps, "analysis": ANALYSIS}
    space.apply(scripted_model.service(space, "v1", rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    kills = 0
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", rollout=rollout))
        deadline = time.monotonic() + 150 * PARALLEL_SLOWDOWN
        while not scripted_model.serves("v2")(space.get("inferenceservice", "isvc")):
            assert time.monotonic() < deadline, space.get("inferenceservice", "isvc")["status"]
            if kills < 6:
                operator_process.kill_leader(space.cluster)
                kills += 1
            time.sleep(3.5)
    assert kills >= 3
    assert traffic.failures == []
    assert traffic.answers["v2"] > 0
