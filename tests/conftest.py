"""The cluster of the tests: started before the first test that needs it, ended after the last one.

`MODELOPS_TEST_CLUSTER=dev` uses the cluster of `make demo` instead, as it is, and leaves it running.
"""

import os
from collections.abc import Iterator

import pytest

from hack.cluster import places
from hack.cluster.__main__ import node
from hack.deploy import deploy
from hack.steps import Step, Steps
from support import real_cluster
from support.real_cluster import RealCluster, Space

_NAME = "MODELOPS_TEST_CLUSTER"


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[RealCluster]:
    """A real Kubernetes with the chart installed and an S3 server."""
    place = places.Cluster(os.environ.get(_NAME, "test"))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print()
        steps = Steps(place.logs)
        images = deploy(place, steps)
    step = Step("tests", place.logs / "tests.log")
    yield real_cluster.connect(place, step, images)
    step.close()
    if _NAME not in os.environ:
        with capture.global_and_fixture_disabled():
            print()
            node(place).down(steps)


@pytest.fixture
def space(cluster: RealCluster) -> Iterator[Space]:
    """A namespace and a bucket of the test's own."""
    with real_cluster.space_of_its_own(cluster) as own:
        yield own


@pytest.fixture(scope="module")
def shared_space(cluster: RealCluster) -> Iterator[Space]:
    """A namespace and a bucket that the tests of a module share, because what they look at takes time to start."""
    with real_cluster.space_of_its_own(cluster) as shared:
        yield shared
