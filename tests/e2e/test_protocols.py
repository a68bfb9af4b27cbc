"""Custom model servers, such as servers of language models: requests and responses pass unchanged both ways."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.cluster import language_server
from support.cluster.real_cluster import Space, has

_MIB = 2**20


@pytest.fixture(scope="module")
def client(shared_space: Space) -> Iterator[httpx.Client]:
    """Return an HTTP client of the InferenceService, which ignores the proxy settings of this machine."""
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
    with httpx.Client(base_url=url, trust_env=False, timeout=2 * language_server.PATIENCE) as http:
        yield http


def test_streamed_events_arrive_one_by_one_as_the_server_sends_them(client: httpx.Client) -> None:
    """No event waits in a buffer: the server sends an event only after the client has received the previous event."""
    events = []
    with client.stream("POST", "/v1/chat/completions", json={"model": "llm", "stream": True}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-modelops-model-version"] == "llm"
        for event in _events(answer):
            events.append(event)
            if event != "[DONE]":
                client.post(f"/came/{json.loads(event)['number']}")
    assert events == [*(json.dumps({"number": number}) for number in range(language_server.EVENTS)), "[DONE]"]


def test_a_client_that_disconnects_ends_the_response_of_the_server(client: httpx.Client) -> None:
    """The server notices the disconnect, and can stop generating tokens that no client reads."""
    with client.stream("POST", "/v1/completions") as answer:
        assert len(list(itertools.islice(_events(answer), 3))) == 3
    assert client.get("/gone").json() is True


def test_a_response_that_takes_ten_seconds_arrives(client: httpx.Client) -> None:
    """Generation is slow: no time limit between client and server is shorter."""
    answer = client.post("/slow/10")
    assert (answer.status_code, answer.content) == (200, b"at last")
    assert answer.elapsed.total_seconds() >= 10


def test_a_container_for_sagemaker_hosting_serves_unchanged_at_its_paths(client: httpx.Client) -> None:
    """A container for SageMaker hosting answers /invocations and custom headers, with /ping as readiness path."""
    assert client.get("/ping").status_code == 200
    headers = {
        "Content-Type": "text/csv",
        "Accept": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=7; who=a,b",
    }
    answer = client.post("/invocations", content=b"1,2\n", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"1,2\n")
    assert answer.headers["content-type"] == "text/csv"
    assert _missing(headers, answer) == {}


def test_method_path_and_headers_reach_the_server_unchanged(client: httpx.Client) -> None:
    """A model's name may contain a slash, a token may be long, and a header may occur twice."""
    path = "/models/org%2Fname/a%20b;c=1?x=1&x=2&q=%C3%A9+z"
    headers = {
        "Authorization": "Bearer " + "t" * 8192,
        "Content-Type": 'multipart/form-data; boundary="=_b"',
        "Cookie": "a=1; b=2",
        "X-Quoted": '"a, b"; c="\\""',
        "X-Request-Id": "mine",
    }
    answer = client.put(path, content=b"x", headers=headers)
    request = json.loads(answer.headers["x-asked"])
    assert (answer.status_code, request["method"], request["path"]) == (200, "PUT", path)
    assert _missing(headers, answer) == {}
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["content-type"] == headers["Content-Type"]
    assert answer.headers["x-request-id"] == "mine"


def test_a_binary_body_passes_unchanged_in_both_directions(client: httpx.Client) -> None:
    """Images and tensors contain bytes of any value, and are larger than a buffer of the proxy."""
    body = os.urandom(_MIB) + bytes(range(256))
    answer = client.post("/echo", content=body, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == body


def test_bodies_are_limited_by_default(client: httpx.Client) -> None:
    """The chart limits bodies, and so those that do not tell their length: the reason says what to send instead."""
    answer = client.post("/echo", content=iter([b"a", os.urandom(17)]))
    assert (answer.status_code, "send a Content-Length header" in answer.text) == (411, True)
    answer = client.post("/echo", content=bytes(16 * _MIB + 1))
    assert (answer.status_code, "see limits.maxBody" in answer.text) == (413, True)


def _events(answer: httpx.Response) -> Iterator[str]:
    return (line.removeprefix("data: ") for line in answer.iter_lines() if line)


def _missing(headers: dict[str, str], answer: httpx.Response) -> dict[str, Any]:
    """Return the headers that the server did not receive as sent, each with the received value."""
    received = {name.lower(): value for name, value in json.loads(answer.headers["x-asked"])["headers"]}
    return {name: received.get(name.lower()) for name, value in headers.items() if received.get(name.lower()) != value}
