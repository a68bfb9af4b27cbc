"""Requests to S3 services that users chose: no answer holds the operator, fills its memory, or leads elsewhere."""

import socket
import ssl
import subprocess
import threading
import tracemalloc
from ipaddress import ip_network
from pathlib import Path

import pytest

from modelops.api.addresses import AddressRules
from modelops.api.contract.tasks import S3Place
from modelops.store import bounded_requests
from modelops.store.bounded_requests import MAX_BYTES, BoundedRequests
from modelops.store.client import make_client
from modelops.store.credentials import Credentials, from_secret, read_mounted
from modelops.store.errors import S3Error
from modelops.store.listing import max_pages, probe
from support import rude_s3
from support.rude_s3 import Answer, RudeServer

LOOPBACK = AddressRules(allow=(ip_network("127.0.0.0/8"),))


def problem_of(server: RudeServer, rules: AddressRules = LOOPBACK, requests: BoundedRequests | None = None) -> S3Error:
    """Probe a server, and return how that failed."""
    place = S3Place(bucket="data", endpoint=server.endpoint)
    bounded = requests or BoundedRequests(rules)
    with pytest.raises(S3Error) as caught:
        probe(make_client(place, Credentials("a", "b"), attempts=1, requests=bounded), place, 10)
    bounded.end()
    return caught.value


@pytest.mark.parametrize(
    "answer", [rude_s3.endless, rude_s3.endless_chunk_size, rude_s3.endless_header, rude_s3.many_tags]
)
def test_an_answer_without_an_end_is_not_read_into_memory(answer: Answer) -> None:
    """One Dataset must not make the operator exceed its memory limit, and so end it for all."""
    with rude_s3.rude_s3(answer) as server:
        make_client(S3Place(bucket="data", endpoint=server.endpoint), Credentials("a", "b"))  # loads the SDK's models
        tracemalloc.start()
        try:
            error = problem_of(server)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert not error.answered
    assert peak < 3 * MAX_BYTES


@pytest.mark.parametrize("answer", [rude_s3.drips_body, rude_s3.drips_head])
def test_a_request_under_way_ends_with_its_conversation(answer: Answer) -> None:
    """A service that sends a byte now and then would keep its slot for ever: no read ever waits too long."""
    requests = BoundedRequests(LOOPBACK)
    with rude_s3.rude_s3(answer) as server:
        ended: list[S3Error] = []
        thread = threading.Thread(target=lambda: ended.append(problem_of(server, requests=requests)), daemon=True)
        thread.start()
        assert server.answering.wait(10)
        requests.end()
        thread.join(10)
        assert [error.answered for error in ended] == [False]
        assert not problem_of(server, requests=requests).answered
        assert server.requests == 1


def test_pages_without_entries_are_counted() -> None:
    """A listing whose pages are empty, each with the marker of a next one, would never end."""
    with rude_s3.rude_s3(rude_s3.pages_without_entries) as server:
        error = problem_of(server)
    assert (error.reason, error.transient) == ("EndpointNotS3", False)
    assert "100 pages that are nearly empty" in error.message
    assert server.requests <= max_pages(10) + 2


@pytest.mark.parametrize(
    "answer",
    [
        rude_s3.closes,
        rude_s3.says(b"404 Not Found"),
        rude_s3.says(b"403 Forbidden", b"<html>"),
        rude_s3.says(b"500 Internal Server Error"),
        rude_s3.says(b"200 OK", b"<html>"),
        rude_s3.says(b"302 Found"),
    ],
)
def test_an_answer_that_is_not_of_s3_is_none(answer: Answer) -> None:
    with rude_s3.rude_s3(answer) as server:
        assert not problem_of(server).answered
    assert server.requests <= 2


def test_an_error_of_s3_is_an_answer() -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with rude_s3.rude_s3(rude_s3.says(b"403 Forbidden", body)) as server:
        error = problem_of(server)
    assert (error.answered, error.reason) == (True, "AccessDenied")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_that_is_not_permitted_is_not_connected_to(host: str) -> None:
    """The operator's own ports, its node, and a cloud's metadata service."""
    with rude_s3.rude_s3(rude_s3.endless) as server:
        server.endpoint = server.endpoint.replace("127.0.0.1", host)
        assert problem_of(server, AddressRules()).reason == "EndpointUnreachable"
    assert server.requests == 0


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to a public address when it is judged, and to loopback afterwards, gains nothing."""
    answers = iter([[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", 80))]])
    connected: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], *_: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    with rude_s3.rude_s3(rude_s3.endless) as server:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: next(answers))
        monkeypatch.setattr(bounded_requests, "create_connection", create_connection)
        server.endpoint = "http://rebinding.example:80"
        assert problem_of(server, AddressRules()).reason == "EndpointUnreachable"
    assert connected == [("203.0.113.7", 80)]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for loopback that signs itself, with its key in the same file."""
    file = tmp_path / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=s3"
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(tmp_path / "public.pem"))
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True)
    file.write_text(file.read_text() + (tmp_path / "public.pem").read_text())
    return file


@pytest.mark.parametrize("bounded", [True, False], ids=["in the operator", "in a Job"])
@pytest.mark.parametrize("trusted", [True, False], ids=["with its certificate", "without"])
def test_a_private_authority_is_trusted_by_the_secret(
    tmp_path: Path, certificate: Path, bounded: bool, trusted: bool
) -> None:
    """Without that a service with a certificate of the company's own would have to be used by plain HTTP."""
    secret = tmp_path / "s3"
    secret.mkdir()
    bundle = {"AWS_CA_BUNDLE": (tmp_path / "public.pem").read_text()} if trusted else {}
    for name, text in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **bundle}.items():
        (secret / name).write_text(text)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    denied = rude_s3.says(b"403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>")
    with rude_s3.rude_s3(denied, tls) as server:
        place = S3Place(bucket="data", endpoint=server.endpoint, secret_name="s3")
        requests = BoundedRequests(LOOPBACK) if bounded else None
        client = make_client(place, read_mounted(place, tmp_path), attempts=1, requests=requests)
        with pytest.raises(S3Error) as caught:
            probe(client, place, 10)
    assert caught.value.reason == ("AccessDenied" if trusted else "EndpointUnreachable")


def test_certificates_that_cannot_be_read_are_named() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CA_BUNDLE": "no certificate"}
    with pytest.raises(S3Error) as caught:
        from_secret(keys, "s3")
    assert caught.value.message == 'Secret "s3": AWS_CA_BUNDLE is not a list of certificates; write them as PEM'
