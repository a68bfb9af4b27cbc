"""A server of one's own, such as one of language models: what it and its clients say to each other passes unharmed."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import language_server
from support.real_cluster import Space, has

_MIB = 2**20


@pytest.fixture(scope="module")
def client(shared_space: Space) -> Iterator[httpx.Client]:
    """HTTP to the InferenceService, whatever proxies this machine has."""
    server = {
        "image": shared_space.cluster.images["examples"].by_digest,
        "command": ["python3", "-c"],
        "args": [Path(language_server.__file__).read_text()],
        "readinessPath": "/ping",
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
    }
    shared_space.apply(
        shared_space.imported("llm", {"weights.bin": b"weights"}, "custom"),
        shared_space.object("InferenceService", "llm", {"model": {"name": "llm"}, "server": {"container": server}}),
    )
    shared_space.wait("inferenceservice", "llm", has("Ready"))
    url = f"http://{shared_space.address('llm')}"
    with httpx.Client(base_url=url, trust_env=False, timeout=2 * language_server.PATIENCE) as one:
        yield one


def test_events_arrive_one_by_one_as_they_are_sent(client: httpx.Client) -> None:
    """Tokens are on the screen as soon as they are there: the server sends none before the client has the last."""
    seen = []
    with client.stream("POST", "/v1/chat/completions", json={"model": "llm", "stream": True}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-modelops-model-version"] == "llm"
        for event in _events(answer):
            seen.append(event)
            if event != "[DONE]":
                client.post(f"/came/{json.loads(event)['number']}")
    assert seen == [*(json.dumps({"number": number}) for number in range(language_server.EVENTS)), "[DONE]"]


def test_a_client_that_goes_away_ends_the_answer(client: httpx.Client) -> None:
    """Nobody pays for tokens that nobody reads: the server finds out, and can stop."""
    with client.stream("POST", "/v1/completions") as answer:
        assert len(list(itertools.islice(_events(answer), 3))) == 3
    assert client.get("/gone").json() is True


def test_an_answer_that_takes_ten_seconds_arrives(client: httpx.Client) -> None:
    """Generation is slow, and no time limit on the way is shorter."""
    answer = client.post("/slow/10")
    assert (answer.status_code, answer.content) == (200, b"at last")
    assert answer.elapsed.total_seconds() >= 10


def test_a_container_for_sagemaker_is_asked_at_its_paths(client: httpx.Client) -> None:
    """One that was written for SageMaker's hosting serves as it is, /ping being its readiness path."""
    assert client.get("/ping").status_code == 200
    told = {"Content-Type": "text/csv", "Accept": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "trace=7; who=a,b"}
    answer = client.post("/invocations", content=b"1,2\n", headers=told)
    assert (answer.status_code, answer.content) == (200, b"1,2\n")
    assert answer.headers["content-type"] == "text/csv"
    assert _missing(told, answer) == {}


def test_method_path_and_headers_arrive_unharmed(client: httpx.Client) -> None:
    """A model's name may have a slash in it, a token may be long, and a header may be there twice."""
    path = "/models/org%2Fname/a%20b;c=1?x=1&x=2&q=%C3%A9+z"
    told = {
        "Authorization": "Bearer " + "t" * 8192,
        "Content-Type": 'multipart/form-data; boundary="=_b"',
        "Cookie": "a=1; b=2",
        "X-Quoted": '"a, b"; c="\\""',
        "X-Request-Id": "mine",
    }
    answer = client.put(path, content=b"x", headers=told)
    asked = json.loads(answer.headers["x-asked"])
    assert (answer.status_code, asked["method"], asked["path"]) == (200, "PUT", path)
    assert _missing(told, answer) == {}
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["content-type"] == told["Content-Type"]
    assert answer.headers["x-request-id"] == "mine"


def test_a_binary_body_arrives_unharmed_both_ways(client: httpx.Client) -> None:
    """Images and tensors are bytes of any value, and more of them than a buffer of the proxy's holds."""
    body = os.urandom(_MIB) + bytes(range(256))
    answer = client.post("/echo", content=body, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == body


def test_a_body_in_chunks_arrives_unharmed(client: httpx.Client) -> None:
    """A client that does not know the length beforehand sends chunks of any size."""
    chunks = [b"a", os.urandom(_MIB), b"", os.urandom(17), b"\r\n0\r\n\r\n"]
    answer = client.post("/echo", content=iter(chunks))
    assert answer.status_code == 200, answer.text
    assert _missing({"transfer-encoding": "chunked"}, answer) == {}
    assert answer.content == b"".join(chunks)


def _events(answer: httpx.Response) -> Iterator[str]:
    return (line.removeprefix("data: ") for line in answer.iter_lines() if line)


def _missing(told: dict[str, str], answer: httpx.Response) -> dict[str, Any]:
    """The headers that the server did not get as they were sent, with what it got."""
    got = {name.lower(): value for name, value in json.loads(answer.headers["x-asked"])["headers"]}
    return {name: got.get(name.lower()) for name, value in told.items() if got.get(name.lower()) != value}
