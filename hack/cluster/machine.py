"""What the machine must have: root, or Docker; and, for the embedded node, a few Debian packages."""

import os
import shutil
import subprocess
from pathlib import Path

from hack.cluster.content import key_of, made_once
from hack.steps import Step, StepError

PROGRAMS = {
    "runc": "runc",
    "nft": "nftables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "openssl": "openssl",
    "mmdebstrap": "mmdebstrap",
    "buildah": "buildah",
    "unshare": "util-linux",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}
"""A program that is needed → the Debian package that brings it."""


def docker_answers() -> bool:
    """Whether a Docker daemon can be used."""
    if shutil.which("docker") is None or os.environ.get("MODELOPS_CLUSTER") == "embedded":
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


def require_root() -> None:
    """Raises StepError with what is missing."""
    if os.geteuid() != 0:
        raise StepError("no Docker daemon answers, and the embedded node needs root: start Docker, or run this as root")
    if shutil.which("apt-get") is None:
        raise StepError("no Docker daemon answers, and the embedded node needs Debian's apt-get: start Docker")
    if shutil.which("go") is None:
        raise StepError("the embedded node is built with Go 1.26 or newer: install it, so that `go` is in PATH")


def missing_packages() -> list[str]:
    """The Debian packages that bring what is not there yet."""
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})


def install(step: Step) -> None:
    """Install what is missing, naming it first."""
    missing = missing_packages()
    if not missing:
        step.note("all there")
        return
    step.note("installs " + ", ".join(missing))
    step.run("apt-get", "-q", "update")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    step.run("apt-get", "-q", "install", "-y", "--no-install-recommends", *missing, env=quiet)


def etcd(step: Step) -> Path:
    """The etcd program. Installing its package would start a service on this machine."""
    return unpacked(step, "etcd", "etcd-server") / "usr" / "bin" / "etcd"


def unpacked(step: Step, kind: str, *packages: str) -> Path:
    """A directory with the files of Debian packages, which are not installed."""

    def unpack(directory: Path) -> None:
        step.run("apt-get", "-q", "update")
        step.run("apt-get", "-q", "download", *packages, cwd=directory)
        for package in directory.glob("*.deb"):
            step.run("dpkg-deb", "-x", package, directory)
            package.unlink()

    return made_once(kind, key_of(*packages), unpack)
