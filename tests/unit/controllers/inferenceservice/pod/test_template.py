"""The Pod template of a revision: security, probes, lineage, and no rollout without need."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from modelops.api.contract.tasks import FetchModelTask
from modelops.api.pods import PROXY_USER
from modelops.controllers.inferenceservice.pod.template import REVISION, lineage_annotations, serving_of
from modelops.controllers.inferenceservice.revisions import children
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.traffic.envoy_routes import rendered
from modelops.controllers.inferenceservice.traffic.propagation import split_of
from modelops.machinery.matching import already_applied
from modelops.monitor.envoy.bootstrap import bootstrap
from modelops.monitor.settings import Settings as ProxySettings
from support.builders.common import digest
from support.builders.inferenceservices import deployment, inference_service
from support.builders.modelversions import version

TRITON = {
    "image": "triton:1",
    "command": ["serve"],
    "args": ["{model_dir}/{model_name}", "{grpc_port}", "{model_version}", "{format}", "{unknown}", "{{http_port}}"],
    "formats": ["sklearn"],
    "grpcPort": 8082,
    "readinessPath": "/ready?x=$(HOME)",
}


def built(service: Any = None, serves: Any = None, **more: Any) -> dict[str, Any]:
    """Build the Deployment."""
    return deployment(service or inference_service(), serves or version(), **more)


def spec(**given: Any) -> dict[str, Any]:
    """Build the Pod's spec."""
    pod: dict[str, Any] = built(**given)["spec"]["template"]["spec"]
    return pod


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a container of the Pod."""
    return next(container for container in containers(pod) if container["name"] == name)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["initContainers"], *pod["containers"]]


def environment(of: dict[str, Any]) -> dict[str, Any]:
    """Return a container's variables. Each must have a name of its own."""
    names = [variable["name"] for variable in of["env"]]
    assert len(names) == len(set(names))
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in of["env"]}


def test_containers_start_in_the_order_fetch_proxy_model() -> None:
    """The artifact is verified first. The proxy starts before the model and terminates after the model."""
    pod = spec()
    assert [container["name"] for container in pod["initContainers"]] == ["fetch-model", "proxy"]
    assert "restartPolicy" not in pod["initContainers"][0]
    assert pod["initContainers"][1]["restartPolicy"] == "Always"
    assert [container["name"] for container in pod["containers"]] == ["model"]


def test_the_proxys_startup_probe_does_not_ask_the_model() -> None:
    """The model starts after the proxy: a startup probe that reaches the model would wait for ever."""
    proxy = container(spec(), "proxy")
    assert proxy["startupProbe"]["httpGet"] == {"path": "/ready", "port": "stats"}
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "probe"}
    assert proxy["livenessProbe"]["httpGet"]["port"] == "stats"


def test_the_fetch_container_has_the_task_of_the_artifact() -> None:
    """The worker parses artifact, digest, size and store."""
    fetch = container(spec(), "fetch-model")
    task = FetchModelTask.model_validate_json(environment(fetch)["MODELOPS_TASK"])
    assert (task.artifact_uri, task.digest) == ("s3://store/ml/team-a/models/a/", digest("a"))
    assert task.bytes == version().spec.artifact.bytes
    assert (task.store.bucket, task.store.secret_name) == ("store", "store")
    assert fetch["args"] == ["fetch-model"]


def test_only_the_fetch_container_mounts_credentials() -> None:
    """A model is foreign code, and must not read the keys of the store."""
    pod = spec()
    secret = next(volume["name"] for volume in pod["volumes"] if "secret" in volume)
    holders = [
        container["name"]
        for container in containers(pod)
        if any(mounted["name"] == secret for mounted in container["volumeMounts"])
    ]
    assert holders == ["fetch-model"]


def test_a_store_without_a_secret_mounts_none() -> None:
    """With workload identity the ServiceAccount of the spec is enough."""
    pod = spec(store={"url": "s3://store"}, service=inference_service(pod={"serviceAccountName": "reader"}))
    assert pod["serviceAccountName"] == "reader"
    assert not any("secret" in volume for volume in pod["volumes"])


def test_pods_meet_the_restricted_pod_security_standard() -> None:
    """Beyond the standard, no container can write to its root file system."""
    pod = spec()
    assert pod["automountServiceAccountToken"] is False
    for each in containers(pod):
        security = each["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["runAsNonRoot"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
    model = {
        mounted["mountPath"]: mounted.get("readOnly", False) for mounted in container(pod, "model")["volumeMounts"]
    }
    assert model == {"/mnt/models": True, "/modelops": True, "/tmp": False}


def test_the_proxy_and_the_model_are_different_users() -> None:
    """A model runs any code, and must not act as the proxy that measures it. Both read files by their group."""
    pod = spec(service=inference_service(pod={"runAsUser": 1001}))
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1001
    users = {each["name"]: each["securityContext"].get("runAsUser") for each in containers(pod)}
    assert users == {"fetch-model": None, "proxy": PROXY_USER, "model": None}
    assert inference_service().spec.pod.run_as_user != PROXY_USER


def test_the_model_starts_after_the_proxy_has_its_ports() -> None:
    """A model that started first could listen at the proxy's ports, and answer for it.

    The kubelet starts a container once the native sidecars before it have passed their startup probes.
    """
    pod = spec()
    names = [each["name"] for each in pod["initContainers"]]
    assert names == ["fetch-model", "proxy"]
    assert pod["initContainers"][1]["restartPolicy"] == "Always"
    assert "startupProbe" in pod["initContainers"][1]
    assert [each["name"] for each in pod["containers"]] == ["model"]


def test_the_proxys_sockets_are_in_no_volume_of_the_model() -> None:
    """Envoy's admin interface and the monitor's pages are there."""
    pod = spec()
    defaults = ProxySettings.from_environment(environment(container(pod, "proxy")))
    assert {
        Path(path).parent for path in (defaults.admin_socket, defaults.monitor_socket, defaults.capture_socket)
    } == {Path("/tmp")}
    (scratch,) = [
        mounted["name"] for mounted in container(pod, "proxy")["volumeMounts"] if mounted["mountPath"] == "/tmp"
    ]
    assert scratch not in [mounted["name"] for mounted in container(pod, "model")["volumeMounts"]]


def test_every_mount_has_a_volume_and_every_container_a_tmp_of_its_own() -> None:
    """The API server rejects a mount without a volume. In a shared /tmp the model could change the proxy's files."""
    pod = spec()
    volumes = [volume["name"] for volume in pod["volumes"]]
    assert len(volumes) == len(set(volumes))
    tmp = []
    for each in containers(pod):
        assert {mounted["name"] for mounted in each["volumeMounts"]} <= set(volumes)
        tmp += [mounted["name"] for mounted in each["volumeMounts"] if mounted["mountPath"] == "/tmp"]
    assert len(set(tmp)) == 3


def test_the_drain_fits_into_the_grace_period() -> None:
    """A Pod that is killed while draining loses requests."""
    pod = spec()
    command = container(pod, "model")["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:3] == ["/modelops/bin/busybox", "sh", "/modelops/bin/drain.sh"]
    assert sum(int(seconds) for seconds in command[3:]) + 15 <= pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("runtime", [None, TRITON], ids=["a runtime without gRPC", "a runtime with gRPC"])
def test_the_monitor_accepts_the_environment_of_the_proxy(runtime: Any) -> None:
    """Otherwise no Pod ever becomes ready."""
    given = {"runtimes": {"sklearn": runtime}} if runtime else {}
    variables = environment(container(spec(**given), "proxy"))
    settings = ProxySettings.from_environment({name: value.replace("$$", "$") for name, value in variables.items()})
    assert (settings.listen_port, settings.stats_port, settings.loopback_port, settings.model_port) == (
        8080,
        9090,
        15000,
        8081,
    )
    assert (settings.model_version, settings.artifact_digest) == ("mortgage-1", digest("a"))
    assert settings.model_grpc_port == (8082 if runtime else None)
    assert settings.readiness_path == ("/ready?x=$(HOME)" if runtime else "/v2/health/ready")
    assert settings.revision == built(**given)["spec"]["template"]["metadata"]["labels"][REVISION]
    assert {name.removeprefix("MODELOPS_").lower() for name in variables} <= set(ProxySettings.model_fields)
    bootstrap(settings)


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        pytest.param({}, (), id="without paths all of them are open"),
        pytest.param(
            {"runtimes": {"sklearn": {**TRITON, "paths": ["/v2/$x"]}}}, ("/v2/$x", "/ready"), id="of a runtime"
        ),
        pytest.param(
            {"service": inference_service(server={"container": {"image": "x", "paths": ["/a", "/b/**"]}})},
            ("/a", "/b/**", "/v2/health/ready"),
            id="of the user's own container",
        ),
    ],
)
def test_the_proxy_gets_the_paths_of_the_server(given: Any, paths: tuple[str, ...]) -> None:
    """Probes must pass too, whatever the list says."""
    variables = environment(container(spec(**given), "proxy"))
    settings = ProxySettings.from_environment({name: value.replace("$$", "$") for name, value in variables.items()})
    assert settings.paths == paths


def test_a_space_in_the_readiness_path_is_encoded() -> None:
    """Admission accepts a space; Envoy and the kubelet do not."""
    server = {"container": {"image": "mine:1", "readinessPath": "/is ready"}}
    template = built(service=inference_service(server=server))["spec"]["template"]
    proxy = container(template["spec"], "proxy")
    assert serving_of(template).readiness_path == "/is%20ready"
    assert proxy["readinessProbe"]["httpGet"]["path"] == "/is%20ready"
    assert ProxySettings.from_environment(environment(proxy)).readiness_path == "/is%20ready"


def test_placeholders_of_a_runtime_are_filled_once() -> None:
    """Other braces stay, and no format string is evaluated."""
    model = container(spec(runtimes={"sklearn": TRITON}), "model")
    assert model["command"] == ["serve"]
    assert model["args"] == ["/mnt/models/mortgage", "8082", "mortgage-1", "sklearn", "{unknown}", "{8081}"]


def test_the_users_own_container_is_used_as_it_is() -> None:
    """No placeholder is filled, and the user's variables win."""
    server = {
        "container": {
            "image": "mine:1",
            "command": ["run"],
            "args": ["{model_name}"],
            "env": [{"name": "HOME", "value": "/tmp/me"}, {"name": "EMPTY", "value": ""}],
            "port": 7000,
            "resources": {"limits": {"memory": "1024Mi", "nvidia.com/gpu": 1}},
        }
    }
    pod = spec(service=inference_service(server=server))
    model = container(pod, "model")
    assert (model["image"], model["command"], model["args"]) == ("mine:1", ["run"], ["{model_name}"])
    assert environment(model)["HOME"] == "/tmp/me"
    assert {"name": "EMPTY"} in model["env"], (
        "the API server drops an empty value, and the applied template must equal the stored one"
    )
    assert model["resources"] == {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}}
    assert environment(container(pod, "proxy"))["MODELOPS_MODEL_PORT"] == "7000"


def test_resources_and_variables_of_the_spec_win_over_those_of_the_runtime() -> None:
    runtime = {"image": "x:1", "formats": ["sklearn"], "resources": {"requests": {"cpu": "2"}}}
    own = {"runtime": "sklearn", "resources": {"requests": {"cpu": "1000m"}}, "env": [{"name": "A", "value": "b"}]}
    runtimes = {"runtimes": {"sklearn": runtime}}
    assert container(spec(**runtimes), "model")["resources"] == {"requests": {"cpu": "2"}}
    model = container(spec(service=inference_service(server=own), **runtimes), "model")
    assert model["resources"] == {"requests": {"cpu": "1"}}
    assert environment(model)["A"] == "b"


@pytest.mark.parametrize(
    "server",
    [{"runtime": "sklearn"}, {"container": {"image": "mine:1"}}],
    ids=["a runtime", "the user's own container"],
)
def test_the_server_has_the_limit_of_a_body_as_a_variable(server: Any) -> None:
    """Only the server can enforce `limits.maxBody` for messages over gRPC."""
    limited = inference_service(server=server, limits={"maxBody": "1Ki"})
    assert environment(container(spec(service=limited), "model"))["MODELOPS_MAX_BODY_BYTES"] == "1024"
    assert "MODELOPS_MAX_BODY_BYTES" not in environment(container(spec(), "model"))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({}, 16 * 2**20, id="without a limit of its own it has the chart's"),
        pytest.param({"maxBody": "32Mi"}, 32 * 2**20, id="its own limit wins"),
    ],
)
@pytest.mark.parametrize("server", [{"runtime": "sklearn"}, {"container": {"image": "mine:1"}}])
def test_a_server_without_a_limit_of_bodies_has_the_charts(limits: Any, expected: int, server: Any) -> None:
    """One client must not fill a model's memory. Objects from before the default get it too."""
    pod = spec(service=inference_service(server=server, limits=limits), servers={"defaultMaxBody": "16Mi"})
    for name in ("model", "proxy"):
        assert environment(container(pod, name))["MODELOPS_MAX_BODY_BYTES"] == str(expected)


@pytest.mark.parametrize(
    ("preset", "own", "expected"),
    [
        pytest.param(
            None,
            None,
            {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "4Gi"}},
            id="without resources the chart's limit holds",
        ),
        pytest.param(
            None,
            {"limits": {"nvidia.com/gpu": 1}},
            {"requests": {"memory": "256Mi"}, "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"}},
            id="the limit is not what is reserved",
        ),
        pytest.param(
            None,
            {"requests": {"memory": "10240Mi"}},
            {"requests": {"memory": "10Gi"}, "limits": {"memory": "10Gi"}},
            id="a greater request is the limit, since the API server rejects a request above it",
        ),
        pytest.param(
            None,
            {"requests": {"memory": "1e100"}},
            {"requests": {"memory": "1e100"}, "limits": {"memory": "1e100"}},
            id="the API server rejects what is no quantity",
        ),
        pytest.param(
            None, {"limits": {"memory": "64Gi"}}, {"limits": {"memory": "64Gi"}}, id="a limit of its own stays"
        ),
        pytest.param(
            {"limits": {"memory": "32Gi"}},
            {"limits": {"nvidia.com/gpu": 2}},
            {"requests": {"memory": "256Mi"}, "limits": {"memory": "32Gi", "nvidia.com/gpu": "2"}},
            id="a preset's limit holds for other resources too",
        ),
    ],
)
def test_a_model_has_a_limit_of_memory(preset: Any, own: Any, expected: Any) -> None:
    """Without one, one client's requests could take the node's memory from all other Pods."""
    runtime = {"image": "x:1", "formats": ["sklearn"], "resources": preset}
    settings = {"servers": {"defaultMemoryLimit": "4Gi"}, "runtimes": {"sklearn": runtime}}
    server = {"runtime": "sklearn", "resources": own}
    assert container(spec(service=inference_service(server=server), **settings), "model")["resources"] == expected
    if preset is None:
        mine = {"container": {"image": "mine:1", "resources": own}}
        assert container(spec(service=inference_service(server=mine), **settings), "model")["resources"] == expected


def test_the_chart_limits_what_clients_hold_of_a_proxy() -> None:
    chart = {"maxConnections": 100, "idleTimeout": "2m", "streamIdleTimeout": "1h"}
    variables = environment(container(spec(proxy=chart), "proxy"))
    assert variables["MODELOPS_MAX_CONNECTIONS"] == "100"
    assert variables["MODELOPS_CONNECTION_IDLE_SECONDS"] == "120"
    assert variables["MODELOPS_STREAM_IDLE_SECONDS"] == "3600"


def test_the_annotations_of_a_pod_name_its_version_run_image_and_data() -> None:
    deployment = built()
    metadata = deployment["spec"]["template"]["metadata"]
    assert metadata["labels"]["modelops.dev/modelversion"] == "mortgage-1"
    for annotations in (metadata["annotations"], deployment["metadata"]["annotations"]):
        assert annotations["modelops.dev/artifact-digest"] == digest("a")
        assert annotations["modelops.dev/input-key"] == digest("e")
        assert json.loads(annotations["modelops.dev/dataset-digests"]) == {"train": digest("d")}
        assert annotations["modelops.dev/image-id"] == "trainer@" + digest("f")
        lineage = json.loads(annotations["modelops.dev/lineage"])
        assert lineage["trainingRun"]["name"] == "mortgage"
        assert lineage["datasets"][0]["manifest"] == "s3://store/ml/team-a/datasets/manifests/d"
    assert metadata["annotations"]["prometheus.io/port"] == "9090"


def test_the_annotations_of_an_imported_model_name_its_source() -> None:
    """There is no run and no data to name."""
    annotations = lineage_annotations(version(origin={"imported": {"source": "a hub"}}))
    assert set(annotations) == {"modelops.dev/artifact-digest", "modelops.dev/lineage"}
    assert json.loads(annotations["modelops.dev/lineage"])["imported"] == {"source": "a hub"}


def test_approval_status_and_replicas_do_not_change_the_pod_template() -> None:
    """None of them may start a rollout."""
    approved = version(annotations={"modelops.dev/approve": digest("a")}, why="something else")
    more = inference_service(
        replicas=7, status={"stable": {"version": "mortgage-1", "digest": digest("a"), "replicas": 7, "ready": 7}}
    )
    assert built(serves=approved)["spec"]["template"] == built()["spec"]["template"]
    assert built(service=more)["spec"]["template"] == built()["spec"]["template"]
    assert built(service=more)["spec"]["replicas"] == 7


def test_every_change_of_the_template_is_a_new_revision_with_a_selector_of_its_own() -> None:
    """With one selector for two Deployments, either would delete the other's Pods."""
    base = built()
    others = [
        built(serves=version("mortgage-2", letter="b")),
        built(service=inference_service(pod={"nodeSelector": {"disk": "ssd"}})),
        built(service=inference_service(server={"runtime": "sklearn", "env": [{"name": "A", "value": "b"}]})),
        built(images={"worker": "w:2", "monitor": "m:2"}),
    ]
    revisions = {each["spec"]["template"]["metadata"]["labels"][REVISION] for each in (base, *others)}
    assert len(revisions) == 5
    assert {each["metadata"]["name"] for each in (base, *others)} == {f"mortgage-{revision}" for revision in revisions}
    for each in (base, *others):
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert each["spec"]["selector"]["matchLabels"][REVISION] == labels[REVISION]


def test_an_inferenceservice_created_again_has_other_revisions() -> None:
    """Pods of the deleted InferenceService must not serve for the new one of the same name."""
    service = inference_service()
    later = service.model_copy(update={"metadata": service.metadata.model_copy(update={"uid": "another"})})
    assert built(service=later)["metadata"]["name"] != built()["metadata"]["name"]


def test_the_proxy_reads_the_routes_of_its_own_revision() -> None:
    """The directory is mounted, not its file: the kubelet updates only directories."""
    pod = spec()
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "routes"]
    (mounted,) = [mounted for mounted in container(pod, "proxy")["volumeMounts"] if mounted["name"] == "routes"]
    assert volume["configMap"]["name"] == built()["metadata"]["name"]
    assert environment(container(pod, "proxy"))["MODELOPS_ROUTES_PATH"] == f"{mounted['mountPath']}/routes.json"
    assert "subPath" not in mounted
    serving = serving_of(built()["spec"]["template"])
    text = rendered(split_of(inference_service(), serving)).text
    written = children.routes_config_map(inference_service(), serving.revision, text)
    assert written["metadata"]["name"] == volume["configMap"]["name"]
    assert list(written["data"]) == ["routes.json"]


def test_a_stored_deployment_is_not_applied_again() -> None:
    """Defaults of the API server are no difference."""
    server = {"runtime": "sklearn", "env": [{"name": "E", "value": ""}], "resources": {"limits": {"cpu": "0.5"}}}
    desired = built(service=inference_service(server=server))
    found = copy.deepcopy(desired)
    found["status"] = {"replicas": 2}
    found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    pod = found["spec"]["template"]["spec"]
    pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    for each in containers(pod):
        each["terminationMessagePath"] = "/dev/termination-log"
        for field in [field for field, value in each.items() if value in ([], {})]:
            del each[field]
    container(pod, "model")["resources"]["requests"] = {"cpu": "500m"}
    assert container(pod, "model")["resources"]["limits"] == {"cpu": "500m"}
    assert already_applied(desired, found)


def test_the_controller_revision_keeps_the_template_under_the_deployments_name() -> None:
    """A rollback restores the Pods as they were, whatever the spec has become."""
    kept = children.revision_record(inference_service(), RevisionTemplate.of(built()["spec"]["template"]))
    assert kept["metadata"]["name"] == built()["metadata"]["name"]
    assert kept["data"]["template"] == built()["spec"]["template"]
