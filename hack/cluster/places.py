"""Where things are: the checkout, the cache outside it, and the state of each cluster."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """What is expensive to make, keyed by content and shared by all checkouts."""
    return Path(os.environ.get("MODELOPS_CACHE") or Path.home() / ".cache" / "modelops")


def offer(name: str, program: Path) -> None:
    """Put a program where a person finds it: .cluster/bin."""
    link = CHECKOUT / ".cluster" / "bin" / name
    if not link.is_symlink() or link.readlink() != program:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)


@dataclass(frozen=True)
class Cluster:
    """One cluster of this checkout. Its id holds a hash of the checkout's path: two checkouts never share a cluster."""

    name: str

    @property
    def id(self) -> str:
        """Unique on this machine, and short enough for a network interface."""
        return f"{self.name[:4]}{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]}"

    @property
    def state(self) -> Path:
        """What the cluster keeps: etcd's data, containers, certificates, logs."""
        return cache() / "clusters" / self.id

    @property
    def outputs(self) -> Path:
        """What a person uses: kubeconfig, images.json, bin/."""
        root = CHECKOUT / ".cluster"
        return root if self.name == "dev" else root / self.name

    @property
    def kubeconfig(self) -> Path:
        """How to reach it."""
        return self.outputs / "kubeconfig"

    @property
    def logs(self) -> Path:
        """Logs of the steps that set it up."""
        return self.outputs / "logs"
