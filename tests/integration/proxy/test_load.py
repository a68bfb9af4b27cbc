"""The benchmark's clients: every response is counted, and anything else is counted as failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import load
from support.proxy.fast_model import FastModel, running_fast_model
from support.proxy.proxies import Proxy, running_proxy


@pytest.fixture
def fast_model() -> Iterator[FastModel]:
    with running_fast_model() as model:
        yield model


def test_every_response_is_counted(fast_model: FastModel, tmp_path: Path) -> None:
    """Envoy counts as many requests as the clients."""
    with running_proxy(fast_model, tmp_path) as proxy:
        seen = load(proxy.http, clients=8, seconds=0.3)
        assert seen.failed == 0
        assert proxy.statistics()["cluster.model.upstream_rq_2xx"] == seen.answered > 0
    assert 0 < seen.p50_ms <= seen.p99_ms


def test_an_unexpected_response_is_a_failure(proxy: Proxy) -> None:
    """This model echoes requests."""
    seen = load(proxy.http, clients=2, seconds=0.1)
    assert seen.answered == 0
    assert seen.failed > 1


def test_a_missing_response_is_a_failure(fast_model: FastModel, tmp_path: Path) -> None:
    """No failures must not mean that no request was answered."""
    with running_proxy(fast_model, tmp_path) as proxy:
        fast_model.freeze()
        seen = load(proxy.http, clients=2, seconds=0.1)
    assert (seen.answered, seen.failed) == (0, 2)
