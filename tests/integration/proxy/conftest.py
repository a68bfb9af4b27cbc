"""Fixtures: a proxy in front of a model, and a pair of them as stable version and candidate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.proxy.proxies import Model, Pair, Proxy, running_model, running_proxy


@pytest.fixture
def model() -> Iterator[Model]:
    with running_model() as server:
        yield server


@pytest.fixture
def proxy(model: Model, tmp_path: Path) -> Iterator[Proxy]:
    """Run a proxy as the container does, with settings in the environment, and wait until it is ready."""
    with running_proxy(model, tmp_path) as started:
        yield started


@pytest.fixture
def pair(model: Model, tmp_path: Path) -> Iterator[Pair]:
    """Run a stable version and a candidate that gets no traffic yet."""
    for name in ("candidate", "stable"):
        (tmp_path / name).mkdir()
    with running_model() as other, running_proxy(other, tmp_path / "candidate") as candidate:
        settings = {"CANDIDATE_HOST": "127.0.0.1", "CANDIDATE_PORT": candidate.http}
        with running_proxy(model, tmp_path / "stable", **settings) as stable:
            candidate.route(version="approval-2", revision="def")
            yield Pair(stable, candidate)
