"""Paths of the checkout, of the cache outside the checkout, and of the state of each cluster."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """Return the directory of build products, keyed by content and shared by all checkouts.

    The variable MODELOPS_CACHE overrides the default.
    """
    return Path(os.environ.get("MODELOPS_CACHE") or Path.home() / ".cache" / "modelops")


def offer(name: str, program: Path) -> None:
    """Link a program in .cluster/bin, the directory that a person adds to PATH."""
    link = CHECKOUT / ".cluster" / "bin" / name
    if not link.is_symlink() or link.readlink() != program:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)


@dataclass(frozen=True)
class Cluster:
    """Cluster of this checkout. Its id holds a hash of the checkout's path: two checkouts never share a cluster."""

    name: str

    @property
    def id(self) -> str:
        """Identifier, unique on this machine and short enough for the name of a network interface."""
        return f"{self.name[:4]}{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]}"

    @property
    def state(self) -> Path:
        """Directory of the cluster's state: etcd's data, containers, certificates, logs."""
        return cache() / "clusters" / self.id

    @property
    def outputs(self) -> Path:
        """Directory for a person's use, in the checkout: kubeconfig, images.json, bin/."""
        root = CHECKOUT / ".cluster"
        return root if self.name == "dev" else root / self.name

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the cluster's administrator."""
        return self.outputs / "kubeconfig"

    @property
    def logs(self) -> Path:
        """Directory of the logs of steps."""
        return self.outputs / "logs"
