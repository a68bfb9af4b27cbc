"""No request of the operator leaves the namespaces of its objects: shown by the log of a whole run of all tests."""

import pytest

from hack.cluster import configs, machine
from hack.deploy import NAMESPACE, RELEASE
from modelops.api.kinds import GROUP
from support import side_by_side
from support.cluster.audit import Request, granted_rights, requests, strays, used_rights
from support.cluster.polling import poll
from support.cluster.real_cluster import ApplyRefusedError, RealCluster, Space, has

pytestmark = pytest.mark.skipif(machine.docker_answers(), reason="only the embedded node keeps an audit log")
_OF_THE_CHART = f"app.kubernetes.io/instance={RELEASE}"
_NEVER_A_REQUEST = [
    # Read where a Job exists that the cache does not know, as after a restart: a race that need not happen.
    ("batch", "jobs", "get"),
    # What the API server looks for when owner references with blockOwnerDeletion are written, in clusters that check.
    *((GROUP, f"{kind}/finalizers", "update") for kind in ("datasets", "trainingruns", "inferenceservices")),
]


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


@pytest.mark.alone
def test_the_chart_grants_no_right_that_a_whole_run_does_not_use(
    request: pytest.FixtureRequest, cluster: RealCluster
) -> None:
    """A right that nothing needs is worth something only to a thief of the operator's token."""
    if not side_by_side.is_whole_run(request.config):
        pytest.skip("only all tests together use all rights")
    # The Role for the election is left out, as the log leaves out the Lease.
    roles = [
        role
        for role in cluster.api.listed("clusterroles", NAMESPACE, _OF_THE_CHART)
        if role["metadata"]["name"] == RELEASE
    ]
    assert len(roles) == 1
    unused = granted_rights(roles) - used_rights(_log(cluster), configs.AUDITED_USER)
    assert unused == {*_NEVER_A_REQUEST}
