"""Loss of the operator: SIGKILL after each step from data to answers, and a graceful handover of the Lease."""

from datetime import datetime, timedelta

import pytest

from hack.deploy import NAMESPACE, RELEASE
from support.cluster import mortgage, operator_process
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, Space, has


@pytest.mark.ends_the_operator
def test_data_becomes_answers_though_the_operator_is_killed_after_each_step(space: Space) -> None:
    """A killed operator costs time, never correctness: one Job per trial, one ModelVersion, one Deployment."""
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
    space.wait("job", job["metadata"]["name"], _is_complete, within=120)
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
    assert job["metadata"]["uid"] in {trial_job["metadata"]["uid"] for trial_job in jobs}
    runs = [trial_job["metadata"]["labels"]["modelops.dev/trainingrun"] for trial_job in jobs]
    assert sorted(runs) == sorted(trial["run"] for trial in trials)
    assert [space.get("trainingrun", name)["status"]["attempts"] for name in runs] == [1] * 4
    (only_version,) = space.listed("modelversions")
    assert only_version["metadata"]["uid"] == version["metadata"]["uid"]
    assert len(space.listed("deployments")) == 1
    assert len(space.get("dataset", "applications")["status"].get("history", [])) <= 1


def _is_complete(job: Body) -> bool:
    conditions = job["status"].get("conditions", [])
    return any(condition["type"] == "Complete" and condition["status"] == "True" for condition in conditions)


def _wait_for_any(space: Space, kind: str, selector: str = "", within: float = 60.0) -> Body:
    """Return the first object of a kind once there is any."""
    return poll(lambda: space.listed(kind, selector), len, within=within, awaited=f"{kind} {selector}")[0]


@pytest.mark.alone
def test_a_leader_that_is_deleted_releases_the_lease_before_it_expires(space: Space) -> None:
    """An upgrade or a node drain does not wait for the Lease to expire: the old leader clears the Lease as it ends."""
    kubectl = space.cluster.kubectl
    leader = space.cluster.operator_pod()["metadata"]["name"]
    kubectl("delete", "pod", leader, "-n", NAMESPACE, "--wait=false")
    leases: list[Body] = []

    def held_by_another(lease: Body) -> bool:
        leases.append(lease["spec"])
        return lease["spec"].get("holderIdentity") not in (None, "", leader)

    after = space.cluster.wait("lease", RELEASE, NAMESPACE, held_by_another)["spec"]
    of_leader = [lease for lease in leases if lease.get("holderIdentity") == leader]
    if of_leader:
        renewed = datetime.fromisoformat(of_leader[-1]["renewTime"])
        acquired = datetime.fromisoformat(after["acquireTime"])
        assert acquired - renewed < timedelta(seconds=after["leaseDurationSeconds"]), "the Lease was left to expire"
