"""What a namespace may use is decided by the platform team: the API server refuses the rest, without the operator."""

import copy
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from support.cluster.admission import changed, minimal
from support.cluster.api_server import ApiServer, Body, message
from support.cluster.chart_policies import rendered_policies
from support.cluster.polling import poll
from support.cluster.real_cluster import RealCluster

_EDITOR, _APPROVER = "eve@example.com", "anna@example.com"
_LABEL = "profile-of-a-test"
_DIGEST = "@sha256:" + "a" * 64
_IMAGE = f"registry.example/team-a/trainer{_DIGEST}"
_OTHER_IMAGE = f"registry.example.org/team-a/trainer{_DIGEST}"
_PROFILE: dict[str, Any] = {
    "serviceAccounts": ["trainer"],
    "priorityClasses": ["batch"],
    "tolerations": [{"key": "gpu", "effect": "NoSchedule"}, {"key": "pool", "value": "a"}],
    "nodeSelectors": {"pool": ["a", "b"], "gpu": []},
    "affinity": True,
    "users": {"min": 10000, "max": 19999},
    "volumes": ["emptyDir", "secret"],
    "secrets": ["s3"],
    "images": {"prefixes": ["registry.example/team-a/"], "digests": True},
    "runtimes": ["onnx"],
    "ownServers": True,
    "formats": ["onnx"],
    "gateways": [{"name": "public", "namespace": "edge"}, {"name": "own"}],
    "hostnames": ["team-a.example.com"],
    "approval": "Manual",
}
_VALID: dict[str, Body] = {
    "Dataset": {"spec.pod.runAsUser": 10000},
    "TrainingRun": {
        "spec.pod.runAsUser": 10000,
        "spec.trainer.image": _IMAGE,
        "spec.output.format": "onnx",
        "spec.output.versionTemplate": {"approval": "Manual"},
    },
    "ModelVersion": {"spec.artifact.format": "onnx", "spec.approval": "Manual"},
    "InferenceService": {"spec.pod.runAsUser": 10000, "spec.server.runtime": "onnx"},
}
"""Changes of a minimal object of each kind that the profile needs."""


@dataclass(frozen=True)
class Case:
    """A field that a policy restricts: changes of a valid object that are refused, and some that pass."""

    title: str
    kind: str
    refused: dict[str, Any]
    says: str
    passes: dict[str, Any]

    def __str__(self) -> str:
        return self.title


def _gateway(name: str, *hosts: str, namespace: str | None = None) -> Body:
    parent = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"parentRefs": [parent], "hostnames": list(hosts)}


def _own_server(image: str, **more: Any) -> Body:
    return {"spec.server": {"container": {"image": image, **more}}}


def _check(image: str, **more: Any) -> Body:
    job = {"image": image, **more}
    return {"spec.rollout": {"strategy": "BlueGreen", "analysis": {"checks": [{"name": "smoke", "job": job}]}}}


def _secret(name: str) -> list[Body]:
    return [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": name, "key": "token"}}}]


_HOST = "models.team-a.example.com"
_WITH_PODS = ("Dataset", "TrainingRun", "InferenceService")
BASICS = [
    case
    for kind in _WITH_PODS
    for case in (
        Case(
            f"{kind}: no priority class of the cluster's own Pods",
            kind,
            {"spec.pod.priorityClassName": "system-node-critical"},
            "spec.pod.priorityClassName system-node-critical is for the Pods of the cluster itself: choose another "
            "one, or ask the platform team",
            {"spec.pod.priorityClassName": "batch"},
        ),
        Case(
            f"{kind}: no toleration of every taint",
            kind,
            {"spec.pod.tolerations": [{"operator": "Exists"}]},
            "spec.pod.tolerations: a toleration without key tolerates every taint; name the key of the taint, or ask "
            "the platform team",
            {"spec.pod.tolerations": [{"key": "gpu", "operator": "Exists"}]},
        ),
        Case(
            f"{kind}: no toleration of the control plane",
            kind,
            {"spec.pod.tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]},
            "spec.pod.tolerations: the taint node-role.kubernetes.io/control-plane keeps Pods off the nodes of the "
            "control plane: remove the toleration, or ask the platform team",
            {"spec.pod.tolerations": [{"key": "node-role.example.com/gpu", "operator": "Exists"}]},
        ),
    )
]
PROFILED = [
    *(
        case
        for kind in _WITH_PODS
        for case in (
            Case(
                f"{kind}: ServiceAccounts",
                kind,
                {"spec.pod.serviceAccountName": "admin"},
                "spec.pod.serviceAccountName admin is not allowed in namespace {namespace}: use trainer, default, or "
                "ask the platform team",
                {"spec.pod.serviceAccountName": "trainer"},
            ),
            Case(
                f"{kind}: priority classes",
                kind,
                {"spec.pod.priorityClassName": "urgent"},
                "spec.pod.priorityClassName urgent is not allowed in namespace {namespace}: use batch, none, or ask",
                {"spec.pod.priorityClassName": "batch"},
            ),
            Case(
                f"{kind}: taints",
                kind,
                {"spec.pod.tolerations": [{"key": "infra", "operator": "Exists"}]},
                'spec.pod.tolerations: the taint infra with operator Exists, value "" and effect "" may not be '
                "tolerated in namespace {namespace}: remove the toleration, or ask the platform team",
                {"spec.pod.tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]},
            ),
            Case(
                f"{kind}: effects of taints",
                kind,
                {"spec.pod.tolerations": [{"key": "gpu", "operator": "Exists"}]},
                "spec.pod.tolerations: the taint gpu",
                {"spec.pod.tolerations": [{"key": "pool", "value": "a", "effect": "NoExecute"}]},
            ),
            Case(
                f"{kind}: values of taints",
                kind,
                {"spec.pod.tolerations": [{"key": "pool", "operator": "Exists"}]},
                "spec.pod.tolerations: the taint pool",
                {"spec.pod.tolerations": [{"key": "pool", "value": "a"}]},
            ),
            Case(
                f"{kind}: labels of nodes",
                kind,
                {"spec.pod.nodeSelector": {"zone": "a"}},
                "spec.pod.nodeSelector zone=a is not allowed in namespace {namespace}: remove it, or ask",
                {"spec.pod.nodeSelector": {"gpu": "any"}},
            ),
            Case(
                f"{kind}: values of labels of nodes",
                kind,
                {"spec.pod.nodeSelector": {"pool": "c"}},
                "spec.pod.nodeSelector pool=c is not allowed in namespace {namespace}: remove it, or ask",
                {"spec.pod.nodeSelector": {"pool": "b"}},
            ),
            Case(
                f"{kind}: node affinity, which selects nodes too",
                kind,
                {"spec.pod.affinity": {"nodeAffinity": {}}},
                "spec.pod.affinity.nodeAffinity is not allowed in namespace {namespace}, where the labels of nodes are "
                "restricted: use spec.pod.nodeSelector, or ask",
                {"spec.pod.affinity": {"podAntiAffinity": {}}},
            ),
            Case(
                f"{kind}: users",
                kind,
                {"spec.pod.runAsUser": 20000},
                "spec.pod.runAsUser 20000 is not allowed in namespace {namespace}: use 10000 to 19999, or ask",
                {"spec.pod.runAsUser": 19999},
            ),
            Case(
                f"{kind}: pull secrets",
                kind,
                {"spec.pod.imagePullSecrets": [{"name": "other"}]},
                "spec.pod.imagePullSecrets: the Secret other is not allowed in namespace {namespace}: use s3, none, or",
                {"spec.pod.imagePullSecrets": [{"name": "s3"}]},
            ),
        )
    ),
    Case(
        "users: the default one",
        "Dataset",
        {"spec.pod": {}},
        "spec.pod.runAsUser 65532 is not allowed in namespace {namespace}: use 10000 to 19999, or ask",
        {},
    ),
    Case(
        "kinds of volumes",
        "InferenceService",
        {"spec.pod.volumes": [{"name": "code", "configMap": {"name": "code"}}]},
        "spec.pod.volumes: the kind of volume code is not allowed in namespace {namespace}: use emptyDir, secret, none",
        {"spec.pod.volumes": [{"name": "shm", "emptyDir": {}}]},
    ),
    Case(
        "Secrets of a source",
        "Dataset",
        {"spec.source.s3.secretRef": {"name": "other"}},
        "spec.source.s3.secretRef: the Secret other is not allowed",
        {"spec.source.s3.secretRef": {"name": "s3"}},
    ),
    Case(
        "Secrets of a trainer",
        "TrainingRun",
        {"spec.trainer.env": _secret("other")},
        "spec.trainer.env: the Secret other is not allowed",
        {"spec.trainer.env": _secret("s3")},
    ),
    Case(
        "Secrets of a preset",
        "InferenceService",
        {"spec.server.env": _secret("other")},
        "spec.server.env: the Secret other is not allowed",
        {"spec.server.env": _secret("s3")},
    ),
    Case(
        "Secrets of a server of one's own",
        "InferenceService",
        _own_server(_IMAGE, env=_secret("other")),
        "spec.server.container.env: the Secret other is not allowed",
        _own_server(_IMAGE, env=_secret("s3")),
    ),
    Case(
        "Secrets of a check",
        "InferenceService",
        _check(_IMAGE, env=_secret("other")),
        "spec.rollout.analysis.checks[smoke].job.env: a Secret of it is not allowed",
        _check(_IMAGE, env=_secret("s3")),
    ),
    Case(
        "Secrets of volumes",
        "InferenceService",
        {"spec.pod.volumes": [{"name": "keys", "secret": {"secretName": "other"}}]},
        "spec.pod.volumes: the Secret other is not allowed",
        {"spec.pod.volumes": [{"name": "keys", "secret": {"secretName": "s3"}}]},
    ),
    Case(
        "images of a trainer",
        "TrainingRun",
        {"spec.trainer.image": _OTHER_IMAGE},
        f"spec.trainer.image {_OTHER_IMAGE} is not allowed in namespace {{namespace}}: use an image of "
        "registry.example/team-a/, or ask the platform team",
        {"spec.trainer.image": _IMAGE},
    ),
    Case(
        "images by tag",
        "TrainingRun",
        {"spec.trainer.image": "registry.example/team-a/trainer:1"},
        "spec.trainer.image registry.example/team-a/trainer:1 is not allowed in namespace {namespace}: use its digest",
        {"spec.trainer.image": f"registry.example/team-a/trainer:1{_DIGEST}"},
    ),
    Case(
        "images of servers",
        "InferenceService",
        _own_server(_OTHER_IMAGE),
        f"spec.server.container.image {_OTHER_IMAGE} is not allowed",
        _own_server(_IMAGE),
    ),
    Case(
        "images of checks",
        "InferenceService",
        _check(_OTHER_IMAGE),
        f"spec.rollout.analysis.checks[smoke].job.image {_OTHER_IMAGE} is not allowed",
        _check(_IMAGE),
    ),
    Case(
        "runtimes",
        "InferenceService",
        {"spec.server.runtime": "sklearn"},
        "spec.server.runtime sklearn is not allowed in namespace {namespace}: use onnx, or ask the platform team",
        {"spec.server.runtime": "onnx"},
    ),
    Case(
        "formats of a run",
        "TrainingRun",
        {"spec.output.format": "sklearn"},
        "spec.output.format sklearn is not allowed in namespace {namespace}: use onnx, or ask the platform team",
        {"spec.output.format": "onnx"},
    ),
    Case(
        "formats of a version",
        "ModelVersion",
        {"spec.artifact.format": "sklearn"},
        "spec.artifact.format sklearn is not allowed in namespace {namespace}: use onnx, or ask the platform team",
        {"spec.artifact.format": "onnx"},
    ),
    Case(
        "Gateways by their namespace",
        "InferenceService",
        {"spec.gateway": _gateway("public", _HOST)},
        "spec.gateway.parentRefs: the Gateway public of namespace {namespace} may not be used in namespace {namespace}",
        {"spec.gateway": _gateway("own", _HOST)},
    ),
    Case(
        "Gateways by name",
        "InferenceService",
        {"spec.gateway": _gateway("internal", _HOST, namespace="edge")},
        "spec.gateway.parentRefs: the Gateway internal of namespace edge may not be used in namespace {namespace}",
        {"spec.gateway": _gateway("public", _HOST, namespace="edge")},
    ),
    Case(
        "hostnames",
        "InferenceService",
        {"spec.gateway": _gateway("own", _HOST, "evil-team-a.example.com")},
        "spec.gateway.hostnames: evil-team-a.example.com is not allowed in namespace {namespace}: use a name of "
        "team-a.example.com, or ask the platform team",
        {"spec.gateway": _gateway("own", "team-a.example.com", "*.team-a.example.com")},
    ),
    Case(
        "every hostname of a listener",
        "InferenceService",
        {"spec.gateway": _gateway("own")},
        "spec.gateway.hostnames, absent, is not allowed in namespace {namespace}",
        {"spec.gateway": _gateway("own", _HOST)},
    ),
    Case(
        "the approval of a run's versions",
        "TrainingRun",
        {"spec.output.versionTemplate": {"approval": "Automatic"}},
        "spec.output.versionTemplate.approval Automatic is not allowed in namespace {namespace}: use Manual, or ask",
        {"spec.output.versionTemplate": {}, "spec.output.registration": "Never"},
    ),
    Case(
        "the approval of a version",
        "ModelVersion",
        {"spec.approval": "Automatic"},
        'spec.approval Automatic needs the verb "approve" on modelversions.modelops.dev in namespace {namespace}: use '
        "Manual, or ask the platform team",
        {"spec.approval": "Manual"},
    ),
]


@dataclass(frozen=True)
class Tenants:
    """Namespaces of one profile each, in which one user may edit and another one approve too."""

    api: ApiServer
    cluster: RealCluster
    restricted: str
    """Namespace of the whole profile."""
    served: str
    """Namespace of a profile that allows one runtime, and no server of one's own."""
    free: str
    """Namespace without a profile."""
    late: str
    """Namespace that gets the whole profile only after an object was made in it."""

    def answer(self, body: Body, namespace: str, user: str = _EDITOR) -> tuple[int, str]:
        """Return code and message of the creation of an object, which is not kept."""
        answer = self.api.create({**body, "metadata": {"name": "one", "namespace": namespace}}, namespace, user)
        return answer.status_code, message(answer)


@pytest.fixture(scope="module")
def tenants(cluster: RealCluster, api: ApiServer) -> Iterator[Tenants]:
    """Namespaces whose profiles are rendered by the chart."""
    own = f"t-{uuid.uuid4().hex[:8]}"
    spaces = {name: f"{own}-{name}" for name in ("restricted", "served", "free", "late")}
    profiles = {
        name: {**profile, "namespaceSelector": {"matchLabels": {_LABEL: spaces[name]}}}
        for name, profile in (("restricted", _PROFILE), ("served", {"runtimes": ["onnx"]}))
    }
    policies = rendered_policies(
        own,
        tenancy={"basics": {"enabled": False}, "profiles": profiles},
        approval={"policy": {"enabled": False}},
        steering={"policy": {"enabled": False}},
        writes={"policies": {"enabled": False}},
    )
    assert len(policies) == 4
    cluster.apply(*policies)
    for name, space in spaces.items():
        cluster.apply(
            _namespace(space, space if name in profiles else None),
            _binding(space, "modelops-edit", _EDITOR, _APPROVER),
            _binding(space, "modelops-approver", _APPROVER),
        )
    made = Tenants(api, cluster, **spaces)
    for namespace in (made.restricted, made.served):
        poll(
            partial(made.answer, minimal("InferenceService"), namespace),
            lambda answer: answer[0] == 403 and "ValidatingAdmissionPolicy" in answer[1],
            within=30,
            awaited="the API server enforces the policies",
        )
    for namespace in (made.free, made.late):
        poll(
            partial(made.answer, minimal("InferenceService"), namespace),
            lambda answer: answer[0] == 201,
            within=30,
            awaited="the editor may write",
        )
    yield made
    for policy in policies:
        cluster.kubectl("delete", policy["kind"].lower(), policy["metadata"]["name"], "--wait=false")
    cluster.kubectl("delete", "namespace", *spaces.values(), "--wait=false")


def _namespace(name: str, profile: str | None) -> Body:
    labels = {_LABEL: profile} if profile is not None else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _binding(namespace: str, role: str, *users: str) -> Body:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user} for user in users],
    }


def _valid(kind: str) -> Body:
    return changed(minimal(kind), copy.deepcopy(_VALID[kind]))


@pytest.mark.parametrize("case", BASICS, ids=str)
def test_no_namespace_may_use_what_belongs_to_the_cluster(tenants: Tenants, case: Case) -> None:
    """Without a profile a tenant must not displace the cluster's own Pods, or run on its control plane."""
    code, why = tenants.answer(changed(minimal(case.kind), dict(case.refused)), tenants.free)
    assert code == 403, why
    assert why.endswith(f"denied request: {case.says}")
    code, why = tenants.answer(changed(minimal(case.kind), dict(case.passes)), tenants.free)
    assert code == 201, why


@pytest.mark.parametrize("kind", _WITH_PODS)
def test_no_namespace_may_run_pods_as_root(tenants: Tenants, kind: str) -> None:
    """The definitions refuse user 0, whatever the chart says."""
    code, why = tenants.answer(changed(minimal(kind), {"spec.pod.runAsUser": 0}), tenants.free)
    assert code == 422
    assert "spec.pod.runAsUser" in why


@pytest.mark.parametrize("case", PROFILED, ids=str)
def test_a_namespace_may_use_only_what_its_profile_allows(tenants: Tenants, case: Case) -> None:
    """The refusal is one sentence with field and value, and says whom to ask. A namespace without profile is free."""
    refused = changed(_valid(case.kind), copy.deepcopy(case.refused))
    code, why = tenants.answer(refused, tenants.restricted)
    assert code == 403, why
    assert f"denied request: {case.says.format(namespace=tenants.restricted)}" in why
    assert why.endswith("or ask the platform team")
    code, why = tenants.answer(changed(_valid(case.kind), copy.deepcopy(case.passes)), tenants.restricted)
    assert code == 201, why
    code, why = tenants.answer(refused, tenants.free)
    assert code == 201, why


@pytest.mark.parametrize("kind", _VALID)
def test_an_object_that_uses_nothing_else_is_admitted(tenants: Tenants, kind: str) -> None:
    """A profile refuses only what it names."""
    code, why = tenants.answer(_valid(kind), tenants.restricted)
    assert code == 201, why


def test_a_profile_of_runtimes_refuses_servers_of_ones_own(tenants: Tenants) -> None:
    """Otherwise any image would be a runtime."""
    own = changed(minimal("InferenceService"), _own_server("server:1"))
    code, why = tenants.answer(own, tenants.served)
    assert code == 403
    assert why.endswith(
        f"spec.server.container is not allowed in namespace {tenants.served}: use a preset by spec.server.runtime, or "
        "ask the platform team"
    )
    code, why = tenants.answer(changed(minimal("InferenceService"), {"spec.server.runtime": "onnx"}), tenants.served)
    assert code == 201, why


def test_an_approver_may_create_a_version_that_needs_no_approval(tenants: Tenants) -> None:
    """Who may approve the version may as well create it approved."""
    automatic = changed(_valid("ModelVersion"), {"spec.approval": "Automatic"})
    assert tenants.answer(automatic, tenants.restricted, _APPROVER)[0] == 201
    assert tenants.answer(automatic, tenants.restricted, _EDITOR)[0] == 403


def test_an_object_from_before_the_profile_can_be_labelled_but_not_changed(tenants: Tenants) -> None:
    """Otherwise a new profile would block the deletion of objects with finalizers."""
    name = f"older-{uuid.uuid4().hex[:8]}"
    body = changed(minimal("Dataset", name), {"spec.suspend": True})
    body["metadata"]["namespace"] = tenants.late
    tenants.cluster.apply(body)
    tenants.cluster.apply(_namespace(tenants.late, tenants.restricted))

    def change(difference: Body) -> tuple[int, str]:
        answer = tenants.api.change("Dataset", tenants.late, name, difference, _EDITOR)
        return answer.status_code, message(answer)

    _, why = poll(
        lambda: change({"spec": {"pod": {"priorityClassName": "urgent"}}}),
        lambda answer: answer[0] == 403 and "ValidatingAdmissionPolicy" in answer[1],
        within=30,
        awaited="the profile holds for the namespace",
    )
    assert "spec.pod.priorityClassName urgent" in why
    assert change({"metadata": {"labels": {"seen": "yes"}}})[0] == 200
