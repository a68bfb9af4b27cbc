"""Add-ons that only some e2e tests need: Kueue, metrics-server, the Gateway API, and an image with JAX.

`make test` installs all add-ons into its cluster at the start. Where pytest runs by itself, each fixture installs its
add-on before the first test that needs it and removes it after the last.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from hack import gateway_api as gateway_api_add_on
from hack import kueue as kueue_add_on
from hack import metrics_server as metrics_server_add_on
from hack.cluster import images
from hack.cluster.__main__ import load_images
from hack.cluster.images import Built
from hack.steps import Steps
from hack.test_cluster import READY_FILE_VARIABLE
from support.kueue import Queue
from support.real_cluster import RealCluster, Space


@pytest.fixture(scope="session")
def kueue(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """Install a real Kueue in the tests' cluster, which evicts Jobs whose Pods are not ready in time."""
    with _installed(kueue_add_on, cluster, request):
        yield


@pytest.fixture(scope="session")
def metrics_server(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """Install a real metrics-server, from which an autoscaler reads the CPU usage of Pods."""
    with _installed(metrics_server_add_on, cluster, request):
        yield


@pytest.fixture(scope="session")
def gateway_api(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """Install the definitions of the Gateway API, without any Gateway."""
    with _installed(gateway_api_add_on, cluster, request):
        yield


@pytest.fixture
def queue(kueue: None, space: Space) -> Iterator[Queue]:
    """Create a queue in the test's namespace, with quota for one Pod, and delete it after the test."""
    team_queue = Queue(space)
    team_queue.set_quota(pods=1)
    yield team_queue
    team_queue.remove()


@pytest.fixture(scope="session")
def jax_image(cluster: RealCluster, request: pytest.FixtureRequest) -> Built:
    """Return the training image of examples/distributed, loaded into the node's image store."""
    if images.DISTRIBUTED.name in cluster.images:
        return cluster.images[images.DISTRIBUTED.name]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        steps = Steps(cluster.place.logs)
        with steps.step("Image with JAX") as step:
            (built,) = images.build(step, [images.DISTRIBUTED])
        load_images(cluster.place, steps, [built])
    return built


@contextmanager
def _installed(add_on: ModuleType, cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    if READY_FILE_VARIABLE in os.environ:
        yield
        return
    capture = request.config.pluginmanager.getplugin("capturemanager")
    steps = Steps(cluster.place.logs)
    with capture.global_and_fixture_disabled():
        print()
        add_on.install(cluster.place, steps)
    yield
    with capture.global_and_fixture_disabled():
        print()
        add_on.remove(cluster.place, steps)
