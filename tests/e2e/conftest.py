"""What only some e2e tests need, and what is too dear to make for all of them: a Kueue, and an image with JAX."""

from collections.abc import Iterator

import pytest

from hack.cluster import images
from hack.cluster.__main__ import load_images
from hack.cluster.images import Built
from hack.kueue import install, remove
from hack.steps import Steps
from support.kueue import Queue
from support.real_cluster import RealCluster, Space


@pytest.fixture(scope="session")
def kueue(cluster: RealCluster, request: pytest.FixtureRequest) -> Iterator[None]:
    """A real Kueue in the tests' cluster, which evicts Jobs whose Pods are not ready in time."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        install(cluster.place, Steps(cluster.place.logs))
    yield
    with capture.global_and_fixture_disabled():
        print()
        remove(cluster.place, Steps(cluster.place.logs))


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
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        steps = Steps(cluster.place.logs)
        with steps.step("Image with JAX") as step:
            (built,) = images.build(step, [images.DISTRIBUTED])
        load_images(cluster.place, steps, [built])
    return built
