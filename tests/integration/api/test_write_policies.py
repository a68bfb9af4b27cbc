"""The API server itself guards the operator's objects, and holds the operator's account to its work."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from modelops.machinery.resources import BY_KIND, CONFIG_MAPS, Body
from support.checkout import TEST_DATA
from support.cluster.api_server import ApiServer, message
from support.write_policies import (
    ADMINISTRATOR,
    EDITOR,
    KUBERNETES,
    KUEUE,
    ME,
    NO_RIGHT,
    OPERATOR,
    STEERER,
    Attempt,
    attempts,
    existing,
)

_NAMES = {
    OPERATOR: "system:serviceaccount:modelops-system:modelops",
    EDITOR: "eve@example.com",
    STEERER: "stella@example.com",
    ADMINISTRATOR: "anna@example.com",
    KUEUE: "system:serviceaccount:kueue-system:kueue-controller-manager",
}
_ADMINISTRATORS = "system:masters"
_MADE_BY_THE_OPERATOR = sorted((TEST_DATA / "golden").glob("*.yaml"))
_ATTEMPTS = [attempt for group in attempts().values() for attempt in group]
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Tenancy:
    """Namespace with an editor, a steerer, Kueue, and the objects that the attempts are about."""

    def __init__(self, api: ApiServer) -> None:
        self._api, self.namespace = api, f"t-{uuid.uuid4().hex[:8]}"

    def set_up(self) -> None:
        """Create the namespace, its roles and its objects."""
        self._create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        groups = ["", "apps", "batch", "autoscaling", "policy", "gateway.networking.k8s.io"]
        self._grant("everything", EDITOR, {"apiGroups": groups, "resources": ["*"], "verbs": ["*"]})
        self._grant("jobs", KUEUE, {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]})
        for user, role in ((EDITOR, "modelops-edit"), (STEERER, "modelops-steerer")):
            self._bind(role, user, "ClusterRole", role)
        for user, body in existing():
            kind = body["kind"]
            answer = self.ask(
                Attempt(f"create {kind}", "create", BY_KIND[kind], body, controller="replicaset-controller"),
                user,
                dry_run=False,
            )
            assert answer.status_code == 201, f"{user} creates {kind}: {message(answer)}"

    def tear_down(self) -> None:
        """Delete the namespace."""
        self._api.ask("delete", f"/api/v1/namespaces/{self.namespace}", None, None, dry_run=False)

    def ask(self, attempt: Attempt, user: str, *, dry_run: bool = True) -> httpx.Response:
        """Send a request as a user."""
        namespace = attempt.namespace or self.namespace
        name = f"system:serviceaccount:kube-system:{attempt.controller}" if user == KUBERNETES else _NAMES[user]
        body = json.loads(json.dumps(attempt.body).replace(ME, name))
        if attempt.verb == "create":
            body["metadata"]["namespace"] = namespace
        if attempt.resource.kind == "Event":
            body["regarding"]["namespace"] = namespace
        return self._api.ask(
            attempt.verb,
            attempt.resource.path(namespace, attempt.name or None, attempt.subresource),
            body if attempt.verb != "delete" else None,
            name,
            *([_ADMINISTRATORS] if user == ADMINISTRATOR else []),
            dry_run=dry_run,
        )

    def _grant(self, name: str, user: str, rule: Body) -> None:
        self._create(f"{_RBAC}/namespaces/{self.namespace}/roles", {"metadata": {"name": name}, "rules": [rule]})
        self._bind(name, user, "Role", name)

    def _bind(self, name: str, user: str, kind: str, role: str) -> None:
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _NAMES[user]}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        self._create(f"{_RBAC}/namespaces/{self.namespace}/rolebindings", body)

    def _create(self, path: str, body: Body) -> None:
        answer = self._api.ask("create", path, body, None, dry_run=False)
        assert answer.status_code == 201, message(answer)


@pytest.fixture(scope="module")
def tenancy(api: ApiServer) -> Iterator[Tenancy]:
    """Namespace in which the attempts are made."""
    made = Tenancy(api)
    made.set_up()
    yield made
    made.tear_down()


@pytest.mark.parametrize(
    ("attempt", "user"),
    [pytest.param(attempt, user, id=f"{user} may {attempt.what}") for attempt in _ATTEMPTS for user in attempt.yes],
)
def test_what_a_user_needs_for_its_work_is_allowed(tenancy: Tenancy, attempt: Attempt, user: str) -> None:
    """A policy that refuses too much stops the operator, Kubernetes or a team."""
    answer = tenancy.ask(attempt, user)
    assert answer.status_code in (200, 201), message(answer)


@pytest.mark.parametrize(
    ("attempt", "user", "words"),
    [
        pytest.param(attempt, user, words, id=f"{user} may not {attempt.what}")
        for attempt in _ATTEMPTS
        for user, words in attempt.no.items()
    ],
)
def test_everything_else_is_refused_in_one_sentence(tenancy: Tenancy, attempt: Attempt, user: str, words: str) -> None:
    """Else an editor forges children, evidence or a name, and a thief of the operator's token has the cluster."""
    answer = tenancy.ask(attempt, user)
    assert answer.status_code == 403, f"{answer.status_code}: {message(answer)}"
    if words == NO_RIGHT:
        assert " cannot " in message(answer)
    else:
        assert "ValidatingAdmissionPolicy" in message(answer)
        assert words in message(answer)


@pytest.mark.parametrize("file", _MADE_BY_THE_OPERATOR, ids=lambda file: file.stem)
def test_the_operator_may_create_every_child_that_it_builds(tenancy: Tenancy, file: Path) -> None:
    """The golden files show children whole: the leash must admit each of them, and no person may create one."""
    body = yaml.safe_load(file.read_text())
    resource = BY_KIND[body["kind"]]
    if resource is CONFIG_MAPS:
        # The golden file shows the routes as an object, for the reader.
        body["data"] = {name: json.dumps(content) for name, content in body["data"].items()}
    attempt = Attempt("create a child", "create", resource, body)
    answer = tenancy.ask(attempt, OPERATOR)
    if answer.status_code == 404 and resource.provided_by:
        pytest.skip(f"{resource.provided_by} is not installed")
    assert answer.status_code == 201, message(answer)
    assert "must not have the label" in message(tenancy.ask(attempt, EDITOR))
