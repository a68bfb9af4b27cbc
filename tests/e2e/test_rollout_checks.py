"""Analysis of a candidate by user-defined checks: a webhook, a Prometheus query, and a Job per step."""

from typing import Any

from support.cluster import scripted_model
from support.cluster.real_cluster import Body, Space
from support.cluster.traffic import Traffic

_JUDGE = """
import json, os, sys, urllib.request
request = urllib.request.Request(os.environ["MODELOPS_CANDIDATE_URL"] + "/v2/models/behaving/infer", b"{}")
value = json.load(urllib.request.urlopen(request))["outputs"][0]["data"][0]
print(f"{os.environ['MODELOPS_CANDIDATE_VERSION']} says {value}")
sys.exit(0 if value < 5 else 1)
"""


def test_a_hook_a_prometheus_query_and_a_job_decide_about_each_step(space: Space) -> None:
    """A candidate with right predictions is promoted, and a candidate with wrong ones is rolled back.

    The wrong candidate is neither slow nor does it return errors. The last output of the check's Job is in the status.
    """
    space.apply(
        scripted_model.version(space, "v1"),
        scripted_model.version(space, "v2"),
        scripted_model.version(space, "wrong", value=9.0),
    )
    space.apply(
        scripted_model.service(space, "v1", name="judge"), scripted_model.service(space, "v1", rollout=_rollout(space))
    )
    for name in ("judge", "isvc"):
        space.wait("inferenceservice", name, scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=2, pause=0.05
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", rollout=_rollout(space)))
        passed = space.wait("inferenceservice", "isvc", _passed, within=90)
        messages = {check["name"]: check["message"] for check in passed["status"]["candidate"]["analysis"]["checks"]}
        assert set(messages) == {"hook", "query", "job"}
        assert messages["job"] == "exit code 0"
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=90)
        space.apply(scripted_model.service(space, "wrong", rollout=_rollout(space)))
        body = space.wait("inferenceservice", "isvc", scripted_model.failed("wrong", "AnalysisFailed"), within=90)
    assert traffic.failures == []
    assert "wrong says 9.0" in body["status"]["failed"][0]["message"]
    assert space.listed("jobs") == [] or all("deletionTimestamp" in job["metadata"] for job in space.listed("jobs"))


def _rollout(space: Space) -> Body:
    judge = f"http://judge.{space.name}.svc.cluster.local"
    image = space.cluster.images["examples"].by_digest
    checks = [
        {"name": "hook", "hook": {"url": f"{judge}{scripted_model.PATH}"}},
        {"name": "query", "prometheus": {"address": judge, "query": 'rate(x{v="{candidate}"}[5m])', "min": 0.5}},
        {"name": "job", "job": {"image": image, "command": ["python3", "-c", _JUDGE]}},
    ]
    return {"steps": [{"weight": 50, "hold": "15s"}], "analysis": {"interval": "1s", "checks": checks}}


def _passed(body: Body) -> Any:
    analysis = body["status"].get("candidate", {}).get("analysis", {})
    return analysis.get("outcome") == "Passed"
