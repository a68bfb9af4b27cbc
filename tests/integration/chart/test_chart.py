"""Manifests that the chart renders, without a cluster."""

import itertools
import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops.api.annotations import (
    ABORT,
    APPROVE,
    APPROVED_BY,
    PAUSE,
    PROMOTE,
    PROMOTE_FULL,
    RESUME_BY,
    RETRY,
    requester,
)
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.controllers.inferenceservice.pod.template import selector
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE, PINNED_INPUTS, SWEEP, SWEEP_RETRY, TRIAL
from modelops.machinery import resources
from modelops.machinery.matching import already_applied
from modelops.machinery.ownership import kind_label
from modelops.machinery.settings import load
from support.builders.inferenceservices import inference_service
from support.checkout import ROOT

CHART = ROOT / "helm" / "modelops"
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
STORE = "store.url=s3://ml-models/modelops"
PROJECT = "modelops.dev"
CUSTOM = [resource.plural for resource in resources.PARENTS]
ROLES = ("Role", "ClusterRole")
BINDING = "ValidatingAdmissionPolicyBinding"
POLICIES = ("approval", "steering", "children", "imitations", "scale", "evidence", "leash", "pods")

Manifest = dict[str, Any]
Template = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[Manifest]]


class KubernetesYaml(yaml.SafeLoader):
    """Loader that reads numbers as Kubernetes does and Helm writes them, such as 1e-06."""


KubernetesYaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@pytest.fixture(scope="session")
def helm() -> str:
    """Return the path of Helm: $MODELOPS_HELM, else the binary that hack/cluster installs."""
    named = os.environ.get("MODELOPS_HELM")
    binary = Path(named) if named else ROOT / ".cluster" / "bin" / "helm"
    if not os.access(binary, os.X_OK):
        pytest.skip("no helm: set MODELOPS_HELM to its binary")
    return str(binary)


@pytest.fixture
def template(helm: str, tmp_path: Path) -> Template:
    """Return a function that runs `helm template` with values, and returns the process whatever its exit code."""

    def run(*sets: str, **values: Any) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        command = [helm, "template", "modelops", str(CHART), "--namespace=modelops-system", "--kube-version=1.33.0"]
        command += [f"--values={file}", *(f"--set={value}" for value in sets)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def render(template: Template) -> Render:
    """Return a function that renders the manifests with a store and further values."""

    def manifests(*sets: str, **values: Any) -> list[Manifest]:
        done = template(STORE, *sets, **values)
        assert done.returncode == 0, done.stderr
        return [manifest for manifest in yaml.load_all(done.stdout, KubernetesYaml) if manifest]

    return manifests


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def rules(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield every rule of every role, as (name of the role, rule)."""
    for role in of_kind(manifests, *ROLES):
        for rule in role["rules"]:
            yield role["metadata"]["name"], rule


def allowed(manifests: list[Manifest], role: str, group: str, resource: str) -> set[str]:
    """Return the verbs that a role grants on a resource."""
    return {
        verb
        for name, rule in rules(manifests)
        if name == role and group in rule["apiGroups"] and resource in rule["resources"]
        for verb in rule["verbs"]
    }


def policies(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the admission policies by name."""
    return {found["metadata"]["name"]: found for found in of_kind(manifests, "ValidatingAdmissionPolicy")}


def policy(manifests: list[Manifest], name: str) -> Manifest:
    """Return the admission policy of this name."""
    return policies(manifests)[name]


def settings_of(manifests: list[Manifest]) -> str:
    (settings,) = of_kind(manifests, "ConfigMap")
    text: str = settings["data"]["settings.yaml"]
    return text


EVERY_SETTING: dict[str, Any] = {
    "store": {
        "endpoint": "http://s3:8333",
        "region": "us-east-1",
        "secretName": "s3",
        "importPrefixes": ["s3://imported/{namespace}/"],
    },
    "watchNamespaces": ["team-a", "team-b"],
    "images": {"registry": "images.example/ml", "pullPolicy": "Always", "worker": {"digest": "sha256:" + "a" * 64}},
    "runtimes": {
        "triton": {
            "image": "example/triton:1",
            "command": ["tritonserver"],
            "args": ["--model-repository={model_dir}"],
            "env": [{"name": "LANG", "value": "C"}],
            "reservedEnv": ["LANG"],
            "formats": ["onnx"],
            "httpPort": 8081,
            "grpcPort": 8082,
            "readinessPath": "/ready",
            "resources": {"limits": {"nvidia.com/gpu": 1}},
        }
    },
    "datasets": {"leastInterval": "1m"},
    "analysis": {
        "hooks": {"allowed": ["judge.tools", "*.example.com"]},
        "prometheus": {"shared": [{"url": "http://prometheus.monitoring:9090", "namespaceLabel": "team"}]},
    },
    "egress": {"deny": ["10.244.0.0/16", "fd00:10::/48"], "allow": ["100.64.0.0/16"]},
    "workers": 4,
    "resync": "30m",
    "cache": {"mebibytesPerNamespace": 16},
    "logLevel": "DEBUG",
    "tenancy": {"userNamespaces": True},
    "disk": {"scratch": "1Gi", "training": "2Ti"},
    "servers": {"defaultMaxBody": "512Ki", "defaultMemoryLimit": "8Gi"},
    "proxy": {"maxConnections": 100, "idleTimeout": "30s", "streamIdleTimeout": "1h"},
    "clusterDomain": "cluster.example",
    "httpPort": 8090,
}


@pytest.mark.parametrize("values", [{}, EVERY_SETTING], ids=["defaults", "everything set"])
def test_the_operator_reads_every_setting_that_the_chart_writes(
    render: Render, tmp_path: Path, values: dict[str, Any]
) -> None:
    """The operator ignores unknown fields: a field misspelt in the chart would silently have no effect."""
    text = settings_of(render(**values))
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    settings = load(file).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert already_applied(yaml.safe_load(text), settings)


def test_presets_without_an_image_run_the_server_image(render: Render) -> None:
    """`runtime: sklearn` works without configuration, and a platform team can add its own runtimes."""
    runtimes = yaml.safe_load(settings_of(render(**EVERY_SETTING)))["runtimes"]
    assert {"sklearn", "skops", "xgboost", "lightgbm", "onnx", "triton"} <= runtimes.keys()
    assert runtimes["sklearn"]["image"] == "images.example/ml/modelops/server:0.1.0"
    placeholders = {"{model_dir}", "{model_name}", "{model_version}", "{format}", "{http_port}"}
    assert placeholders <= {*runtimes["sklearn"]["args"]}
    assert runtimes["triton"]["image"] == "example/triton:1"
    assert runtimes["triton"]["args"] == ["--model-repository={model_dir}"]
    assert "triton" not in yaml.safe_load(settings_of(render(runtimes={"triton": None})))["runtimes"]


def test_a_preset_with_a_grpc_port_serves_grpc(render: Render) -> None:
    """Requests to a port that only the Service and the proxy know would fail."""
    runtimes = yaml.safe_load(settings_of(render("runtimes.onnx.grpcPort=8082")))["runtimes"]
    assert runtimes["onnx"]["grpcPort"] == 8082
    assert runtimes["onnx"]["args"][-2:] == ["--grpc-port", "{grpc_port}"]
    assert "--grpc-port" not in runtimes["sklearn"]["args"]


def test_a_digest_overrides_a_tag(render: Render) -> None:
    """An image that is pinned by its digest is the one that runs."""
    digest = "sha256:" + "b" * 64
    worker = {"registry": "own.example", "tag": "1.2.3", "digest": digest}
    settings = yaml.safe_load(settings_of(render(images={"registry": "images.example", "worker": worker})))
    assert settings["images"]["worker"] == f"own.example/modelops/worker@{digest}"
    assert settings["images"]["monitor"] == "images.example/modelops/monitor:0.1.0"


def test_a_change_of_settings_restarts_the_operator(render: Render) -> None:
    """The operator reads its settings only at its start."""

    def annotations(*sets: str) -> Any:
        (deployment,) = of_kind(render(*sets), "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]

    assert annotations() == annotations()
    assert annotations() != annotations("resync=11m")


def test_with_watch_namespaces_nothing_is_granted_cluster_wide(render: Render) -> None:
    """With two teams in a cluster, the operator of one team must not be able to read the Secrets of the other."""
    manifests = render(watchNamespaces=["team-a", "team-b"])
    assert of_kind(manifests, "ClusterRole", "ClusterRoleBinding") == []
    operators = [
        binding["metadata"]["namespace"]
        for binding in of_kind(manifests, "RoleBinding")
        if not binding["metadata"]["name"].endswith("-election")
    ]
    assert operators == ["team-a", "team-b"]
    bindings = {binding["spec"]["policyName"]: binding for binding in of_kind(manifests, BINDING)}
    leash = bindings.pop("modelops-modelops-system-leash")
    assert "matchResources" not in leash["spec"], "the operator's account is held in every namespace"
    assert len(bindings) == len(POLICIES) - 1
    for binding in bindings.values():
        (requirement,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert requirement["values"] == ["team-a", "team-b"]
    held = json.dumps(policy(manifests, "modelops-modelops-system-leash"))
    assert 'variables.targetNamespace in [\\"team-a\\",\\"team-b\\"]' in held


def granted(manifests: list[Manifest]) -> dict[str, set[str]]:
    """Return the verbs that the operator has on each resource, by its name for kubectl, such as `jobs.batch`."""
    verbs: dict[str, set[str]] = defaultdict(set)
    operators = ("modelops", "modelops-election", "modelops-secrets")
    for name, rule in rules(manifests):
        if name in operators:
            for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
                plural, slash, subresource = resource.partition("/")
                verbs[(f"{plural}.{group}" if group else plural) + slash + subresource] |= set(rule["verbs"])
    return verbs


def documented() -> dict[str, set[str]]:
    """Return the verbs on each resource in the table of docs/operations.md, every row of which has a reason."""
    verbs: dict[str, set[str]] = defaultdict(set)
    section = (ROOT / "docs" / "operations.md").read_text().split("### The operator\n")[1].split("\n#")[0]
    for row in re.findall(r"^\| (`.*) \| (.*) \| (.+) \|$", section, re.MULTILINE):
        for resource in re.findall(r"`([^`]+)`", row[0]):
            assert not verbs[resource] & {*row[1].split(", ")}, f"{resource} is in two rows with the same verb"
            verbs[resource] |= {*row[1].split(", ")}
    return verbs


def test_every_verb_of_the_operator_is_documented_with_its_reason(render: Render) -> None:
    """A right that nobody can explain helps only a thief of the operator's token."""
    assert granted(render(rbac={"secretNamespaces": ["*"]})) == documented()
    assert granted(render()) == {name: verbs for name, verbs in documented().items() if name != "secrets"}
    without_kueue = granted(render(writes={"policies": {"kueueUser": ""}}))
    assert documented().keys() - without_kueue.keys() == {"secrets", "workloads.kueue.x-k8s.io"}


def test_without_watch_namespaces_the_operator_has_all_rights_that_it_uses(render: Render) -> None:
    """A missing right shows only in a cluster, as a watch that never starts."""
    manifests = render()
    for resource in resources.WATCHED:
        assert {"list", "watch"} <= allowed(manifests, "modelops", resource.group, resource.plural), resource.plural
    for resource in resources.PARENTS:
        assert allowed(manifests, "modelops", PROJECT, f"{resource.plural}/status") == {"patch"}
    assert {"get", "create", "patch", "delete"} <= allowed(manifests, "modelops", PROJECT, "trainingruns"), "trials"
    for resource in (
        resources.DEPLOYMENTS,
        resources.AUTOSCALERS,
        resources.DISRUPTION_BUDGETS,
        resources.CONFIG_MAPS,
        resources.HTTP_ROUTES,
    ):
        verbs = allowed(manifests, "modelops", resource.group, resource.plural)
        assert {"get", "create", "patch", "delete"} <= verbs, resource.plural
    assert allowed(manifests, "modelops", "apps", "controllerrevisions") == {"get", "create", "patch", "delete"}
    assert "patch" in allowed(manifests, "modelops", "", "pods"), "to make the kubelet update new routes"
    (binding,) = of_kind(manifests, "ClusterRoleBinding")
    (subject,) = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == ("modelops", "modelops-system")


def test_the_operator_may_not_list_what_it_does_not_watch(render: Render) -> None:
    """A right that the operator does not use helps only a thief of its token."""
    manifests = render()
    routes = (resources.HTTP_ROUTES.group, resources.HTTP_ROUTES.plural)
    for group, plural in (("", "persistentvolumeclaims"), ("apps", "controllerrevisions"), routes):
        assert not {"list", "watch"} & allowed(manifests, "modelops", group, plural), plural
    assert not {"create", "delete", "update"} & allowed(manifests, "modelops", "", "pods")
    assert "delete" not in allowed(manifests, "modelops", "", "services")
    assert "patch" not in allowed(manifests, "modelops", "batch", "jobs"), "a Job is made once"
    for plural in ("datasets", "inferenceservices"):
        assert "get" not in allowed(manifests, "modelops", PROJECT, plural), "watched, and never a child"
    assert not allowed(manifests, "modelops", PROJECT, "modelversions/finalizers"), "a ModelVersion has no children"


def secret_roles(manifests: list[Manifest]) -> list[tuple[str, str]]:
    """Return the roles that grant a verb on Secrets, each as (kind, namespace)."""
    return [
        (role["kind"], role["metadata"].get("namespace", ""))
        for role in of_kind(manifests, *ROLES)
        if any("secrets" in rule["resources"] for rule in role["rules"])
    ]


@pytest.mark.parametrize(
    ("values", "roles"),
    [
        pytest.param({}, [], id="by default no Secret can be read"),
        pytest.param({"secretNamespaces": ["a", "b"]}, [("Role", "a"), ("Role", "b")], id="in the namespaces named"),
        pytest.param({"secretNamespaces": ["*"]}, [("ClusterRole", "")], id="in all namespaces"),
        pytest.param(
            {"secretNamespaces": ["*"], "watchNamespaces": ["a"]}, [("Role", "a")], id="in all that are watched"
        ),
        pytest.param(
            {"secretNamespaces": ["b"], "watchNamespaces": ["a", "b"]}, [("Role", "b")], id="in one that is watched"
        ),
    ],
)
def test_secrets_are_read_only_where_the_platform_team_says_so(
    render: Render, values: dict[str, Any], roles: list[tuple[str, str]]
) -> None:
    """And only by the name in a spec: Secrets are never listed or watched."""
    watched = values.get("watchNamespaces", [])
    manifests = render(rbac={"secretNamespaces": values.get("secretNamespaces", [])}, watchNamespaces=watched)
    assert secret_roles(manifests) == roles
    for name, rule in rules(manifests):
        assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}, name
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["get"], name
    bound = [
        each["metadata"]["namespace"]
        for each in of_kind(manifests, "RoleBinding")
        if each["roleRef"]["name"].endswith("-secrets")
    ]
    assert bound == [namespace for kind, namespace in roles if kind == "Role"]


def test_the_operator_may_change_only_its_own_lease(render: Render) -> None:
    """Leases of other programs may be in the same namespace."""
    manifests = render()
    lease = yaml.safe_load(settings_of(manifests))["election"]
    leases = [rule for _, rule in rules(manifests) if "leases" in rule["resources"]]
    assert leases
    assert all(rule["verbs"] == ["create"] or rule["resourceNames"] == [lease["name"]] for rule in leases)
    (role,) = [role for role in of_kind(manifests, "Role") if role["metadata"]["name"].endswith("-election")]
    assert role["metadata"]["namespace"] == lease["namespace"] == "modelops-system"


def test_only_approvers_approve_only_steerers_steer_and_only_the_operator_writes_status(render: Render) -> None:
    """Editors must not approve models, and a status is evidence only while people cannot write it."""
    manifests = render()
    assert "approve" in allowed(manifests, "modelops-approver", PROJECT, "modelversions")
    for role in ("modelops", "modelops-view", "modelops-edit", "modelops-steerer"):
        assert "approve" not in allowed(manifests, role, PROJECT, "modelversions")
    assert allowed(manifests, "modelops-steerer", PROJECT, "inferenceservices") == {
        "get",
        "list",
        "watch",
        "patch",
        "steer",
    }
    for role in ("modelops", "modelops-view", "modelops-edit", "modelops-approver"):
        assert "steer" not in allowed(manifests, role, PROJECT, "inferenceservices")
    for name, rule in rules(manifests):
        if name != "modelops":
            assert not [resource for resource in rule["resources"] if resource.endswith("/status")], name
    bound = [
        role
        for role in of_kind(manifests, "ClusterRole")
        if role["metadata"]["name"] in ("modelops-approver", "modelops-steerer")
    ]
    assert len(bound) == 2
    assert not [label for role in bound for label in role["metadata"]["labels"] if "aggregate-to" in label]


def test_the_policy_checks_the_annotations_that_the_operator_reads(render: Render) -> None:
    """With other names in the policy than in the operator every editor could approve."""
    approval = policy(render(), "modelops-approval")
    expressions = " ".join(variable["expression"] for variable in approval["spec"]["variables"])
    assert {*re.findall(r"annotations\[\?'([^']+)'\]", expressions)} == {APPROVE, APPROVED_BY}
    assert "modelops-approval" not in policies(render("approval.policy.enabled=false"))


def test_the_steering_policy_checks_the_annotations_that_the_operator_reads(render: Render) -> None:
    """With other names in the policy than in the operator every editor could promote a version in any name."""
    steering = policy(render(), "modelops-steering")
    expressions = " ".join(variable["expression"] for variable in steering["spec"]["variables"])
    (words,) = re.findall(r"\[([^]]+)\]\.map\(word", expressions)
    requests = {f"{PROJECT}/{word}" for word in re.findall(r"'([^']+)'", words)}
    assert requests == {PROMOTE, PROMOTE_FULL, ABORT, RETRY}
    named = {*re.findall(r"variables\.annotations\[\?'([^']+)'\]", expressions)}
    assert named == {PAUSE, requester(PAUSE), RESUME_BY}
    assert "modelops-steering" not in policies(render("steering.policy.enabled=false"))


def test_the_write_policies_name_what_the_operator_writes(render: Render) -> None:
    """With other names in the policies than in the operator people could write what the operator believes."""
    manifests = render()
    children = policy(manifests, "modelops-children")["spec"]["matchConstraints"]
    assert children["objectSelector"]["matchLabels"] == {resources.MANAGED_BY: resources.MANAGER}
    guarded = {
        (group, plural)
        for rule in children["resourceRules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    made = (*resources.WATCHED, resources.CONTROLLER_REVISIONS, resources.HTTP_ROUTES)
    assert guarded >= {(child.group, child.plural) for child in made if child not in resources.PARENTS}
    selected = {*selector(inference_service())} - {"app.kubernetes.io/component"}
    assert selected == {kind_label("InferenceService")}
    for name in ("modelops-imitations", "modelops-scale"):
        assert kind_label("InferenceService") in json.dumps(policy(manifests, name)), name
    evidence = json.dumps(policy(manifests, "modelops-evidence"))
    for mark in (SWEEP, TRIAL, OBJECTIVE, PINNED_INPUTS, SWEEP_RETRY, resources.MANAGED_BY):
        assert f"'{mark}'" in evidence, mark
    leash = json.dumps(policy(manifests, "modelops-leash"))
    assert f"'{ROUTES_ANNOTATION}'" in leash
    assert "object.metadata.name == 'modelops'" in leash, "the name of the Lease"


def test_every_policy_fails_closed_and_denies(render: Render) -> None:
    """A policy that only warns, or lets pass what it cannot evaluate, stops no attacker."""
    manifests = render()
    assert policies(manifests).keys() == {f"modelops-{name}" for name in POLICIES}
    assert all(found["spec"]["failurePolicy"] == "Fail" for found in policies(manifests).values())
    bindings = of_kind(manifests, BINDING)
    assert {binding["spec"]["policyName"] for binding in bindings} == policies(manifests).keys()
    assert all(binding["spec"]["validationActions"] == ["Deny"] for binding in bindings)
    left = {f"modelops-{name}" for name in ("approval", "steering", "pods")}
    assert policies(render("writes.policies.enabled=false")).keys() == left


def test_the_write_policies_know_the_accounts_of_the_values(render: Render) -> None:
    """A backup tool must restore ModelVersions, and a Kueue of another name must resume Jobs."""
    writes = {
        "trustedUsers": ["system:serviceaccount:velero:velero"],
        "kueueUser": "system:serviceaccount:queues:kueue",
    }
    manifests = render(writes={"policies": writes}, serviceAccount={"name": "ml"})
    children = policy(manifests, "modelops-children")["spec"]
    conditions = " ".join(condition["expression"] for condition in children["matchConditions"])
    assert '!(request.userInfo.username in ["system:serviceaccount:velero:velero"])' in conditions
    assert "request.userInfo.username != 'system:serviceaccount:modelops-system:ml'" in conditions
    assert "'system:serviceaccount:queues:kueue'" in json.dumps(children["variables"])
    (held,) = policy(manifests, "modelops-leash")["spec"]["matchConditions"]
    assert held["expression"] == "request.userInfo.username == 'system:serviceaccount:modelops-system:ml'"
    without = policy(render("writes.policies.kueueUser="), "modelops-children")["spec"]
    assert without["variables"][-1] == {"name": "byKueue", "expression": "false"}


PROFILE: dict[str, Any] = {
    "namespaceSelector": {"matchLabels": {"team": "a"}},
    "serviceAccounts": ["trainer"],
    "priorityClasses": ["batch"],
    "tolerations": [{"key": "gpu", "effect": "NoSchedule"}],
    "nodeSelectors": {"pool": ["a"]},
    "affinity": False,
    "users": {"min": 10000, "max": 19999},
    "volumes": ["emptyDir"],
    "secrets": ["s3"],
    "images": {"prefixes": ["registry.example/team-a/"], "digests": True},
    "runtimes": ["onnx"],
    "ownServers": False,
    "formats": ["onnx"],
    "gateways": [{"name": "public", "namespace": "edge"}],
    "hostnames": ["team-a.example.com"],
    "approval": "Manual",
}


def test_each_profile_is_a_policy_for_its_namespaces(render: Render) -> None:
    """A profile that held for the wrong namespaces would stop one tenant and free another."""
    manifests = render(tenancy={"profiles": {"team-a": PROFILE, "team-b": {**PROFILE, "namespaceSelector": {}}}})
    for name, selects in (("team-a", PROFILE["namespaceSelector"]), ("team-b", {})):
        found = policy(manifests, f"modelops-profile-{name}")
        (binding,) = [
            binding
            for binding in of_kind(manifests, BINDING)
            if binding["spec"]["policyName"] == found["metadata"]["name"]
        ]
        assert binding["spec"]["validationActions"] == ["Deny"]
        assert binding["spec"]["matchResources"]["namespaceSelector"] == selects
        assert found["spec"]["failurePolicy"] == "Fail"


def test_a_profile_holds_only_where_the_operator_watches(render: Render) -> None:
    """Two releases in a cluster must not judge the objects of each other."""
    manifests = render(watchNamespaces=["team-a"], tenancy={"profiles": {"all": PROFILE}})
    bindings = of_kind(manifests, BINDING)
    (binding,) = [each for each in bindings if each["metadata"]["name"].endswith("-profile-all")]
    selector = binding["spec"]["matchResources"]["namespaceSelector"]
    assert selector["matchLabels"] == {"team": "a"}
    assert [requirement["values"] for requirement in selector["matchExpressions"]] == [["team-a"]]


@pytest.mark.parametrize("field", [field for field in PROFILE if field != "namespaceSelector"])
def test_each_field_of_a_profile_is_enforced(render: Render, field: str) -> None:
    """A field that is accepted and has no rule would be believed, and protect nobody."""
    alone = {"namespaceSelector": {}, field: PROFILE[field]}
    found = policy(render(tenancy={"profiles": {"one": alone}}), "modelops-profile-one")
    assert found["spec"]["validations"]
    for validation in found["spec"]["validations"]:
        assert validation["messageExpression"].count("or ask the platform team") == 1


def test_a_refusal_says_whom_to_ask(render: Render) -> None:
    """The person who reads it knows nothing about the chart."""
    manifests = render(tenancy={"contact": "platform@example.com", "profiles": {"one": PROFILE}})
    for name in ("pods", "profile-one"):
        for validation in policy(manifests, f"modelops-{name}")["spec"]["validations"]:
            text = validation.get("messageExpression") or validation["message"]
            assert "or ask platform@example.com" in text


def test_the_basic_policy_can_be_left_out(render: Render) -> None:
    """A platform team may have policies of its own."""
    assert "modelops-pods" in policies(render())
    assert "modelops-pods" not in policies(render("tenancy.basics.enabled=false"))


def test_pods_meet_the_restricted_pod_security_standard(render: Render) -> None:
    """The operator must run in a namespace that enforces the restricted Pod Security Standard."""
    (deployment,) = of_kind(render(), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {"configMap", "emptyDir"}
    assert all(volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if "emptyDir" in volume)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_objects_of_the_chart_do_not_have_the_label_of_children(render: Render) -> None:
    """The operator selects children by app.kubernetes.io/managed-by=modelops: the chart's objects must not have it."""
    for manifest in render():
        labels = manifest["metadata"].get("labels", {})
        assert labels.get(resources.MANAGED_BY) != resources.MANAGER, manifest["metadata"]["name"]


def test_definitions_are_kept_when_the_chart_is_uninstalled(render: Render) -> None:
    """Without the policy, `helm uninstall` deletes every Dataset and every ModelVersion in the cluster."""
    definitions = of_kind(render(), "CustomResourceDefinition")
    assert sorted(definition["metadata"]["name"] for definition in definitions) == sorted(
        f"{plural}.{PROJECT}" for plural in CUSTOM
    )
    for definition in definitions:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for definition in of_kind(render("crds.keep=false"), "CustomResourceDefinition"):
        assert "annotations" not in definition["metadata"]
    assert of_kind(render("crds.install=false"), "CustomResourceDefinition") == []


def test_definitions_of_the_chart_match_the_api(render: Render) -> None:
    """`make crds` writes two copies. A chart with an old copy would reject or drop fields that the operator uses."""
    checked_in = [yaml.safe_load(file.read_text()) for file in CRDS]
    generated = {definition["metadata"]["name"]: definition["spec"] for definition in checked_in}
    definitions = of_kind(render(), "CustomResourceDefinition")
    rendered = {definition["metadata"]["name"]: definition["spec"] for definition in definitions}
    assert rendered == generated
    for file in CRDS:
        assert (CHART / "files" / "crds" / file.name).read_bytes() == file.read_bytes(), "run `make crds`"


def test_a_missing_store_is_rejected_by_name(template: Template) -> None:
    """The message for the only required value has its name and an example, not only a template's stack."""
    done = template()
    assert done.returncode != 0
    assert "store.url is missing; set it to" in done.stderr


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        pytest.param("store.url=http://bucket", "url", id="the store must be an S3 URL"),
        pytest.param(
            "store.importPrefixes={s3://imported}", "importPrefixes", id="an import prefix must end with a slash"
        ),
        pytest.param("workers=0", "workers", id="there must be at least one worker"),
        pytest.param("resync=often", "resync", id="resync must be a duration"),
        pytest.param("logLevel=chatty", "logLevel", id="the log level must be known"),
        pytest.param("images.pullPolicy=Sometimes", "pullPolicy", id="the pull policy must be known"),
        pytest.param("images.worker.digest=sha256:abc", "digest", id="a digest must have 64 hex digits"),
        pytest.param("watchNamespaces={Team A}", "watchNamespaces", id="a namespace must be a DNS label"),
        pytest.param("runtimes.mine.formats={pickle}", "formats", id="a format must be known"),
        pytest.param("tenancy.profiles.a.formats={onnx}", "namespaceSelector", id="a profile needs a selector"),
        pytest.param(
            "tenancy.profiles.a.images.prefixes={registry.example}", "prefixes", id="a prefix must not end in a name"
        ),
        pytest.param("tenancy.contact=it's me", "contact", id="a contact must not break an expression"),
        pytest.param("disk.scratch=1.5Gi", "scratch", id="a limit of a directory must be a whole number"),
        pytest.param("servers.defaultMaxBody=4Gi", "defaultMaxBody", id="a limit of bodies must be less than 4Gi"),
        pytest.param("servers.defaultMemoryLimit=4", "defaultMemoryLimit", id="a limit of memory must have a unit"),
        pytest.param("proxy.idleTimeout=0s", "idleTimeout", id="connections must not be closed at once"),
        pytest.param("proxy.maxConnections=0", "maxConnections", id="a proxy must accept connections"),
        pytest.param(
            "rbac.secretNamespaces={other},watchNamespaces={team-a}",
            "rbac.secretNamespaces",
            id="Secrets of a namespace that is not watched are never read",
        ),
        pytest.param("replcas=3", "replcas", id="an unknown value is rejected"),
        pytest.param(
            "election.renewSeconds=15", "election.renewSeconds", id="the leader must stop before the Lease ends"
        ),
    ],
)
def test_an_invalid_value_is_rejected_by_name(template: Template, bad: str, field: str) -> None:
    """A typo must fail the installation, with a message that names the value."""
    done = template(STORE, bad)
    assert done.returncode != 0
    assert field in done.stderr


def test_a_service_monitor_is_rendered_only_when_enabled(render: Render) -> None:
    """The kind ServiceMonitor is not installed in every cluster: by default it would fail the installation."""
    assert of_kind(render(), "ServiceMonitor") == []
    (monitor,) = of_kind(render("metrics.serviceMonitor.enabled=true"), "ServiceMonitor")
    (service,) = of_kind(render(), "Service")
    assert already_applied(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])


def test_helm_lint_passes(helm: str) -> None:
    """Warnings of `helm lint --strict` are problems that users would have."""
    done = subprocess.run(
        [helm, "lint", "--strict", str(CHART), "--set", STORE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
