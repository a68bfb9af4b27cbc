"""Pods that start and terminate under load: open requests complete, and terminating Pods get no new request."""

import asyncio

import httpx
import pytest

from support.cluster import scripted_model
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, Space

_LIMITS: Body = {"timeout": "4s", "maxBody": "1Ki", "maxConcurrency": 2}
_WARM = {"warmUp": {"requests": [{"path": scripted_model.PATH, "body": scripted_model.REQUEST, "repeat": 3}]}}


@pytest.mark.takes_minutes
def test_deleted_and_scaled_down_pods_lose_no_request(space: Space) -> None:
    """Short requests, requests of ten seconds and streams all get whole responses.

    Meanwhile a stable Pod is deleted, then the only Pod of a candidate, then the service is scaled down to one Pod.
    """
    rollout: Body = {"steps": [{"weight": 20}], "deadline": "2m"}
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    space.apply(scripted_model.service(space, "v1", replicas=3, rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with scripted_model.all_kinds_of_traffic(space, slow_clients=3) as (short, long, streamed):
        short.answered_by("v1")
        _delete_a_pod(space, "v1")
        space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=60)
        space.apply(scripted_model.service(space, "v2", replicas=3, rollout=rollout))
        space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        short.answered_by("v2")
        _delete_a_pod(space, "v2")
        short.forget("v2")
        short.answered_by("v2")
        space.apply(scripted_model.service(space, "v1", replicas=1, rollout=rollout))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=60)
        _wait_for_pod_count(space, 1)
    assert short.failures + long.failures + streamed.failures == []
    assert short.total > 300
    assert min(long.total, streamed.total) >= 6


def test_a_pod_is_warmed_up_before_traffic_and_refuses_requests_beyond_its_limits(space: Space) -> None:
    """The model has answered the requests of `server.warmUp` before the first client's request.

    Requests beyond `limits` are refused at once, with a message that says what to do.
    """
    spec = scripted_model.service(space, "v1", limits=_LIMITS)
    spec["spec"]["server"] |= _WARM
    space.apply(scripted_model.version(space, "v1"), spec)
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    asyncio.run(_assert_warm_and_limited(f"http://{scripted_model.address(space)}"))


async def _assert_warm_and_limited(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        first = await client.post(scripted_model.PATH, content=scripted_model.REQUEST)
        assert (first.status_code, first.json()["id"]) == (200, "4")

        large = await client.post(scripted_model.PATH, content=b"x" * 1025)
        assert large.status_code == 413
        assert "larger than 1024 bytes" in large.text

        late = await client.post("/long?seconds=20", content="{}")
        assert late.status_code == 504
        assert 4 <= late.elapsed.total_seconds() < 15

        answers = await asyncio.gather(*(client.post("/long?seconds=3", content="{}") for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 2 + [429] * 6
        assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}


def _delete_a_pod(space: Space, version: str) -> None:
    pod = space.listed("pods", f"modelops.dev/modelversion={version}")[0]
    space.cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", space.name, "--wait=false")


def _wait_for_pod_count(space: Space, count: int, within: float = 90.0) -> None:
    """Wait until there are `count` Pods, including terminating ones."""
    poll(
        lambda: [pod["metadata"]["name"] for pod in space.listed("pods")],
        lambda names: len(names) == count,
        within=within,
        awaited=f"{count} Pods",
    )
