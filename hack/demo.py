"""`make demo`: the mortgage model, from its data in S3 to an answer over the Open Inference Protocol."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

from hack import store
from hack.cluster import places
from hack.cluster.images import Built
from hack.deploy import deploy, wait_for_leader
from hack.kubectl import Kubectl, is_ready
from hack.steps import Problem, Step, Steps

EXAMPLE = places.CHECKOUT / "examples" / "mortgage"
NAMESPACE = "mortgage"
BUCKET, KEY = "ml-data", "mortgage/applications.csv"
_IMAGE = "modelops-example/mortgage:dev"


def main() -> None:
    cluster = places.Cluster("dev")
    steps = Steps(cluster.logs)
    images = deploy(cluster, steps)
    with steps.step("Data in S3") as step:
        put_data(Kubectl(cluster, step), step)
    with steps.step("Manifests of the example") as step:
        apply_example(Kubectl(cluster, step), step, images)
    with steps.step("Dataset applications") as step:
        kubectl = Kubectl(cluster, step)
        wait_for_leader(kubectl)
        dataset = kubectl.wait("dataset", "applications", NAMESPACE, is_ready, within=180)
        snapshot = dataset["status"]["snapshot"]
        step.note(f"{snapshot['rows']} rows, {snapshot['digest'][:19]}…")
    with steps.step("TrainingRun approval") as step:
        run = Kubectl(cluster, step).wait("trainingrun", "approval", NAMESPACE, is_ready, within=300)
        step.note(run["status"]["modelVersion"])
    with steps.step("ModelVersion") as step:
        name = run["status"]["modelVersion"]
        version = Kubectl(cluster, step).wait("modelversion", name, NAMESPACE, is_ready, within=60)
        gates = version["status"].get("gates", [])
        step.note(", ".join(f"{gate['metric']} {gate['value']:.3f} {gate['outcome']}" for gate in gates))
    with steps.step("InferenceService approvals") as step:

        def serves(body: dict[str, Any]) -> bool:
            return is_ready(body) and body["status"]["stable"]["version"] == name

        service = Kubectl(cluster, step).wait("inferenceservice", "approvals", NAMESPACE, serves, within=240)
        step.note(f"{service['status']['stable']['ready']} Pods serve {name}")
    with steps.step("Prediction") as step:
        request = (EXAMPLE / "request.json").read_text()
        answer, headers = ask(Kubectl(cluster, step), "approvals", version["spec"]["model"], request)
        step.note(f"answered by {headers['x-modelops-model-version']}")
    print(f"\nAnswer:\n{json.dumps(answer, indent=2)}\n")
    with steps.step("Lineage") as step:
        chain = lineage(Kubectl(cluster, step), "approvals")
    print("\n" + chain)
    print(
        f"\nDone in {steps.elapsed:.0f} s. The cluster runs on; look around with\n\n"
        f"  export KUBECONFIG=$PWD/{cluster.kubeconfig.relative_to(places.CHECKOUT)} PATH=$PWD/.cluster/bin:$PATH\n"
        f"  kubectl get modelops -n {NAMESPACE}\n\n"
        f"and end it with `make cluster-down`."
    )


def put_data(kubectl: Kubectl, step: Step) -> None:
    """Buckets for data and models, and the mortgage applications."""
    s3 = store.client(kubectl)
    for bucket in (BUCKET, "modelops"):
        store.make_bucket(s3, bucket)
    content = (EXAMPLE / "data" / "applications.csv").read_bytes()
    if store.upload(s3, BUCKET, KEY, content):
        step.note(f"{len(content):,} bytes as s3://{BUCKET}/{KEY}")
    else:
        step.note("there already")


def apply_example(kubectl: Kubectl, step: Step, images: dict[str, Built]) -> None:
    """Apply the manifests, with the training image that was just built, pinned by its digest."""
    for file in sorted((EXAMPLE / "manifests").glob("*.yaml")):
        kubectl.apply(file.read_text().replace(_IMAGE, images["examples"].by_digest))
    step.note("namespace, Secret, Dataset, TrainingRun, InferenceService")


def ask(
    kubectl: Kubectl, service: str, model: str, request: str, *, namespace: str = NAMESPACE, within: float = 30.0
) -> tuple[Any, dict[str, str]]:
    """Send a request over the Open Inference Protocol v2, through the Service."""
    body = kubectl.get("service", service, namespace)
    assert body is not None, f"Service {service} is there"
    url = f"http://{body['spec']['clusterIP']}/v2/models/{model}/infer"
    message = urllib.request.Request(url, data=request.encode(), headers={"Content-Type": "application/json"})
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(message, timeout=10) as answer:
                return json.load(answer), {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            raise Problem(f"{url}: {error.code} {error.read().decode()[:300]}") from error
        except OSError as error:
            if time.monotonic() > deadline:
                raise Problem(f"{url}: {error}") from error
            time.sleep(0.5)


def lineage(kubectl: Kubectl, service: str) -> str:
    """From a serving Pod back to the bytes, read from annotations alone."""
    pods = kubectl.listed("pods", NAMESPACE, f"modelops.dev/inferenceservice={service}")
    pod = next(
        pod for pod in pods if pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    )
    version_name = pod["metadata"]["labels"]["modelops.dev/modelversion"]
    version = kubectl.get("modelversion", version_name, NAMESPACE)
    assert version is not None, f"ModelVersion {version_name} is there"
    origin = version["spec"]["origin"]
    lines = [
        f"Pod           {pod['metadata']['name']}",
        f"ModelVersion  {version_name}  artifact {version['spec']['artifact']['digest']}",
        f"TrainingRun   {origin['trainingRun']['name']}  inputs {origin['trainingRun']['inputKey']}",
        f"Image         {origin['image']}",
    ]
    for dataset in origin["datasets"]:
        lines.append(f"Dataset       {dataset['dataset']}  {dataset['digest']}")
        lines += [
            f"S3 object     {one['key']}  version {one['versionId']}  {one['size']:,} bytes"
            for one in dataset.get("objectVersions", [])
        ]
    return "\n".join(("" if number == 0 else "  " * number + "└ ") + line for number, line in enumerate(lines))


if __name__ == "__main__":
    main()
