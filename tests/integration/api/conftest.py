"""Fixtures of the tests that send requests to the API server directly."""

from collections.abc import Iterator

import pytest

from support.cluster.api_server import ApiServer
from support.cluster.real_cluster import RealCluster


@pytest.fixture(scope="session")
def api(cluster: RealCluster) -> Iterator[ApiServer]:
    """API server with the operator's definitions and the approval policy."""
    server = ApiServer(cluster.place.kubeconfig)
    yield server
    server.close()
