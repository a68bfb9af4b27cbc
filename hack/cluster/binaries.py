"""The Go programs of the embedded node and of what the tests install on it, built once for a state of their sources."""

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
    """A directory with Kubernetes, Helm and CoreDNS: one binary under all their names."""

    def build(directory: Path) -> None:
        step.note("compiles Kubernetes, about 8 minutes on 2 cores")
        flags = f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES}"
        _go(step, HERE / "node", "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(directory / "node"), ".")
        for name in _NODE_PROGRAMS:
            (directory / name).symlink_to("node")

    return made_once("node", key_of(KUBERNETES, HERE / "node"), build)


def containerd(step: Step) -> Path:
    """A directory with containerd, its shim for runc, and ctr."""

    def build(directory: Path) -> None:
        step.note("compiles containerd, about a minute")
        flags = ("-trimpath", "-ldflags", "-s -w", "-tags", "no_btrfs no_zfs no_devmapper")
        packages = [f"{_CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")]
        _go(step, HERE / "containerd", "build", "-v", *flags, "-o", str(directory), *packages)

    return made_once("containerd", key_of(HERE / "containerd"), build)


def pause(step: Step) -> Path:
    """The program that holds a Pod's namespaces."""

    def build(directory: Path) -> None:
        _go(step, HERE / "pause", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(directory / "pause"), ".")

    return made_once("pause", key_of(HERE / "pause"), build) / "pause"


def kueue(step: Step) -> Path:
    """A directory with Kueue's program `manager`, static, and its Helm chart in `chart`."""

    def build(directory: Path) -> None:
        _need_go("Kueue is built")
        step.note("compiles Kueue, 3 minutes on 2 cores")
        flags = ("-trimpath", "-ldflags", "-s -w")
        _go(step, HERE / "kueue", "build", "-v", *flags, "-o", str(directory / "manager"), f"{_KUEUE}/cmd/kueue")
        module = Path(_go(step, HERE / "kueue", "list", "-m", "-f", "{{.Dir}}", _KUEUE).strip())
        _copy_chart(module / "charts" / "kueue", directory / "chart")

    return made_once("kueue", key_of(HERE / "kueue"), build)


def metrics_server(step: Step) -> Path:
    """A directory with the metrics-server's program `metrics-server`, static."""

    def build(directory: Path) -> None:
        _need_go("The metrics-server is built")
        step.note("compiles the metrics-server, 2 minutes on 2 cores")
        flags = ("-trimpath", "-ldflags", "-s -w", "-o", str(directory / "metrics-server"))
        _go(step, HERE / "metrics-server", "build", "-v", *flags, f"{_METRICS_SERVER}/cmd/metrics-server")

    return made_once("metrics-server", key_of(HERE / "metrics-server"), build)


def gateway_api(step: Step) -> Path:
    """A directory with the Gateway API's definitions, as its module has them: those of the standard channel."""

    def build(directory: Path) -> None:
        _need_go("The module of the Gateway API is got")
        module = json.loads(_go(step, HERE / "gateway-api", "mod", "download", "-json", _GATEWAY_API))["Dir"]
        for file in sorted((Path(module) / "config" / "crd" / "standard").glob("*.yaml")):
            (directory / file.name).write_bytes(file.read_bytes())

    return made_once("gateway-api", key_of(HERE / "gateway-api"), build)


def _need_go(what: str) -> None:
    if shutil.which("go") is None:
        raise StepError(f"{what} with Go 1.26 or newer: install it, so that `go` is in PATH")


def _copy_chart(chart: Path, target: Path) -> None:
    """Without the API of pending workloads: nothing here asks it, and while an aggregated API does not answer, no
    namespace can be deleted. A module's files are read-only, which a copy must not be.
    """
    for file in chart.rglob("*"):
        if file.is_file() and file.parent.name != "visibility":
            copy = target / file.relative_to(chart)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())


def _go(step: Step, module: Path, *arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    return step.run("go", *arguments, cwd=module, env=environment, progress=_PACKAGE)
