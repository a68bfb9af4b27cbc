"""No request of the operator leaves the namespaces of its objects: shown by the log of a whole run of all tests."""

import pytest

from hack.cluster import configs, machine
from hack.deploy import NAMESPACE
from support.cluster.audit import Request, requests, strays
from support.cluster.polling import poll
from support.cluster.real_cluster import ApplyRefusedError, RealCluster, Space, has

pytestmark = pytest.mark.skipif(machine.docker_answers(), reason="only the embedded node keeps an audit log")


def _log(cluster: RealCluster) -> list[Request]:
    with configs.audit_log(cluster.place.state).open() as lines:
        return list(requests(lines))


@pytest.mark.alone
def test_no_request_of_the_operator_leaves_the_namespaces_of_its_objects(cluster: RealCluster, space: Space) -> None:
    """With the operator's rights, a name in a spec would otherwise read the Secrets of every namespace."""
    elsewhere = space.dataset("elsewhere")
    elsewhere["spec"]["source"]["s3"]["secretRef"] = {"name": "../../kube-system/secrets/x"}
    with pytest.raises(ApplyRefusedError, match="secretRef"):
        space.apply(elsewhere)
    space.upload("data/a.csv", "x\n1\n")
    space.apply(space.dataset())
    space.wait("dataset", "data", has("Ready"))
    log = poll(
        lambda: _log(cluster),
        lambda log: any((request.namespace, request.name) == (space.name, "s3") for request in log),
        within=30,
        awaited="the operator's read of the Secret in the audit log",
    )
    of_operator = [request for request in log if request.user == configs.AUDITED_USER]
    assert {"get", "create", "patch", "list", "watch"} <= {request.verb for request in of_operator}
    assert strays(log, configs.AUDITED_USER, NAMESPACE) == []
    assert not list(cluster.place.state.glob("audit-*.log*")), "the log was rotated: the test has not read all of it"
