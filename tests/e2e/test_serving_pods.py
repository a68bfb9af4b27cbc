"""Pods come and go while a service is asked: the requests that they have end, and no new one goes to who leaves."""

import asyncio
import time

import httpx

from support import scripted_model
from support.real_cluster import Body, Space

_LIMITED = {"limits": {"timeout": "4s", "maxBody": "1Ki", "maxConcurrency": 2}}
_WARM = {"warmUp": {"requests": [{"path": scripted_model.PATH, "body": scripted_model.REQUEST, "repeat": 3}]}}


def test_pods_that_are_deleted_or_scaled_down_lose_no_request(space: Space) -> None:
    """One of the stable Pods is deleted, then a candidate's only one, then all but one go because fewer are wanted:
    short requests, those of ten seconds and streams all get whole answers.
    """
    rollout: Body = {"steps": [{"weight": 20}], "deadline": "2m"}
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    space.apply(scripted_model.service(space, "v1", replicas=3, rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with scripted_model.all_kinds_of_traffic(space, slow_clients=3) as (short, long, streamed):
        short.answered_by("v1")
        _delete_one(space, "v1")
        space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=60)
        space.apply(scripted_model.service(space, "v2", replicas=3, rollout=rollout))
        space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        short.answered_by("v2")
        _delete_one(space, "v2")
        short.forget("v2")
        short.answered_by("v2")
        space.apply(scripted_model.service(space, "v1", replicas=1, rollout=rollout))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=60)
        _until_pods(space, 1)
    assert short.failures + long.failures + streamed.failures == []
    assert short.total > 300
    assert min(long.total, streamed.total) >= 6


def test_a_pod_is_warm_before_it_is_asked_and_takes_on_what_it_can(space: Space) -> None:
    """The first client finds a model that has answered the requests of `server.warmUp`; what is beyond `limits` is
    refused at once, in words that say what to do.
    """
    spec = scripted_model.service(space, "v1", **_LIMITED)
    spec["spec"]["server"] |= _WARM
    space.apply(scripted_model.version(space, "v1"), spec)
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    asyncio.run(_ask(f"http://{scripted_model.address(space)}"))


async def _ask(url: str) -> None:
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
        assert sorted(one.status_code for one in answers) == [200] * 2 + [429] * 6
        assert {one.headers["retry-after"] for one in answers if one.status_code == 429} == {"1"}


def _delete_one(space: Space, version: str) -> None:
    pod = space.listed("pods", f"modelops.dev/modelversion={version}")[0]
    space.cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", space.name, "--wait=false")


def _until_pods(space: Space, count: int, within: float = 90.0) -> None:
    """Until so many are there, those that end among them."""
    deadline = time.monotonic() + within
    while len(pods := space.listed("pods")) != count:
        assert time.monotonic() < deadline, [pod["metadata"]["name"] for pod in pods]
        time.sleep(0.5)
