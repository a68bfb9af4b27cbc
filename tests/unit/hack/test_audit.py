"""The audit log tells requests of the operator that stay beside its objects from those that do not."""

import json
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import configs
from hack.cluster.network import Network
from support.cluster.audit import granted_rights, requests, strays, used_rights

OPERATOR = configs.AUDITED_USER
GROUPS = {"datasets": "modelops.dev", "trainingruns": "modelops.dev", "jobs": "batch", "leases": "coordination.k8s.io"}


def line(verb: str, path: str, user: str = OPERATOR, code: int = 200, **about: str) -> str:
    """Return a line of the log as the API server writes it; without `about` the request names no object."""
    reference = {"apiGroup": GROUPS.get(about["resource"], ""), **about} if about else None
    event: dict[str, Any] = {"user": {"username": user}, "verb": verb, "requestURI": path}
    return json.dumps({**event, "objectRef": reference, "responseStatus": {"code": code}}) + "\n"


def named(verb: str, resource: str, namespace: str, name: str = "a", **more: Any) -> str:
    """Return a line about an object of a namespace."""
    path = f"/api/v1/namespaces/{namespace}/{resource}/{name}?timeout=30s"
    return line(verb, path, **more, resource=resource, namespace=namespace, name=name)


MADE = named("create", "datasets", "team", user="kubernetes-admin", code=201)
STAYS = [
    named("get", "secrets", "team"),
    named("get", "configmaps", "team", code=404),
    named("patch", "jobs", "team"),
    line("list", "/api/v1/namespaces/team/pods?labelSelector=a%3Db", resource="pods", namespace="team"),
    named("update", "leases", "modelops-system"),
    line("list", "/api/v1/pods?limit=500", resource="pods"),
    line("watch", "/apis/modelops.dev/v1alpha1/datasets?watch=1", resource="datasets"),
    line("get", "/apis"),
    line("get", "/apis/modelops.dev/v1alpha1"),
    named("get", "secrets", "other", user="kubernetes-admin"),
]
LEAVES = [
    pytest.param(named("get", "secrets", "other"), id="a Secret of a namespace without objects"),
    pytest.param(named("get", "secrets", "other", code=404), id="a Secret that is not there"),
    pytest.param(named("patch", "jobs", "other", code=403), id="a request that was refused"),
    pytest.param(named("get", "secrets", "modelops-system"), id="a Secret of the operator's own namespace"),
    pytest.param(named("update", "leases", "team"), id="a Lease elsewhere"),
    pytest.param(named("get", "rolebindings", "team"), id="a kind that it does not use"),
    pytest.param(line("list", "/api/v1/secrets", resource="secrets"), id="the Secrets of all namespaces"),
    pytest.param(line("get", "/api/v1/nodes/a", resource="nodes", name="a"), id="an object of the cluster"),
    pytest.param(line("get", "/api/v1/namespaces/team/x/../../other"), id="dot segments"),
    pytest.param(named("get", "secrets", "team", "..%2F..%2Fother"), id="encoded dot segments"),
    pytest.param(line("get", "/api/v1/namespaces/other/nothing"), id="a path that is no resource"),
]


def test_requests_beside_the_operators_objects_stay() -> None:
    """What the operator has to do is not reported."""
    assert strays(requests([MADE, *STAYS]), OPERATOR, "modelops-system") == []


@pytest.mark.parametrize("forged", LEAVES)
def test_a_request_that_leaves_is_reported_alone(forged: str) -> None:
    """One such request among ten thousand fails the test of the whole run."""
    (event,) = [json.loads(forged)]
    found = strays(requests([*STAYS, forged, MADE]), OPERATOR, "modelops-system")
    assert found == [f"{event['verb']} {event['requestURI']} ({event['responseStatus']['code']})"]


@pytest.mark.parametrize(
    "made",
    [
        named("create", "datasets", "team"),
        named("create", "datasets", "team", user="kubernetes-admin", code=422),
        named("get", "datasets", "team", user="kubernetes-admin"),
        named("create", "secrets", "team", user="kubernetes-admin"),
        line(
            "create",
            "/apis/modelops.dev/v1alpha1/namespaces/team/datasets?dryRun=All",
            user="kubernetes-admin",
            resource="datasets",
            namespace="team",
        ),
    ],
    ids=["by the operator itself", "that was refused", "that was only read", "of another kind", "that was not kept"],
)
def test_only_an_object_that_somebody_has_made_opens_its_namespace(made: str) -> None:
    """Otherwise the operator's own request would be its own excuse."""
    assert len(strays(requests([made, named("get", "secrets", "team")]), OPERATOR, "modelops-system")) >= 1


def test_a_line_that_is_still_being_written_is_left_out() -> None:
    """The API server writes while the test reads."""
    assert len(list(requests([MADE, MADE[:40]]))) == 1


def test_the_log_has_metadata_alone_and_is_bounded(tmp_path: Path) -> None:
    """Bodies of Secrets must not get into a file, nor the Lease's renewals, and no log may fill the disk."""
    node = configs.Node(tmp_path, Network(200, "modelops0"), tmp_path, tmp_path, tmp_path)
    policy = configs._audit_policy()
    assert isinstance(policy, dict)
    assert {rule["level"] for rule in policy["rules"]} == {"None", "Metadata"}
    assert policy["rules"][-1] == {"level": "None"}
    (command,) = [program.command for program in configs.programs(node) if program.name == "kube-apiserver"]
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in command[1:])
    assert flags["audit-log-path"] == str(configs.audit_log(tmp_path))
    assert int(flags["audit-log-maxsize"]) * (1 + int(flags["audit-log-maxbackup"])) <= 1024


def test_the_rights_that_requests_needed_are_those_of_the_operator() -> None:
    """A server-side apply needs the verb create where it creates, and writes of others use no right."""
    log = [
        named("patch", "jobs", "team", code=201),
        named("patch", "datasets", "team", subresource="status"),
        named("delete", "jobs", "team", user="kubernetes-admin"),
        line("get", "/apis"),
    ]
    assert used_rights(requests(log), OPERATOR) == {
        ("batch", "jobs", "patch"),
        ("batch", "jobs", "create"),
        ("modelops.dev", "datasets/status", "patch"),
    }


def test_a_role_grants_each_verb_on_each_of_its_resources() -> None:
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}]
    assert granted_rights([{"rules": rules}]) == {("batch", "jobs", "get"), ("batch", "jobs", "list")}
