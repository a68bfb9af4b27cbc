"""The operator killed with -9 after each step of the chain: the chain completes, and nothing is done twice."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from hack.deploy import NAMESPACE, RELEASE
from support import mortgage, operator_process
from support.real_cluster import Body, Space, has


@pytest.mark.ends_the_operator
def test_the_chain_completes_though_the_operator_is_killed_after_each_step(space: Space) -> None:
    """Losing the process at any instant costs time, never correctness: one Job a trial, one ModelVersion, one
    Deployment.
    """
    space.upload("mortgage/applications.csv", mortgage.data())
    dataset, run, service = mortgage.manifests(space)

    space.apply(dataset)
    operator_process.kill_leader(space.cluster)
    _wait_for_any(space, "jobs", "modelops.dev/dataset=applications")
    operator_process.kill_leader(space.cluster)
    space.wait("dataset", "applications", lambda body: "snapshot" in body.get("status", {}), within=120)
    operator_process.kill_leader(space.cluster)

    space.apply(run)
    job = _wait_for_any(space, "jobs", "modelops.dev/model=approval")
    operator_process.kill_leader(space.cluster)
    space.wait("job", job["metadata"]["name"], _complete, within=120)
    operator_process.kill_leader(space.cluster)
    version = _wait_for_any(space, "modelversions", within=120)
    operator_process.kill_leader(space.cluster)

    space.apply(service)
    _wait_for_any(space, "deployments")
    operator_process.kill_leader(space.cluster)

    space.wait("trainingrun", "approval", has("Ready"), within=120)
    space.wait("inferenceservice", "approvals", mortgage.serves(version["metadata"]["name"]), within=120)
    trials = space.get("trainingrun", "approval")["status"]["sweep"]["trials"]
    jobs = space.listed("jobs", "modelops.dev/model=approval")
    assert job["metadata"]["uid"] in {one["metadata"]["uid"] for one in jobs}
    runs = [one["metadata"]["labels"]["modelops.dev/trainingrun"] for one in jobs]
    assert sorted(runs) == sorted(trial["run"] for trial in trials)
    assert [space.get("trainingrun", name)["status"]["attempts"] for name in runs] == [1] * 4
    assert [one["metadata"]["uid"] for one in space.listed("modelversions")] == [version["metadata"]["uid"]]
    assert len(space.listed("deployments")) == 1
    assert len(space.get("dataset", "applications")["status"].get("history", [])) <= 1


def _complete(job: Body) -> bool:
    return any(one["type"] == "Complete" and one["status"] == "True" for one in job["status"].get("conditions", []))


def _wait_for_any(space: Space, kind: str, selector: str = "", within: float = 60.0) -> Body:
    return _first(lambda: space.listed(kind, selector), f"{kind} {selector}", within)


def _first(look: Callable[[], list[Body]], what: str, within: float) -> Body:
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"no {what} after {within:.0f} s"
        time.sleep(0.1)
    return found[0]


@pytest.mark.alone
def test_a_replica_that_is_told_to_end_gives_the_lease_up(space: Space) -> None:
    """An upgrade or a node drain does not wait for the Lease to expire: the old replica clears it as it goes."""
    kubectl = space.cluster.kubectl
    leader = space.cluster.operator_pod()["metadata"]["name"]
    kubectl("delete", "pod", leader, "-n", NAMESPACE, "--wait=false")
    held: list[Body] = []

    def by_another(lease: Body) -> bool:
        held.append(lease["spec"])
        return lease["spec"].get("holderIdentity") not in (None, "", leader)

    after = space.cluster.wait("lease", RELEASE, NAMESPACE, by_another)["spec"]
    last = [one for one in held if one.get("holderIdentity") == leader]
    if last:
        renewed, taken = (datetime.fromisoformat(one) for one in (last[-1]["renewTime"], after["acquireTime"]))
        assert taken - renewed < timedelta(seconds=after["leaseDurationSeconds"]), "the Lease was left to expire"
