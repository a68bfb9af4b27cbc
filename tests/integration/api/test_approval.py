"""The API server itself protects the approval of a ModelVersion, without the operator."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack import kubectl
from modelops.api.annotations import APPROVE, APPROVED_BY
from support.cluster import real_cluster
from support.cluster.api_server import ApiServer, Body, message
from support.cluster.real_cluster import RealCluster, Space, condition, has

_DIGEST = "sha256:" + "a" * 64
_OTHER_DIGEST = "sha256:" + "b" * 64
_EDITOR, _APPROVER, _SECOND, _ELSEWHERE = "eve@example.com", "anna@example.com", "bert@example.com", "carl@example.com"
_APPROVERS = "risk-team"


@pytest.fixture(scope="module")
def people(cluster: RealCluster) -> Iterator[Space]:
    """Namespace with users who may edit, users who may approve too, and one who may approve a single version."""
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
            "artifact": {"uri": f"s3://{space.name}/approval/", "digest": _DIGEST, "format": "sklearn", "bytes": 1},
            "origin": {"imported": {"source": "a notebook"}},
            "approval": "Manual",
        },
    )
    body["metadata"]["annotations"] = annotations or {}
    return body


def _annotations(**values: str | None) -> Body:
    names = {"approve": APPROVE, "by": APPROVED_BY, "note": "example.com/note"}
    return {"metadata": {"annotations": {names[key]: value for key, value in values.items()}}}


class PendingVersion:
    """ModelVersion that waits for approval, and the API server's responses to changes of its annotations."""

    def __init__(self, api: ApiServer, space: Space, name: str) -> None:
        self._api, self._space, self.name = api, space, name

    def assert_rejected(self, user: str, *groups: str, **annotations: str | None) -> str:
        """Assert that the policy rejects a change of a user, and return the message."""
        answer = self._api.change(
            "ModelVersion", self._space.name, self.name, _annotations(**annotations), user, *groups
        )
        assert answer.status_code == 403, f"{answer.status_code}: {message(answer)}"
        assert "ValidatingAdmissionPolicy" in message(answer), message(answer)
        return message(answer)

    def assert_admitted(self, user: str, *groups: str, **annotations: str | None) -> None:
        """Assert that a change of a user is admitted."""
        answer = self._api.change(
            "ModelVersion", self._space.name, self.name, _annotations(**annotations), user, *groups
        )
        assert answer.status_code == 200, message(answer)


@pytest.fixture
def version(api: ApiServer, people: Space, request: pytest.FixtureRequest) -> Iterator[PendingVersion]:
    """ModelVersion that waits for approval."""
    name = getattr(request, "param", f"v-{uuid.uuid4().hex[:8]}")
    people.apply(_version(people, name))
    yield PendingVersion(api, people, name)
    people.cluster.kubectl("delete", "modelversion", name, "-n", people.name)


def test_an_editor_may_not_approve(people: Space, version: PendingVersion) -> None:
    """A person who trains a model cannot approve it. The message names the required verb and role."""
    rejection = version.assert_rejected(_EDITOR, approve=_DIGEST, by=_EDITOR)
    assert f"{_EDITOR} may not approve ModelVersion {version.name}" in rejection
    assert f'the verb "approve" on modelversions.modelops.dev in namespace {people.name} is required' in rejection
    assert "modelops-approver" in rejection
    version.assert_rejected(_EDITOR, approve=_DIGEST)
    version.assert_rejected(_EDITOR, by=_EDITOR)
    assert people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))


def test_an_editor_may_change_other_annotations(version: PendingVersion) -> None:
    """The policy protects only the approval: editors may change all other annotations."""
    version.assert_admitted(_EDITOR, note="looks good")


def test_a_user_without_rights_is_rejected_by_rbac(api: ApiServer, people: Space, version: PendingVersion) -> None:
    """The policy grants no rights."""
    answer = api.change(
        "ModelVersion", people.name, version.name, _annotations(approve=_DIGEST, by=_ELSEWHERE), _ELSEWHERE
    )
    assert answer.status_code == 403
    assert "cannot patch resource" in message(answer)


def test_an_approver_approves_only_in_their_own_name(people: Space, version: PendingVersion) -> None:
    """The name in the status is verified: an approval in another name, or without one, is rejected."""
    for name in (_SECOND, None):
        rejection = version.assert_rejected(_APPROVER, approve=_DIGEST, by=name)
        assert f"{APPROVED_BY}={_APPROVER}" in rejection
        assert f"{APPROVE}={_DIGEST}" in rejection
    assert "modelops.dev/approved-by without modelops.dev/approve is not an approval" in version.assert_rejected(
        _APPROVER, by=_APPROVER
    )

    version.assert_admitted(_APPROVER, approve=_DIGEST, by=_APPROVER)
    status = people.wait("modelversion", version.name, has("Ready", "True", "MayServe"))["status"]
    assert status["approval"] == {
        "state": "Approved",
        "by": _APPROVER,
        "at": status["approval"]["at"],
        "digest": _DIGEST,
    }


def test_a_group_may_be_allowed_to_approve(people: Space, version: PendingVersion) -> None:
    """RBAC grants the verb to groups as well as to users. The name in the approval is still the user's own."""
    version.assert_rejected(_ELSEWHERE, _APPROVERS, approve=_DIGEST, by=_APPROVERS)
    version.assert_admitted(_ELSEWHERE, _APPROVERS, approve=_DIGEST, by=_ELSEWHERE)
    people.wait("modelversion", version.name, has("Ready"))


@pytest.mark.parametrize("version", ["may", "may-not"], indirect=True)
def test_the_verb_can_be_granted_for_a_single_version(version: PendingVersion) -> None:
    """The policy respects `resourceNames`: the user may approve the named version and no other."""
    if version.name == "may":
        version.assert_admitted(_SECOND, approve=_DIGEST, by=_SECOND)
    else:
        version.assert_rejected(_SECOND, approve=_DIGEST, by=_SECOND)


def test_only_approvers_may_withdraw_an_approval(people: Space, version: PendingVersion) -> None:
    """Editors cannot remove an approval. An approver can, by removing both annotations."""
    version.assert_admitted(_APPROVER, approve=_DIGEST, by=_APPROVER)
    people.wait("modelversion", version.name, has("Ready"))
    version.assert_rejected(_EDITOR, approve=None, by=None)
    version.assert_rejected(_EDITOR, by=_EDITOR)
    assert "remove modelops.dev/approved-by too" in version.assert_rejected(_APPROVER, approve=None)
    version.assert_admitted(_EDITOR, note="an edit that leaves the approval alone")

    version.assert_admitted(_APPROVER, approve=None, by=None)
    status = people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))["status"]
    assert status["approval"] == {"state": "Pending"}


def test_another_approver_may_replace_the_approval(people: Space, version: PendingVersion) -> None:
    """The status shows the latest approver."""
    version.assert_admitted(_APPROVER, approve=_DIGEST, by=_APPROVER)
    people.wait(
        "modelversion", version.name, lambda body: body.get("status", {}).get("approval", {}).get("by") == _APPROVER
    )
    version.assert_admitted(_ELSEWHERE, _APPROVERS, by=_ELSEWHERE)
    people.wait("modelversion", version.name, lambda body: body["status"]["approval"].get("by") == _ELSEWHERE)


def test_an_approval_of_another_digest_is_refused(people: Space, version: PendingVersion) -> None:
    """A person approves bytes, not a name: another digest stalls the version until the right digest is approved."""
    version.assert_admitted(_APPROVER, approve=_OTHER_DIGEST, by=_APPROVER)
    stalled = people.wait("modelversion", version.name, has("Stalled", "True", "ApprovalMismatch"))
    ready = condition(stalled, "Ready")
    assert ready is not None
    assert ready["status"] == "False"
    assert stalled["status"]["approval"] == {"state": "Refused"}
    assert _OTHER_DIGEST in ready["message"]
    assert _DIGEST in ready["message"]

    version.assert_admitted(_APPROVER, approve=_DIGEST, by=_APPROVER)
    approved = people.wait("modelversion", version.name, has("Ready"))
    assert condition(approved, "Stalled") is None


def test_an_editor_may_not_create_an_approved_version(api: ApiServer, people: Space) -> None:
    """Creating a version with an approval requires the same rights as approving an existing version."""
    for user, by, status in ((_EDITOR, _EDITOR, 403), (_APPROVER, _SECOND, 403), (_APPROVER, _APPROVER, 201)):
        body = _version(people, "born-approved", {APPROVE: _DIGEST, APPROVED_BY: by})
        answer = api.create(body, people.name, user)
        assert answer.status_code == status, f"{user} by {by}: {message(answer)}"


def test_the_policy_applies_to_automatic_versions_too(api: ApiServer, people: Space) -> None:
    """The annotations are evidence in every ModelVersion, even if its approval is automatic."""
    body = _version(people, "automatic", {APPROVE: _DIGEST, APPROVED_BY: _EDITOR})
    body["spec"]["approval"] = "Automatic"
    assert api.create(body, people.name, _EDITOR).status_code == 403


def test_the_command_in_the_message_approves_the_version(
    people: Space, version: PendingVersion, tmp_path: Path
) -> None:
    """A person approves by pasting the command of the message, and withdraws the approval by the documented command."""
    pending = people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))
    ready = condition(pending, "Ready")
    assert ready is not None
    _, command = ready["message"].split("with: ", 1)
    _in_a_shell(people.cluster, command, _APPROVER, tmp_path)
    approved = people.wait("modelversion", version.name, has("Ready", "True", "MayServe"))
    assert approved["status"]["approval"]["by"] == _APPROVER

    back = f"kubectl annotate modelversion {version.name} -n {people.name} {APPROVE}- {APPROVED_BY}-"
    _in_a_shell(people.cluster, back, _APPROVER, tmp_path)
    people.wait("modelversion", version.name, has("Ready", "False", "AwaitingApproval"))


def _in_a_shell(cluster: RealCluster, command: str, user: str, directory: Path) -> None:
    """Run a command unchanged in a shell, with a kubeconfig that impersonates a user."""
    config = yaml.safe_load(cluster.place.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = user
    own = directory / "kubeconfig"
    own.touch(mode=0o600)
    own.write_text(yaml.safe_dump(config))
    environment = {**os.environ, "KUBECONFIG": str(own), "PATH": f"{kubectl.BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_only_the_operator_may_write_the_status(api: ApiServer, people: Space, version: PendingVersion) -> None:
    """The status is evidence: editors and approvers cannot make a version Ready."""
    for user in (_EDITOR, _APPROVER):
        answer = api.change("ModelVersion", people.name, f"{version.name}/status", {"status": {}}, user)
        assert answer.status_code == 403
        assert "modelversions/status" in message(answer)
