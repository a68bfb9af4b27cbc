"""Who may approve: held by the API server itself, whatever the operator does."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack import kubectl
from modelops.api.annotations import APPROVE, APPROVED_BY
from support import real_cluster
from support.api_server import ApiServer, Body, said
from support.real_cluster import RealCluster, Space, condition, has

_DIGEST = "sha256:" + "a" * 64
_OTHER_DIGEST = "sha256:" + "b" * 64
_EDITOR, _APPROVER, _SECOND, _ELSEWHERE = "eve@example.com", "anna@example.com", "bert@example.com", "carl@example.com"
_APPROVERS = "risk-team"


@pytest.fixture(scope="module")
def people(cluster: RealCluster) -> Iterator[Space]:
    """A namespace where some may edit, some may approve as well, and somebody may approve one version only."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    space = real_cluster.make_space(cluster, name)
    space.apply(
        _binding(space, "editors", "edit", _user(_EDITOR), _user(_APPROVER), _user(_SECOND)),
        _binding(space, "approvers", "modelops-approver", _user(_APPROVER), _group(_APPROVERS)),
        {
            **_rbac(space, "Role", "one-version"),
            "rules": [
                {
                    "apiGroups": ["modelops.dev"],
                    "resources": ["modelversions"],
                    "verbs": ["approve", "patch"],
                    "resourceNames": ["may"],
                }
            ],
        },
        _binding(space, "one-version", "one-version", _user(_SECOND), kind="Role"),
    )
    yield space
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _rbac(space: Space, kind: str, name: str) -> Body:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": space.name},
    }


def _binding(space: Space, name: str, role: str, *subjects: Body, kind: str = "ClusterRole") -> Body:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    return {**_rbac(space, "RoleBinding", name), "roleRef": reference, "subjects": list(subjects)}


def _user(name: str) -> Body:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def _group(name: str) -> Body:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def _version(space: Space, name: str, annotations: dict[str, str] | None = None) -> Body:
    body = space.object(
        "ModelVersion",
        name,
        {
            "model": "approval",
            "artifact": {"uri": "s3://models/approval/", "digest": _DIGEST, "format": "sklearn", "bytes": 1},
            "origin": {"imported": {"source": "a notebook"}},
            "approval": "Manual",
        },
    )
    body["metadata"]["annotations"] = annotations or {}
    return body


def _annotations(**values: str | None) -> Body:
    names = {"approve": APPROVE, "by": APPROVED_BY, "note": "example.com/note"}
    return {"metadata": {"annotations": {names[key]: value for key, value in values.items()}}}


class Asking:
    """A ModelVersion of one test, and what the API server answers to those who would change its annotations."""

    def __init__(self, api: ApiServer, space: Space, name: str) -> None:
        self._api, self._space, self.name = api, space, name

    def refused(self, user: str, *groups: str, **annotations: str | None) -> str:
        """The sentence with which somebody is refused."""
        answer = self._api.change(
            "ModelVersion", self._space.name, self.name, _annotations(**annotations), user, *groups
        )
        assert answer.status_code == 403, f"{answer.status_code}: {said(answer)}"
        assert "ValidatingAdmissionPolicy" in said(answer), said(answer)
        return said(answer)

    def taken(self, user: str, *groups: str, **annotations: str | None) -> None:
        """Somebody is let."""
        answer = self._api.change(
            "ModelVersion", self._space.name, self.name, _annotations(**annotations), user, *groups
        )
        assert answer.status_code == 200, said(answer)


@pytest.fixture
def version(api: ApiServer, people: Space, request: pytest.FixtureRequest) -> Iterator[Asking]:
    """A ModelVersion that waits for its approval."""
    name = getattr(request, "param", f"v-{uuid.uuid4().hex[:8]}")
    people.apply(_version(people, name))
    yield Asking(api, people, name)
    people.cluster.kubectl("delete", "modelversion", name, "-n", people.name)


def test_who_may_only_edit_may_not_approve(people: Space, version: Asking) -> None:
    """Whoever trains a model does not let it serve: edit is not approve. The refusal says which verb and which role."""
    sentence = version.refused(_EDITOR, approve=_DIGEST, by=_EDITOR)
    assert f"{_EDITOR} may not approve ModelVersion {version.name}" in sentence
    assert f'the verb "approve" on modelversions.modelops.dev in namespace {people.name}' in sentence
    assert "modelops-approver" in sentence
    version.refused(_EDITOR, approve=_DIGEST)
    version.refused(_EDITOR, by=_EDITOR)
    assert people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))


def test_who_may_only_edit_may_write_everything_else(version: Asking) -> None:
    """The policy is about the approval alone: other notes are everybody's who may edit."""
    version.taken(_EDITOR, note="looks good")


def test_who_may_not_even_edit_is_refused_by_rbac(api: ApiServer, people: Space, version: Asking) -> None:
    """The policy gives nobody a right."""
    answer = api.change(
        "ModelVersion", people.name, version.name, _annotations(approve=_DIGEST, by=_ELSEWHERE), _ELSEWHERE
    )
    assert answer.status_code == 403
    assert "cannot patch resource" in said(answer)


def test_an_approver_approves_in_the_own_name_only(people: Space, version: Asking) -> None:
    """The name in the status is proven: nobody approves in another's, nor without one."""
    for name in (_SECOND, None):
        sentence = version.refused(_APPROVER, approve=_DIGEST, by=name)
        assert f"{APPROVED_BY}={_APPROVER}" in sentence
        assert f"{APPROVE}={_DIGEST}" in sentence
    assert "modelops.dev/approved-by without modelops.dev/approve is not an approval" in version.refused(
        _APPROVER, by=_APPROVER
    )

    version.taken(_APPROVER, approve=_DIGEST, by=_APPROVER)
    status = people.wait("modelversion", version.name, has("Ready", "True", "MayServe"))["status"]
    assert status["approval"] == {
        "state": "Approved",
        "by": _APPROVER,
        "at": status["approval"]["at"],
        "digest": _DIGEST,
    }


def test_a_group_may_be_let_approve(people: Space, version: Asking) -> None:
    """The verb is RBAC's like any other: a group has it as well as a user, and the name is still the user's own."""
    version.refused(_ELSEWHERE, _APPROVERS, approve=_DIGEST, by=_APPROVERS)
    version.taken(_ELSEWHERE, _APPROVERS, approve=_DIGEST, by=_ELSEWHERE)
    people.wait("modelversion", version.name, has("Ready"))


@pytest.mark.parametrize("version", ["may", "may-not"], indirect=True)
def test_the_verb_can_be_given_for_one_version(version: Asking) -> None:
    """`resourceNames` holds: who may approve one version may approve no other."""
    if version.name == "may":
        version.taken(_SECOND, approve=_DIGEST, by=_SECOND)
    else:
        version.refused(_SECOND, approve=_DIGEST, by=_SECOND)


def test_an_approval_is_withdrawn_by_approvers_only(people: Space, version: Asking) -> None:
    """An approval holds against those who may only edit, and ends as soon as an approver takes it away: wholly."""
    version.taken(_APPROVER, approve=_DIGEST, by=_APPROVER)
    people.wait("modelversion", version.name, has("Ready"))
    version.refused(_EDITOR, approve=None, by=None)
    version.refused(_EDITOR, by=_EDITOR)
    assert "remove modelops.dev/approved-by too" in version.refused(_APPROVER, approve=None)
    version.taken(_EDITOR, note="an edit that leaves the approval alone")

    version.taken(_APPROVER, approve=None, by=None)
    status = people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))["status"]
    assert status["approval"] == {"state": "Pending"}


def test_another_approver_takes_the_approval_over(people: Space, version: Asking) -> None:
    """Who approves anew does so in the own name, and the status says so."""
    version.taken(_APPROVER, approve=_DIGEST, by=_APPROVER)
    people.wait(
        "modelversion", version.name, lambda body: body.get("status", {}).get("approval", {}).get("by") == _APPROVER
    )
    version.taken(_ELSEWHERE, _APPROVERS, by=_ELSEWHERE)
    people.wait("modelversion", version.name, lambda body: body["status"]["approval"].get("by") == _ELSEWHERE)


def test_an_approval_of_another_digest_lets_nothing_serve(people: Space, version: Asking) -> None:
    """A person approves bytes, not a name: another digest is told as a mistake, and mended by the right one."""
    version.taken(_APPROVER, approve=_OTHER_DIGEST, by=_APPROVER)
    told = people.wait("modelversion", version.name, has("Stalled", "True", "ApprovalMismatch"))
    assert condition(told, "Ready")["status"] == "False"  # type: ignore[index]
    assert told["status"]["approval"] == {"state": "Refused"}
    message = condition(told, "Ready")["message"]  # type: ignore[index]
    assert _OTHER_DIGEST in message
    assert _DIGEST in message

    version.taken(_APPROVER, approve=_DIGEST, by=_APPROVER)
    mended = people.wait("modelversion", version.name, has("Ready"))
    assert condition(mended, "Stalled") is None


def test_nobody_is_born_approved_by_an_editor(api: ApiServer, people: Space) -> None:
    """A version that is created with its approval in it is refused to whom may not approve, and taken from whom may."""
    for user, by, status in ((_EDITOR, _EDITOR, 403), (_APPROVER, _SECOND, 403), (_APPROVER, _APPROVER, 201)):
        body = _version(people, "born-approved", {APPROVE: _DIGEST, APPROVED_BY: by})
        answer = api.create(body, people.name, user)
        assert answer.status_code == status, f"{user} by {by}: {said(answer)}"


def test_an_automatic_version_is_under_the_policy_too(api: ApiServer, people: Space) -> None:
    """The annotations are evidence in every ModelVersion, whether they are asked for or not."""
    body = _version(people, "automatic", {APPROVE: _DIGEST, APPROVED_BY: _EDITOR})
    body["spec"]["approval"] = "Automatic"
    assert api.create(body, people.name, _EDITOR).status_code == 403


def test_the_command_in_the_status_approves(people: Space, version: Asking, tmp_path: Path) -> None:
    """The message of a version that waits is the command to paste into a shell, whoever one is; and the documentation's
    command takes the approval back.
    """
    told = people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))
    _, command = condition(told, "Ready")["message"].split("with: ", 1)  # type: ignore[index]
    _in_a_shell(people.cluster, command, _APPROVER, tmp_path)
    approved = people.wait("modelversion", version.name, has("Ready", "True", "MayServe"))
    assert approved["status"]["approval"]["by"] == _APPROVER

    back = f"kubectl annotate modelversion {version.name} -n {people.name} {APPROVE}- {APPROVED_BY}-"
    _in_a_shell(people.cluster, back, _APPROVER, tmp_path)
    people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))


def _in_a_shell(cluster: RealCluster, command: str, user: str, directory: Path) -> None:
    """Run a command as it stands, in a shell of somebody whose kubectl is set up for the cluster."""
    config = yaml.safe_load(cluster.place.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = user
    own = directory / "kubeconfig"
    own.touch(mode=0o600)
    own.write_text(yaml.safe_dump(config))
    environment = {**os.environ, "KUBECONFIG": str(own), "PATH": f"{kubectl.BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_nobody_but_the_operator_writes_a_status(api: ApiServer, people: Space, version: Asking) -> None:
    """Status is evidence: who may edit or approve cannot say that a version is Ready."""
    for user in (_EDITOR, _APPROVER):
        answer = api.change("ModelVersion", people.name, f"{version.name}/status", {"status": {}}, user)
        assert answer.status_code == 403
        assert "modelversions/status" in said(answer)
