"""Go programs of the embedded node and of the add-ons, built once for each state of their sources."""

import json
import os
import re
import shutil
from pathlib import Path

from hack.cluster.content import key_of, made_once
from hack.steps import Step, StepError

HERE = Path(__file__).parent
KUBERNETES = "v1.37.2"
_NODE_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "helm",
    "coredns",
)
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_KUEUE = "sigs.k8s.io/kueue"
_METRICS_SERVER = "sigs.k8s.io/metrics-server"
_GATEWAY_API = "sigs.k8s.io/gateway-api"
_PACKAGE = re.compile(r"^(\S+/\S+)$")


def node(step: Step) -> Path:
    """Build Kubernetes, Helm and CoreDNS as one binary. Return a directory with a link for each program's name."""

    def build(directory: Path) -> None:
        step.note("compiling Kubernetes, about 8 minutes on 2 cores")
        flags = f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES}"
        _go(step, HERE / "node", "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(directory / "node"), ".")
        for name in _NODE_PROGRAMS:
            (directory / name).symlink_to("node")

    return made_once("node", key_of(KUBERNETES, HERE / "node"), build)


def containerd(step: Step) -> Path:
    """Build containerd, its shim for runc, and ctr. Return their directory."""

    def build(directory: Path) -> None:
        step.note("compiling containerd, about a minute")
        flags = ("-trimpath", "-ldflags", "-s -w", "-tags", "no_btrfs no_zfs no_devmapper")
        packages = [f"{_CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")]
        _go(step, HERE / "containerd", "build", "-v", *flags, "-o", str(directory), *packages)

    return made_once("containerd", key_of(HERE / "containerd"), build)


def pause(step: Step) -> Path:
    """Build the program that holds a Pod's namespaces. Return its path."""

    def build(directory: Path) -> None:
        _go(step, HERE / "pause", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(directory / "pause"), ".")

    return made_once("pause", key_of(HERE / "pause"), build) / "pause"


def kueue(step: Step) -> Path:
    """Build Kueue. Return a directory with the static program `manager`, and the Helm chart in `chart`.

    Raises StepError where Go is missing.
    """

    def build(directory: Path) -> None:
        _require_go("Kueue")
        step.note("compiling Kueue, 3 minutes on 2 cores")
        flags = ("-trimpath", "-ldflags", "-s -w")
        _go(step, HERE / "kueue", "build", "-v", *flags, "-o", str(directory / "manager"), f"{_KUEUE}/cmd/kueue")
        module = Path(_go(step, HERE / "kueue", "list", "-m", "-f", "{{.Dir}}", _KUEUE).strip())
        _copy_chart(module / "charts" / "kueue", directory / "chart")

    return made_once("kueue", key_of(HERE / "kueue"), build)


def metrics_server(step: Step) -> Path:
    """Build the metrics-server. Return a directory with the static program `metrics-server`.

    Raises StepError where Go is missing.
    """

    def build(directory: Path) -> None:
        _require_go("the metrics-server")
        step.note("compiling the metrics-server, 2 minutes on 2 cores")
        flags = ("-trimpath", "-ldflags", "-s -w", "-o", str(directory / "metrics-server"))
        _go(step, HERE / "metrics-server", "build", "-v", *flags, f"{_METRICS_SERVER}/cmd/metrics-server")

    return made_once("metrics-server", key_of(HERE / "metrics-server"), build)


def gateway_api(step: Step) -> Path:
    """Download the module of the Gateway API. Return a directory with the CRDs of the standard channel.

    Raises StepError where Go is missing.
    """

    def build(directory: Path) -> None:
        _require_go("the CRDs of the Gateway API")
        module = json.loads(_go(step, HERE / "gateway-api", "mod", "download", "-json", _GATEWAY_API))["Dir"]
        for file in sorted((Path(module) / "config" / "crd" / "standard").glob("*.yaml")):
            (directory / file.name).write_bytes(file.read_bytes())

    return made_once("gateway-api", key_of(HERE / "gateway-api"), build)


def _require_go(product: str) -> None:
    if shutil.which("go") is None:
        raise StepError(f"{product}: Go 1.26 or newer is missing; install Go, and put `go` in PATH")


def _copy_chart(chart: Path, target: Path) -> None:
    """Copy Kueue's chart, without the aggregated API of pending workloads.

    Nothing here uses that API, and an aggregated API without a server blocks the deletion of namespaces. The content
    is copied without the mode, since the files of a Go module are read-only.
    """
    for file in chart.rglob("*"):
        if file.is_file() and file.parent.name != "visibility":
            copy = target / file.relative_to(chart)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())


def _go(step: Step, module: Path, *arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    return step.run("go", *arguments, cwd=module, env=environment, progress=_PACKAGE)
