"""The API server of the tests' cluster, asked directly."""

from collections.abc import Iterator

import pytest

from support.api_server import ApiServer
from support.real_cluster import RealCluster


@pytest.fixture(scope="session")
def api(cluster: RealCluster) -> Iterator[ApiServer]:
    """The API server, with our definitions and the approval policy."""
    server = ApiServer(cluster.place.kubeconfig)
    yield server
    server.close()
