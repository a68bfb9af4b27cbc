"""The Go programs of the embedded node, built once for a state of their sources."""

import os
import re
from pathlib import Path

from hack.cluster.content import key_of, made_once
from hack.steps import Step

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


def _go(step: Step, module: Path, *arguments: str) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    step.run("go", *arguments, cwd=module, env=environment, progress=_PACKAGE)
