"""`make demo`: train and serve the mortgage model, then roll out a good, a slow and a wrong version.

The demo begins with the data in S3, and includes a prediction over the Open Inference Protocol v2.
"""

import contextlib
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from hack import rollouts, store
from hack.cluster import places
from hack.cluster.images import Built
from hack.deploy import deploy, wait_for_leader
from hack.kubectl import Kubectl, is_ready
from hack.load import Load
from hack.steps import Step, StepError, Steps

EXAMPLE = places.CHECKOUT / "examples" / "mortgage"
NAMESPACE, SERVICE = "mortgage", "approvals"
BUCKET, KEY = "ml-data", "mortgage/applications.csv"
_IMAGE = "modelops-example/mortgage:dev"


def main() -> None:
    """Run the demo on the development cluster, which stays up."""
    cluster = places.Cluster("dev")
    steps = Steps(cluster.logs)
    images = deploy(cluster, steps, EXAMPLE)
    with steps.step("Data in S3") as step:
        put_data(Kubectl(cluster, step), step)
    with steps.step("Manifests of the example") as step:
        apply_example(Kubectl(cluster, step), step, images)
    with steps.step("Dataset applications") as step:
        kubectl = Kubectl(cluster, step)
        wait_for_leader(kubectl.get)
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
    with steps.step(f"InferenceService {SERVICE}") as step:
        name = wait_for_service(Kubectl(cluster, step), version["spec"]["model"])
        step.note(f"{name} serves")
    with steps.step("Prediction") as step:
        answer, headers = ask(Kubectl(cluster, step), SERVICE, version["spec"]["model"], request())
        step.note(f"answered by {headers['x-modelops-model-version']}")
    print(f"\nAnswer:\n{json.dumps(answer, indent=2)}\n")
    with steps.step("Lineage") as step:
        chain = lineage(Kubectl(cluster, step), SERVICE)
    print(f"\n{chain}\n")
    roll_out(cluster, steps, images, version["spec"]["model"])
    print(
        f"\nDone in {steps.elapsed:.0f} s. The cluster stays up. To look around:\n\n"
        f"  export KUBECONFIG=$PWD/{cluster.kubeconfig.relative_to(places.CHECKOUT)} PATH=$PWD/.cluster/bin:$PATH\n"
        f"  kubectl get modelops -n {NAMESPACE}\n\n"
        f"To remove the cluster: `make cluster-down`."
    )


def put_data(kubectl: Kubectl, step: Step) -> None:
    """Create the buckets for data and models, and upload the mortgage applications."""
    s3 = store.client(kubectl)
    for bucket in (BUCKET, "modelops"):
        store.make_bucket(s3, bucket)
    content = (EXAMPLE / "data" / "applications.csv").read_bytes()
    if store.upload(s3, BUCKET, KEY, content):
        step.note(f"{len(content):,} bytes as s3://{BUCKET}/{KEY}")
    else:
        step.note("already there")


def apply_example(kubectl: Kubectl, step: Step, images: dict[str, Built]) -> None:
    """Apply all manifests of the example."""
    for file in sorted((EXAMPLE / "manifests").glob("*.yaml")):
        apply_file(kubectl, file, images)
    step.note("namespace, Secret, Dataset, TrainingRun, InferenceService")


def apply_file(kubectl: Kubectl, file: Path, images: dict[str, Built]) -> None:
    """Apply a file, with the built image of the examples in place of the tag, pinned by digest."""
    kubectl.apply(file.read_text().replace(_IMAGE, images["examples"].by_digest))


def wait_for_service(kubectl: Kubectl, model: str) -> str:
    """Wait until the newest version serves, and return its name.

    If another version serves already, the newest is rolled out, which takes requests to analyze. An approval left by
    an interrupted demo is withdrawn first.
    """
    service = kubectl.get("service", SERVICE, NAMESPACE)
    with Load(url(service, model), request()) if service is not None else contextlib.nullcontext():
        rollouts.withdraw(kubectl, NAMESPACE, rollouts.approved(kubectl, NAMESPACE))
        name = rollouts.newest(kubectl, NAMESPACE)

        def serves(body: dict[str, Any]) -> bool:
            return is_ready(body) and bool(body["status"]["stable"]["version"] == name)

        kubectl.wait("inferenceservice", SERVICE, NAMESPACE, serves, within=240)
    return name


def roll_out(cluster: places.Cluster, steps: Steps, images: dict[str, Built], model: str) -> None:
    """Under load, promote a good version, and see a slow and a wrong version rolled back."""
    manifests = {name: EXAMPLE / "rollouts" / f"{name}.yaml" for name in ("second", "slow", "wrong")}
    with steps.step("Load") as step:
        body = Kubectl(cluster, step).get("service", SERVICE, NAMESPACE)
        step.note("4 clients, until the end")
    with Load(url(body, model), request()) as load:
        rollouts_ = rollouts.Rollouts(
            steps,
            lambda step: Kubectl(cluster, step),
            lambda kubectl, file: apply_file(kubectl, file, images),
            NAMESPACE,
            SERVICE,
            load,
        )
        rollouts_.second(manifests["second"], [manifests["slow"], manifests["wrong"]])
        failed = [rollouts_.bad(manifests[name]) for name in ("slow", "wrong")]
    with steps.step("Requests in the meantime") as step:
        if load.failures:
            answered, failures = load.answers.total(), load.failures
            raise StepError(f"{len(failures)} requests failed, {answered} were answered; first failure: {failures[0]}")
        step.note(f"{load.answers.total():,} answered, none failed")
    print(f"\nRolled back, and why:\n\n{rollouts.evidence(failed)}")


def request() -> str:
    """Return the body of a request with one application."""
    return (EXAMPLE / "request.json").read_text()


def url(service: dict[str, Any] | None, model: str) -> str:
    """Return the URL of a model's `infer` endpoint at a Service's address."""
    assert service is not None, "the Service is there"
    return f"http://{service['spec']['clusterIP']}/v2/models/{model}/infer"


def ask(
    kubectl: Kubectl, service: str, model: str, text: str, *, namespace: str = NAMESPACE, within: float = 30.0
) -> tuple[Any, dict[str, str]]:
    """Send a request over the Open Inference Protocol v2 to a Service.

    Return the answer's body and its headers, with names in lower case. A connection that fails is tried again for
    `within` seconds. Raises StepError then, or when the answer is an HTTP error.
    """
    address = url(kubectl.get("service", service, namespace), model)
    message = urllib.request.Request(address, data=text.encode(), headers={"Content-Type": "application/json"})
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(message, timeout=10) as answer:
                return json.load(answer), {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            raise StepError(f"{address}: {error.code} {error.read().decode()[:300]}") from error
        except OSError as error:
            if time.monotonic() > deadline:
                raise StepError(f"{address}: {error}") from error
            time.sleep(0.5)


def lineage(kubectl: Kubectl, service: str) -> str:
    """Return the lineage of a serving Pod, one line each: its version, run, image, snapshots and S3 objects."""
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
            f"S3 object     {entry['key']}  version {entry['versionId']}  {entry['size']:,} bytes"
            for entry in dataset.get("objectVersions", [])
        ]
    return "\n".join(("" if number == 0 else "  " * number + "└ ") + line for number, line in enumerate(lines))


if __name__ == "__main__":
    main()
