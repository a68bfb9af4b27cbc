"""What must hold at every write of a rollout, wherever the operator ends: somebody answers each request, nothing goes
round in circles, and no Pods are taken from requests that they still get."""

import pytest

from support.serving_objects import Json, inference_service, revision_of, version
from support.serving_world import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
SERVICE = inference_service(pinned="mortgage-1")
R1, R2, R3 = (revision_of(SERVICE, one) for one in (V1, V2, V3))
CANARY: Json = {"steps": [{"weight": 20, "hold": "5s"}, {"weight": 60}]}
ALL_AT_ONCE: Json = {"steps": [{"weight": 100, "hold": "5s"}]}
SHADOW: Json = {"strategy": "Shadow", "shadow": {"duration": "5s", "then": "Promote"}}
BLUE_GREEN: Json = {
    "strategy": "BlueGreen",
    "mirror": {"percent": 50},
    "blueGreen": {"hold": "2s", "watch": "5s"},
}


def serving(rollout: Json | None = None, replicas: int | Json = 4, **more: object) -> Cluster:
    """Version 1 serves with all of its Pods."""
    service = inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout, **more)  # type: ignore[arg-type]
    cluster = Cluster(service, [V1])
    cluster.settle(4)
    stable = cluster.service.status.stable
    assert stable is not None
    assert stable.ready == stable.replicas
    assert cluster.answered().by == {R1: 1}
    return cluster


def rolling_out(rollout: Json | None = None, replicas: int | Json = 4, *, settled: int = 0) -> Cluster:
    """And version 2 is wanted."""
    cluster = serving(rollout, replicas)
    cluster.want_version(V2)
    if settled:
        cluster.settle(settled)
    return cluster


@pytest.mark.parametrize(
    "rollout", [CANARY, ALL_AT_ONCE, SHADOW, BLUE_GREEN], ids=["20", "100", "copies", "copies, 100"]
)
@pytest.mark.parametrize("asked", [{}, {"promote_full": "1"}], ids=["by itself", "promoted in full"])
def test_requests_never_lead_back_to_who_passed_them_on(rollout: Json, asked: dict[str, str]) -> None:
    """The candidate's Service leads to the stable Pods until there is a candidate. Were they told to pass requests on
    before it has moved, those would come back to them: with all requests, or copies of all, without an end."""
    cluster = rolling_out(rollout)
    cluster.ask(**asked)
    for _ in range(12):
        for write in cluster.writes(decided := cluster.decide()):
            cluster.write(write)
            cluster.take()
            answered = cluster.answered()
            assert answered.lost == 0
            assert answered.circling == 0
            assert not cluster.copies_circle()
            if R2 not in cluster.revisions() or not cluster.count(R2):
                assert answered.by == {R1: 1}
        cluster.tell(decided)
        cluster.start()
        cluster.ready(at_most=1)
        cluster.wait(3)
