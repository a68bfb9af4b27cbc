"""What tenants create does not end the operator, which keeps a copy of all objects that it watches."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from hack.deploy import NAMESPACE, RELEASE
from modelops.machinery.resources import MANAGED_BY, MANAGER
from support.cluster import operator_metrics, operator_process
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, RealCluster, Space, has

_CONFIG_MAPS = 300
_BYTES = 1_000_000
_AT_ONCE = 10
_OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
"""Account that may give the label. Without the chart's policies anybody may."""
_MEBIBYTE = 1024 * 1024


@pytest.mark.alone
def test_large_config_maps_of_one_namespace_leave_the_operator_its_memory(space: Space, cluster: RealCluster) -> None:
    """300 MB with the operator's label, which its LISTs and watches select, must not end both replicas for good."""
    limit = cluster.operator_pod()["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    half = int(limit.removesuffix("Mi")) * _MEBIBYTE / 2
    with _many_config_maps(cluster, f"{space.name}-large"):
        _reconciled(space, "watched")
        assert max(operator_metrics.resident_bytes(cluster).values()) < half

        operator_process.restart(cluster)
        _reconciled(space, "listed")
        resident = poll(
            lambda: operator_metrics.resident_bytes(cluster),
            lambda found: len(found) > 1,
            within=60,
            awaited="the memory of both replicas",
        )
        assert max(resident.values()) < half


@contextlib.contextmanager
def _many_config_maps(cluster: RealCluster, namespace: str) -> Iterator[None]:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        for first in range(0, _CONFIG_MAPS, _AT_ONCE):
            items = [_config_map(namespace, number) for number in range(first, first + _AT_ONCE)]
            several = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            cluster.kubectl("create", "--as", _OPERATOR, "-f", "-", input_=several)
        yield
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=true", "--timeout=180s")


def _config_map(namespace: str, number: int) -> Body:
    metadata = {"name": f"large-{number}", "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}
    data = {"content": f"{number:09} " * (_BYTES // 10)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _reconciled(space: Space, name: str) -> None:
    """Have the leader reconcile a new object of another namespace."""
    space.apply(space.dataset(name, prefix="there-is-nothing-here/"))
    space.wait("dataset", name, has("Stalled", "True", "EmptyPrefix"))
