"""Cluster of the tests, and the order in which tests run in parallel.

Under `make test` hack/test_cluster.py sets the cluster up, and every process of pytest-xdist connects to the cluster.
Where pytest runs by itself, the first test that needs a cluster starts it. `MODELOPS_TEST_CLUSTER=dev` uses the cluster
of `make demo` instead, and leaves that cluster running.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from hack.cluster import places
from hack.cluster.__main__ import node
from hack.deploy import deploy
from hack.steps import Step, Steps
from hack.test_cluster import wait_until_ready
from support import side_by_side
from support.cluster import real_cluster
from support.cluster.real_cluster import RealCluster, Space

_CLUSTER_VARIABLE = "MODELOPS_TEST_CLUSTER"
# Other tests run in parallel: how long an example takes says nothing about the code.
settings.register_profile("parallel", deadline=None)
settings.load_profile("parallel")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and share a directory among the processes of one run."""
    config.addinivalue_line(
        "markers", "ends_the_operator: ends the operator's Pods, and runs after all tests that do not"
    )
    config.addinivalue_line("markers", "alone: runs after all other tests of the cluster, by itself")
    config.addinivalue_line("markers", "takes_minutes: starts before other tests of the cluster")
    side_by_side.begin(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests so that waiting tests and computing tests run at the same time."""
    items[:] = side_by_side.in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> side_by_side.GroupScheduling:
    """Run the tests of one group in one process."""
    return side_by_side.GroupScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test of the cluster once its phase has begun."""
    with side_by_side.turn(item):
        return (yield)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, worker_id: str) -> Iterator[RealCluster]:
    """Return a real Kubernetes cluster with the chart installed and an S3 server."""
    place = places.Cluster(os.environ.get(_CLUSTER_VARIABLE, "test"))
    images = wait_until_ready()
    set_up_here = images is None
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if images is None:
        with capture.global_and_fixture_disabled():
            print()
            images = deploy(place, Steps(place.logs))
    step = Step("tests", place.logs / f"tests-{worker_id}.log")
    yield real_cluster.connect(place, step, images)
    step.close()
    if set_up_here and _CLUSTER_VARIABLE not in os.environ:
        with capture.global_and_fixture_disabled():
            print()
            node(place).down(Steps(place.logs))


@pytest.fixture
def space(cluster: RealCluster) -> Iterator[Space]:
    """Create a namespace and a bucket for one test."""
    with real_cluster.space_of_its_own(cluster) as own:
        yield own


@pytest.fixture(scope="module")
def shared_space(cluster: RealCluster) -> Iterator[Space]:
    """Create a namespace and a bucket for all tests of a module, whose objects take long to start."""
    with real_cluster.space_of_its_own(cluster) as shared:
        yield shared
