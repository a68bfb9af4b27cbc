"""Node by kind, where a Docker daemon answers."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from hack.cluster import binaries, places
from hack.cluster.content import made_once
from hack.cluster.route import Route, service_range
from hack.steps import Step, StepError, Steps

_VERSION = "v0.32.0"
_CONFIG = places.CHECKOUT / "kind-config.yaml"
_API_SERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml"


class Kind:
    """Cluster of this checkout as a container."""

    def __init__(self, cluster: places.Cluster) -> None:
        self.cluster = cluster
        self._name = f"modelops-{cluster.id}"

    def up(self, steps: Steps) -> None:
        """Start the node unless it runs, wait until the node is Ready, and open the route to its Services.

        Raises StepError where kind and Go are missing, or without a route.
        """
        with steps.step("Programs") as step:
            kind = _kind(step)
            self.programs(step)
        with steps.step(f"Node {self.cluster.name}") as step:
            self.cluster.outputs.mkdir(parents=True, exist_ok=True)
            if self._name in step.run(kind, "get", "clusters").split():
                step.run(kind, "export", "kubeconfig", "--name", self._name, "--kubeconfig", self.cluster.kubeconfig)
                step.note("already running")
            else:
                where = ("--name", self._name, "--kubeconfig", self.cluster.kubeconfig)
                step.run(kind, "create", "cluster", *where, "--config", _CONFIG, "--wait", "120s")
        with steps.step("Route to the Services") as step:
            self._route().open(step)

    def programs(self, step: Step) -> None:
        """Link kubectl and helm in `.cluster/bin`: those of this machine, or those built here."""
        for name in ("kubectl", "helm"):
            installed = shutil.which(name)
            places.offer(name, Path(installed) if installed else binaries.node(step) / name)

    def down(self, steps: Steps) -> None:
        """Remove the container and the route."""
        with steps.step(f"Removing node {self.cluster.name}") as step:
            with contextlib.suppress(StepError):
                self._route().close(step)
            step.run(_kind(step), "delete", "cluster", "--name", self._name, "--kubeconfig", self.cluster.kubeconfig)
            for leftover in ("kubeconfig", "images.json"):
                (self.cluster.outputs / leftover).unlink(missing_ok=True)

    def images(self) -> set[str]:
        """Return the names in the node's image store."""
        return set(self._node("ctr", "-n", "k8s.io", "images", "list", "--quiet").split())

    def load(self, step: Step, archive_file: Path | None, names: tuple[str, ...]) -> None:
        """Load an image into the node's store, under several names: from an archive, or from Docker if that is None."""
        what = ("docker-image", names[0]) if archive_file is None else ("image-archive", archive_file)
        step.run(_kind(step), "load", *what, "--name", self._name)
        for name in names[1:]:
            self._node("ctr", "-n", "k8s.io", "images", "tag", "--force", names[0], name)

    def _route(self) -> Route:
        template = "{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}"
        addresses = self._docker("inspect", "--format", template, self._container).split()
        if not addresses:
            raise StepError(f"container {self._container} has no address: is the container stopped?")
        return Route(service_range(self._node("cat", _API_SERVER)), addresses[0])

    @property
    def _container(self) -> str:
        return f"{self._name}-control-plane"

    def _node(self, *command: str) -> str:
        return self._docker("exec", self._container, *command)

    def _docker(self, *command: str) -> str:
        done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StepError(f"docker {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def _kind(step: Step) -> Path:
    installed = shutil.which("kind")
    if installed:
        return Path(installed)
    if shutil.which("go") is None:
        raise StepError("Docker answers, but neither `kind` nor Go to build kind is in PATH: install one of them")

    def build(directory: Path) -> None:
        step.note("building kind")
        step.run("go", "install", f"sigs.k8s.io/kind@{_VERSION}", env={**os.environ, "GOBIN": str(directory)})

    return made_once("kind", _VERSION, build) / "kind"
