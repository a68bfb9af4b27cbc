"""A proxy in front of a model, and a second of each as its candidate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.proxies import Model, Pair, Proxy, running_model, running_proxy


@pytest.fixture
def model() -> Iterator[Model]:
    with running_model() as server:
        yield server


@pytest.fixture
def proxy(model: Model, tmp_path: Path) -> Iterator[Proxy]:
    """Started as the container is, with its settings in the environment, and answering."""
    with running_proxy(model, tmp_path) as started:
        yield started


@pytest.fixture
def pair(model: Model, tmp_path: Path) -> Iterator[Pair]:
    """Both serve; the candidate has no share yet."""
    for name in ("candidate", "stable"):
        (tmp_path / name).mkdir()
    with running_model() as other, running_proxy(other, tmp_path / "candidate") as candidate:
        told = {"CANDIDATE_HOST": "127.0.0.1", "CANDIDATE_PORT": candidate.http}
        with running_proxy(model, tmp_path / "stable", **told) as stable:
            candidate.route(version="approval-2", revision="def")
            yield Pair(stable, candidate)
