"""What an InferenceService's children look like: security, probes, lineage, and that nothing rolls without need."""

import copy
import json
from typing import Any

import pytest

from modelops.api.contract.tasks import FetchModelTask
from modelops.controllers.inferenceservice.pod.template import REVISION, lineage_annotations, serving_of
from modelops.controllers.inferenceservice.revisions import children
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.traffic.propagation import split_of
from modelops.controllers.inferenceservice.traffic.routes import rendered
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


def made(service: Any = None, serves: Any = None, **more: Any) -> dict[str, Any]:
    """The Deployment."""
    return deployment(service or inference_service(), serves or version(), **more)


def spec(**given: Any) -> dict[str, Any]:
    """The Pod's spec."""
    return made(**given)["spec"]["template"]["spec"]


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """One of its containers."""
    return next(one for one in (*pod["initContainers"], *pod["containers"]) if one["name"] == name)


def environment(of: dict[str, Any]) -> dict[str, Any]:
    """A container's variables, each of which must be there once."""
    names = [variable["name"] for variable in of["env"]]
    assert len(names) == len(set(names))
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in of["env"]}


def test_start_order() -> None:
    """The artifact is verified first; the proxy is up before the model and goes after it."""
    pod = spec()
    assert [one["name"] for one in pod["initContainers"]] == ["fetch-model", "proxy"]
    assert "restartPolicy" not in pod["initContainers"][0]
    assert pod["initContainers"][1]["restartPolicy"] == "Always"
    assert [one["name"] for one in pod["containers"]] == ["model"]


def test_nothing_waits_for_itself() -> None:
    """The model starts only when the proxy has started: a startup probe through to the model would wait for ever."""
    proxy = container(spec(), "proxy")
    assert "startupProbe" not in proxy
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
    assert proxy["livenessProbe"]["httpGet"]["port"] == "stats"


def test_the_fetch_task() -> None:
    """The worker must understand what it is told: which artifact, which digest, and where the store is."""
    fetch = container(spec(), "fetch-model")
    task = FetchModelTask.model_validate_json(environment(fetch)["MODELOPS_TASK"])
    assert (task.artifact_uri, task.digest) == ("s3://store/modelops/models/a/", digest("a"))
    assert (task.store.bucket, task.store.secret_name) == ("store", "store")
    assert fetch["args"] == ["fetch-model"]


def test_only_the_fetcher_sees_credentials() -> None:
    """A model is foreign code: the keys of the store are not beside it."""
    pod = spec()
    secret = next(volume["name"] for volume in pod["volumes"] if "secret" in volume)
    holders = [
        one["name"]
        for one in (*pod["initContainers"], *pod["containers"])
        if any(mounted["name"] == secret for mounted in one["volumeMounts"])
    ]
    assert holders == ["fetch-model"]


def test_a_store_without_a_secret_mounts_none() -> None:
    """Workload identity: the ServiceAccount of the spec, and no volume."""
    pod = spec(store={"url": "s3://store"}, service=inference_service(pod={"serviceAccountName": "reader"}))
    assert pod["serviceAccountName"] == "reader"
    assert not any("secret" in volume for volume in pod["volumes"])


def test_restricted() -> None:
    """Pods meet the restricted Pod Security Standard, and no container can write to its own files."""
    pod = spec()
    assert pod["automountServiceAccountToken"] is False
    for one in (*pod["initContainers"], *pod["containers"]):
        security = one["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["runAsNonRoot"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
    model = {
        mounted["mountPath"]: mounted.get("readOnly", False) for mounted in container(pod, "model")["volumeMounts"]
    }
    assert model == {"/mnt/models": True, "/modelops": True, "/tmp": False}


def test_every_mount_has_its_volume_and_its_own_tmp() -> None:
    """A mount without a volume is refused by the API server; a shared /tmp would let the model change the proxy's."""
    pod = spec()
    volumes = [volume["name"] for volume in pod["volumes"]]
    assert len(volumes) == len(set(volumes))
    tmp = []
    for one in (*pod["initContainers"], *pod["containers"]):
        assert {mounted["name"] for mounted in one["volumeMounts"]} <= set(volumes)
        tmp += [mounted["name"] for mounted in one["volumeMounts"] if mounted["mountPath"] == "/tmp"]
    assert len(set(tmp)) == 3


def test_the_drain_fits_into_the_grace_period() -> None:
    """A Pod that is killed while it drains loses requests."""
    pod = spec()
    command = container(pod, "model")["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:3] == ["/modelops/bin/busybox", "sh", "/modelops/bin/drain.sh"]
    assert sum(int(seconds) for seconds in command[3:]) + 15 <= pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("runtime", [None, TRITON])
def test_the_proxy_understands_its_environment(runtime: Any) -> None:
    """The monitor's own settings must accept what it is told, or no Pod ever answers."""
    given = {"runtimes": {"sklearn": runtime}} if runtime else {}
    told = environment(container(spec(**given), "proxy"))
    known = ProxySettings.from_environment({name: value.replace("$$", "$") for name, value in told.items()})
    assert (known.listen_port, known.stats_port, known.admin_port, known.model_port) == (8080, 9090, 15000, 8081)
    assert (known.model_version, known.artifact_digest) == ("mortgage-1", digest("a"))
    assert known.model_grpc_port == (8082 if runtime else None)
    assert known.readiness_path == ("/ready?x=$(HOME)" if runtime else "/v2/health/ready")
    assert known.revision == made(**given)["spec"]["template"]["metadata"]["labels"][REVISION]
    assert {name.removeprefix("MODELOPS_").lower() for name in told} <= set(ProxySettings.model_fields)
    bootstrap(known)


def test_a_path_with_a_space() -> None:
    """Admission lets a space through; Envoy and the kubelet do not."""
    server = {"container": {"image": "mine:1", "readinessPath": "/is ready"}}
    template = made(service=inference_service(server=server))["spec"]["template"]
    proxy = container(template["spec"], "proxy")
    assert serving_of(template).readiness_path == "/is%20ready"
    assert proxy["readinessProbe"]["httpGet"]["path"] == "/is%20ready"
    assert ProxySettings.from_environment(environment(proxy)).readiness_path == "/is%20ready"


def test_placeholders() -> None:
    """Plain replacement, once: braces that mean nothing stay, and no format string is ever evaluated."""
    model = container(spec(runtimes={"sklearn": TRITON}), "model")
    assert model["command"] == ["serve"]
    assert model["args"] == ["/mnt/models/mortgage", "8082", "mortgage-1", "sklearn", "{unknown}", "{8081}"]


def test_a_container_of_the_users_own() -> None:
    """It is taken as it is: no placeholder is filled in, and its own variables win over ours."""
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
    assert {"name": "EMPTY"} in model["env"], "the API server drops an empty value: ours must not differ from it"
    assert model["resources"] == {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}}
    assert environment(container(pod, "proxy"))["MODELOPS_MODEL_PORT"] == "7000"


def test_resources_and_environment_of_a_preset() -> None:
    """What the spec says goes before what the preset says."""
    preset = {"image": "x:1", "formats": ["sklearn"], "resources": {"requests": {"cpu": "2"}}}
    own = {"runtime": "sklearn", "resources": {"requests": {"cpu": "1000m"}}, "env": [{"name": "A", "value": "b"}]}
    runtimes = {"runtimes": {"sklearn": preset}}
    assert container(spec(**runtimes), "model")["resources"] == {"requests": {"cpu": "2"}}
    model = container(spec(service=inference_service(server=own), **runtimes), "model")
    assert model["resources"] == {"requests": {"cpu": "1"}}
    assert environment(model)["A"] == "b"


@pytest.mark.parametrize(
    "server", [{"runtime": "sklearn"}, {"container": {"image": "mine:1"}}], ids=["of a preset", "of one's own"]
)
def test_the_server_knows_the_longest_body(server: Any) -> None:
    """The proxy bounds no gRPC message: what `limits.maxBody` says only the server can see to there."""
    limited = inference_service(server=server, limits={"maxBody": "1Ki"})
    assert environment(container(spec(service=limited), "model"))["MODELOPS_MAX_BODY_BYTES"] == "1024"
    assert "MODELOPS_MAX_BODY_BYTES" not in environment(container(spec(), "model"))


def test_from_a_pod_to_its_data() -> None:
    """With kubectl alone: a Pod names its version, run, image, and each dataset's digest and manifest."""
    deployment = made()
    metadata = deployment["spec"]["template"]["metadata"]
    assert metadata["labels"]["modelops.dev/modelversion"] == "mortgage-1"
    for annotations in (metadata["annotations"], deployment["metadata"]["annotations"]):
        assert annotations["modelops.dev/artifact-digest"] == digest("a")
        assert annotations["modelops.dev/input-key"] == digest("e")
        assert json.loads(annotations["modelops.dev/dataset-digests"]) == {"train": digest("d")}
        assert annotations["modelops.dev/image-id"] == "trainer@" + digest("f")
        lineage = json.loads(annotations["modelops.dev/lineage"])
        assert lineage["trainingRun"]["name"] == "mortgage"
        assert lineage["datasets"][0]["manifest"] == "s3://store/modelops/manifests/d"
    assert metadata["annotations"]["prometheus.io/port"] == "9090"


def test_an_imported_model_says_where_it_comes_from() -> None:
    """No run, no data: the annotations do not pretend."""
    marks = lineage_annotations(version(origin={"imported": {"source": "a hub"}}))
    assert set(marks) == {"modelops.dev/artifact-digest", "modelops.dev/lineage"}
    assert json.loads(marks["modelops.dev/lineage"])["imported"] == {"source": "a hub"}


def test_what_may_change_later_changes_no_pod() -> None:
    """Approval, gates' results and serving status of a version, and the number of replicas: none of it may roll."""
    looked_at = version(annotations={"modelops.dev/approve": digest("a")}, why="something else")
    more = inference_service(
        replicas=7, status={"stable": {"version": "mortgage-1", "digest": digest("a"), "replicas": 7, "ready": 7}}
    )
    assert made(serves=looked_at)["spec"]["template"] == made()["spec"]["template"]
    assert made(service=more)["spec"]["template"] == made()["spec"]["template"]
    assert made(service=more)["spec"]["replicas"] == 7


def test_the_revision_is_the_template() -> None:
    """Whatever changes a Pod gives it another revision, and each has a Deployment and Pods of its own: with one
    selector for two, either Deployment would take the other's Pods away.
    """
    base = made()
    others = [
        made(serves=version("mortgage-2", letter="b")),
        made(service=inference_service(pod={"nodeSelector": {"disk": "ssd"}})),
        made(service=inference_service(server={"runtime": "sklearn", "env": [{"name": "A", "value": "b"}]})),
        made(images={"worker": "w:2", "monitor": "m:2"}),
    ]
    revisions = {one["spec"]["template"]["metadata"]["labels"][REVISION] for one in (base, *others)}
    assert len(revisions) == 5
    assert {one["metadata"]["name"] for one in (base, *others)} == {f"mortgage-{one}" for one in revisions}
    for one in (base, *others):
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert one["spec"]["selector"]["matchLabels"][REVISION] == labels[REVISION]


def test_a_namesake_has_other_revisions() -> None:
    """Pods of an InferenceService that was deleted must not answer for the one of its name that came after."""
    service = inference_service()
    later = service.model_copy(update={"metadata": service.metadata.model_copy(update={"uid": "another"})})
    assert made(service=later)["metadata"]["name"] != made()["metadata"]["name"]


def test_the_proxy_reads_the_routes_of_its_own_revision() -> None:
    """A directory is mounted, not a file in it: only so does the kubelet bring changes."""
    pod = spec()
    (volume,) = [one for one in pod["volumes"] if one["name"] == "routes"]
    (mounted,) = [one for one in container(pod, "proxy")["volumeMounts"] if one["name"] == "routes"]
    assert volume["configMap"]["name"] == made()["metadata"]["name"]
    assert environment(container(pod, "proxy"))["MODELOPS_ROUTES_PATH"] == f"{mounted['mountPath']}/routes.json"
    assert "subPath" not in mounted
    serving = serving_of(made()["spec"]["template"])
    text = rendered(split_of(inference_service(), serving)).text
    written = children.routes_config_map(inference_service(), serving.revision, text)
    assert written["metadata"]["name"] == volume["configMap"]["name"]
    assert list(written["data"]) == ["routes.json"]


def test_nothing_is_written_twice() -> None:
    """What the API server makes of the Deployment, with its defaults, already is what is wanted."""
    server = {"runtime": "sklearn", "env": [{"name": "E", "value": ""}], "resources": {"limits": {"cpu": "0.5"}}}
    wanted = made(service=inference_service(server=server))
    found = copy.deepcopy(wanted)
    found["status"] = {"replicas": 2}
    found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    pod = found["spec"]["template"]["spec"]
    pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
    for one in (*pod["initContainers"], *pod["containers"]):
        one["terminationMessagePath"] = "/dev/termination-log"
        for field in [field for field, value in one.items() if value in ([], {})]:
            del one[field]
    container(pod, "model")["resources"]["requests"] = {"cpu": "500m"}
    assert container(pod, "model")["resources"]["limits"] == {"cpu": "500m"}
    assert already_applied(wanted, found)


def test_what_is_remembered_of_a_revision() -> None:
    """Its template, under the Deployment's name: with it the Pods come back as they were, whatever the spec says."""
    kept = children.revision_record(inference_service(), RevisionTemplate.of(made()["spec"]["template"]))
    assert kept["metadata"]["name"] == made()["metadata"]["name"]
    assert kept["data"]["template"] == made()["spec"]["template"]
