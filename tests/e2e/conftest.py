"""What only some e2e tests need: a Kueue, a metrics-server, the Gateway API, and an image with JAX.

`make test` puts all of it into its cluster at the start. Where pytest runs by itself, a fixture installs its part and
removes it after its last test.
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
    """A real Kueue in the tests' cluster, which evicts Jobs whose Pods are not ready in time."""
    with _installed(kueue_add_on, cluster, request):
        yield


@pytest.fixture(scope="session")
def metrics_server(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """A real metrics-server, by which an autoscaler knows the CPU that Pods use."""
    with _installed(metrics_server_add_on, cluster, request):
        yield


@pytest.fixture(scope="session")
def gateway_api(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """Definitions of the Gateway API, without any Gateway."""
    with _installed(gateway_api_add_on, cluster, request):
        yield


@pytest.fixture
def queue(kueue: None, space: Space) -> Iterator[Queue]:
    """A queue of the test's own, in the test's namespace, with quota for one Pod."""
    own = Queue(space)
    own.make(pods=1)
    yield own
    own.remove()


@pytest.fixture(scope="session")
def jax_image(cluster: RealCluster, request: pytest.FixtureRequest) -> Built:
    """The training image of examples/distributed, in the node's store."""
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
