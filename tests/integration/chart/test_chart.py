"""The chart as Helm renders it: what a user installs, checked without a cluster."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops.api.annotations import APPROVE, APPROVED_BY
from modelops.machinery import resources
from modelops.machinery.matching import already_applied
from modelops.machinery.settings import load
from support.checkout import ROOT

CHART = ROOT / "helm" / "modelops"
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
STORE = "store.url=s3://ml-models/modelops"
PROJECT = "modelops.dev"
CUSTOM = [resource.plural for resource in resources.PARENTS]
ROLES = ("Role", "ClusterRole")

Manifest = dict[str, Any]
Template = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[Manifest]]


class KubernetesYaml(yaml.SafeLoader):
    """Numbers as Kubernetes reads them, and as Helm writes them: 1e-06 is one."""


KubernetesYaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@pytest.fixture(scope="session")
def helm() -> str:
    """Helm's binary: $MODELOPS_HELM, else the one that hack/cluster keeps."""
    named = os.environ.get("MODELOPS_HELM")
    binary = Path(named) if named else ROOT / ".cluster" / "bin" / "helm"
    if not os.access(binary, os.X_OK):
        pytest.skip("no helm: set MODELOPS_HELM to its binary")
    return str(binary)


@pytest.fixture
def template(helm: str, tmp_path: Path) -> Template:
    """`helm template` with values, and its answer whatever it is."""

    def run(*sets: str, **values: Any) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        command = [helm, "template", "modelops", str(CHART), "--namespace=modelops-system", "--kube-version=1.33.0"]
        command += [f"--values={file}", *(f"--set={one}" for one in sets)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def render(template: Template) -> Render:
    """The manifests that the chart renders with a store and these values."""

    def manifests(*sets: str, **values: Any) -> list[Manifest]:
        done = template(STORE, *sets, **values)
        assert done.returncode == 0, done.stderr
        return [one for one in yaml.load_all(done.stdout, KubernetesYaml) if one]

    return manifests


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] in kinds]


def rules(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Every rule, with its role's name."""
    for role in of_kind(manifests, *ROLES):
        for rule in role["rules"]:
            yield role["metadata"]["name"], rule


def allowed(manifests: list[Manifest], role: str, group: str, resource: str) -> set[str]:
    """The verbs that a role gives on a resource."""
    return {
        verb
        for name, rule in rules(manifests)
        if name == role and group in rule["apiGroups"] and resource in rule["resources"]
        for verb in rule["verbs"]
    }


def settings_of(manifests: list[Manifest]) -> str:
    (settings,) = of_kind(manifests, "ConfigMap")
    return settings["data"]["settings.yaml"]


EVERY_SETTING: dict[str, Any] = {
    "store": {"endpoint": "http://s3:8333", "region": "us-east-1", "secretName": "s3"},
    "watchNamespaces": ["team-a", "team-b"],
    "images": {"registry": "images.example/ml", "pullPolicy": "Always", "worker": {"digest": "sha256:" + "a" * 64}},
    "runtimes": {
        "triton": {
            "image": "example/triton:1",
            "command": ["tritonserver"],
            "args": ["--model-repository={model_dir}"],
            "env": [{"name": "LANG", "value": "C"}],
            "formats": ["onnx"],
            "httpPort": 8081,
            "grpcPort": 8082,
            "readinessPath": "/ready",
            "resources": {"limits": {"nvidia.com/gpu": 1}},
        }
    },
    "workers": 4,
    "resync": "30m",
    "logLevel": "DEBUG",
    "clusterDomain": "cluster.example",
    "httpPort": 8090,
}


@pytest.mark.parametrize("values", [{}, EVERY_SETTING], ids=["defaults", "everything set"])
def test_the_operator_reads_every_setting_that_the_chart_writes(
    render: Render, tmp_path: Path, values: dict[str, Any]
) -> None:
    """Unknown fields are ignored by the operator: one misspelt in the chart would go unnoticed and have no effect."""
    text = settings_of(render(**values))
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    read = load(file).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert already_applied(yaml.safe_load(text), read)


def test_the_presets_run_the_server_image_until_they_name_their_own(render: Render) -> None:
    """`runtime: sklearn` must work as installed, and a platform team's own runtime must come beside it."""
    runtimes = yaml.safe_load(settings_of(render(**EVERY_SETTING)))["runtimes"]
    assert {"sklearn", "xgboost", "lightgbm", "onnx", "triton"} <= runtimes.keys()
    assert runtimes["sklearn"]["image"] == "images.example/ml/modelops/server:0.1.0"
    placeholders = {"{model_dir}", "{model_name}", "{model_version}", "{format}", "{http_port}"}
    assert placeholders <= {*runtimes["sklearn"]["args"]}
    assert runtimes["triton"]["image"] == "example/triton:1"
    assert runtimes["triton"]["args"] == ["--model-repository={model_dir}"]
    assert "triton" not in yaml.safe_load(settings_of(render(runtimes={"triton": None})))["runtimes"]


def test_a_preset_with_a_port_for_grpc_serves_it(render: Render) -> None:
    """A port that only the Service and the proxy know of leads nowhere."""
    runtimes = yaml.safe_load(settings_of(render("runtimes.onnx.grpcPort=8082")))["runtimes"]
    assert runtimes["onnx"]["grpcPort"] == 8082
    assert runtimes["onnx"]["args"][-2:] == ["--grpc-port", "{grpc_port}"]
    assert "--grpc-port" not in runtimes["sklearn"]["args"]


def test_a_digest_wins_over_a_tag(render: Render) -> None:
    """Who pins an image by digest runs that image and no other."""
    digest = "sha256:" + "b" * 64
    worker = {"registry": "own.example", "tag": "1.2.3", "digest": digest}
    settings = yaml.safe_load(settings_of(render(images={"registry": "images.example", "worker": worker})))
    assert settings["images"]["worker"] == f"own.example/modelops/worker@{digest}"
    assert settings["images"]["monitor"] == "images.example/modelops/monitor:0.1.0"


def test_a_change_of_settings_rolls_the_operator(render: Render) -> None:
    """The operator reads its settings once, at the start."""

    def annotations(*sets: str) -> Any:
        (deployment,) = of_kind(render(*sets), "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]

    assert annotations() == annotations()
    assert annotations() != annotations("resync=11m")


def test_with_watch_namespaces_nothing_is_granted_cluster_wide(render: Render) -> None:
    """Two teams in one cluster: an operator of one must not be able to read the other's Secrets."""
    manifests = render(watchNamespaces=["team-a", "team-b"])
    assert of_kind(manifests, "ClusterRole", "ClusterRoleBinding") == []
    operators = [
        binding["metadata"]["namespace"]
        for binding in of_kind(manifests, "RoleBinding")
        if not binding["metadata"]["name"].endswith("-election")
    ]
    assert operators == ["team-a", "team-b"]
    (policy,) = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    (where,) = policy["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert where["values"] == ["team-a", "team-b"]


def test_without_watch_namespaces_the_operator_may_watch_all_it_watches(render: Render) -> None:
    """A right that is missing shows only in a cluster, as a watch that never starts."""
    manifests = render()
    for resource in resources.WATCHED:
        verbs = allowed(manifests, "modelops", resource.group, resource.plural)
        assert {"get", "list", "watch"} <= verbs, resource.plural
    for resource in resources.PARENTS:
        assert allowed(manifests, "modelops", PROJECT, f"{resource.plural}/status") == {"patch"}
    assert {"create", "patch", "delete"} <= allowed(manifests, "modelops", PROJECT, "trainingruns"), "trials of sweeps"
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
    assert "patch" in allowed(manifests, "modelops", "", "pods"), "to have the kubelet look at new routes"
    (binding,) = of_kind(manifests, "ClusterRoleBinding")
    (subject,) = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == ("modelops", "modelops-system")


def test_what_is_not_watched_is_not_listed_either(render: Render) -> None:
    """A right that nothing uses is one that only a thief of the token has."""
    manifests = render()
    routes = (resources.HTTP_ROUTES.group, resources.HTTP_ROUTES.plural)
    for group, plural in (("", "persistentvolumeclaims"), ("apps", "controllerrevisions"), routes):
        assert not {"list", "watch"} & allowed(manifests, "modelops", group, plural), plural
    assert not {"create", "delete", "update"} & allowed(manifests, "modelops", "", "pods")
    assert "delete" not in allowed(manifests, "modelops", "", "services")


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["team-a"]}], ids=["cluster-wide", "one namespace"])
def test_no_role_lists_or_watches_secrets(render: Render, values: dict[str, Any]) -> None:
    """Secrets are read one by one, by the name that a spec gives: never all of a namespace."""
    for name, rule in rules(render(**values)):
        assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}, name
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["get"], name


def test_the_lease_is_the_only_one_that_the_operator_may_change(render: Render) -> None:
    """Leases of other programs live in the same namespace."""
    manifests = render()
    lease = yaml.safe_load(settings_of(manifests))["election"]
    leases = [rule for _, rule in rules(manifests) if "leases" in rule["resources"]]
    assert leases
    assert all(rule["verbs"] == ["create"] or rule["resourceNames"] == [lease["name"]] for rule in leases)
    (role,) = [one for one in of_kind(manifests, "Role") if one["metadata"]["name"].endswith("-election")]
    assert role["metadata"]["namespace"] == lease["namespace"] == "modelops-system"


def test_only_approvers_may_approve_and_nobody_writes_status(render: Render) -> None:
    """Who edits models must not let them serve; and a status is evidence only while people cannot write it."""
    manifests = render()
    assert "approve" in allowed(manifests, "modelops-approver", PROJECT, "modelversions")
    for role in ("modelops", "modelops-view", "modelops-edit"):
        assert "approve" not in allowed(manifests, role, PROJECT, "modelversions")
    for name, rule in rules(manifests):
        if name != "modelops":
            assert not [one for one in rule["resources"] if one.endswith("/status")], name
    (approver,) = [one for one in of_kind(manifests, "ClusterRole") if one["metadata"]["name"] == "modelops-approver"]
    assert not [label for label in approver["metadata"]["labels"] if "aggregate-to" in label]


def test_the_policy_watches_the_annotations_that_the_operator_reads(render: Render) -> None:
    """Other names in the policy than in the operator would let everybody approve."""
    (policy,) = of_kind(render(), "ValidatingAdmissionPolicy")
    expressions = " ".join(one["expression"] for one in policy["spec"]["variables"])
    assert {*re.findall(r"annotations\[\?'([^']+)'\]", expressions)} == {APPROVE, APPROVED_BY}
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert of_kind(render("approval.policy.enabled=false"), "ValidatingAdmissionPolicy") == []


def test_pods_meet_the_restricted_standard(render: Render) -> None:
    """A namespace that enforces the restricted Pod Security Standard must take the operator."""
    (deployment,) = of_kind(render(), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {"configMap", "emptyDir"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_the_operator_does_not_take_its_own_parts_for_children(render: Render) -> None:
    """Children are found by app.kubernetes.io/managed-by=modelops: the chart's own Deployment must not be one."""
    for manifest in render():
        labels = manifest["metadata"].get("labels", {})
        assert labels.get(resources.MANAGED_BY) != resources.MANAGER, manifest["metadata"]["name"]


def test_definitions_stay_when_the_chart_goes(render: Render) -> None:
    """Without the policy, `helm uninstall` deletes every Dataset and every ModelVersion of the cluster."""
    definitions = of_kind(render(), "CustomResourceDefinition")
    assert sorted(one["metadata"]["name"] for one in definitions) == sorted(f"{plural}.{PROJECT}" for plural in CUSTOM)
    for one in definitions:
        assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for one in of_kind(render("crds.keep=false"), "CustomResourceDefinition"):
        assert "annotations" not in one["metadata"]
    assert of_kind(render("crds.install=false"), "CustomResourceDefinition") == []


def test_definitions_are_those_of_the_api(render: Render) -> None:
    """`make crds` writes them twice. A chart with old ones would refuse, or drop, what the operator knows."""
    checked_in = [yaml.safe_load(file.read_text()) for file in CRDS]
    generated = {one["metadata"]["name"]: one["spec"] for one in checked_in}
    rendered = {one["metadata"]["name"]: one["spec"] for one in of_kind(render(), "CustomResourceDefinition")}
    assert rendered == generated
    for file in CRDS:
        assert (CHART / "files" / "crds" / file.name).read_bytes() == file.read_bytes(), "run `make crds`"


def test_a_missing_store_is_refused_with_what_to_set(template: Template) -> None:
    """The one value without a default: who forgets it must read its name, not a template's stack."""
    done = template()
    assert done.returncode != 0
    assert "store.url is missing; set it to" in done.stderr


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ("store.url=http://bucket", "url"),
        ("workers=0", "workers"),
        ("resync=often", "resync"),
        ("logLevel=chatty", "logLevel"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("images.worker.digest=sha256:abc", "digest"),
        ("watchNamespaces={Team A}", "watchNamespaces"),
        ("runtimes.mine.formats={pickle}", "formats"),
        ("replcas=3", "replcas"),
        ("election.renewSeconds=15", "election.renewSeconds"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_name(template: Template, bad: str, field: str) -> None:
    """A typo must end the install, and say where it is."""
    done = template(STORE, bad)
    assert done.returncode != 0
    assert field in done.stderr


def test_a_service_monitor_comes_only_when_asked_for(render: Render) -> None:
    """Its kind is not in every cluster: rendered unasked, it would fail the install."""
    assert of_kind(render(), "ServiceMonitor") == []
    (monitor,) = of_kind(render("metrics.serviceMonitor.enabled=true"), "ServiceMonitor")
    (service,) = of_kind(render(), "Service")
    assert already_applied(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])


def test_lint_finds_nothing(helm: str) -> None:
    """What `helm lint --strict` warns of, users meet."""
    done = subprocess.run(
        [helm, "lint", "--strict", str(CHART), "--set", STORE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
