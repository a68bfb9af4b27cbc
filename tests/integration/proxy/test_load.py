"""The benchmark's clients: what they count as answered was, and what was not they count as failed."""

import pytest

from bench.load import load
from support.fast_model import running_fast_model
from support.proxies import running_proxy


@pytest.fixture
def fast_model():
    with running_fast_model() as model:
        yield model


def test_every_answer_is_counted(fast_model, tmp_path):
    """Envoy has passed on as many requests as the clients say."""
    with running_proxy(fast_model, tmp_path) as proxy:
        seen = load(proxy.http, clients=8, seconds=0.3)
        assert seen.failed == 0
        assert proxy.figures()["cluster.model.upstream_rq_2xx"] == seen.answered > 0
    assert 0 < seen.p50_ms <= seen.p99_ms


def test_another_answer_is_a_failure(proxy):
    """This model echoes what it is asked."""
    seen = load(proxy.http, clients=2, seconds=0.1)
    assert seen.answered == 0
    assert seen.failed > 1


def test_an_answer_that_does_not_come_is_a_failure(fast_model, tmp_path):
    """Zero failed requests must not mean that nobody was answered."""
    with running_proxy(fast_model, tmp_path) as proxy:
        fast_model.freeze()
        seen = load(proxy.http, clients=2, seconds=0.1)
    assert (seen.answered, seen.failed) == (0, 2)
