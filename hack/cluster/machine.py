"""Requirements on this machine: Docker; or root, Go and a few Debian packages for the embedded node."""

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
"""Required program → Debian package that contains the program."""


def docker_answers() -> bool:
    """Return whether a Docker daemon answers, and MODELOPS_CLUSTER is not `embedded`."""
    if shutil.which("docker") is None or os.environ.get("MODELOPS_CLUSTER") == "embedded":
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


def require_root() -> None:
    """Check that the embedded node can run here. Raises StepError where root, apt-get or Go is missing."""
    if os.geteuid() != 0:
        raise StepError(
            "no Docker daemon answers, and the embedded node needs root: start Docker, or run this command as root"
        )
    if shutil.which("apt-get") is None:
        raise StepError("no Docker daemon answers, and the embedded node needs Debian's apt-get: start Docker")
    if shutil.which("go") is None:
        raise StepError("the embedded node: Go 1.26 or newer is missing; install Go, and put `go` in PATH")


def missing_packages() -> list[str]:
    """Return the Debian packages of the required programs that are missing."""
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})


def install(step: Step) -> None:
    """Install the missing packages, and show their names first."""
    missing = missing_packages()
    if not missing:
        step.note("all present")
        return
    step.note("installing " + ", ".join(missing))
    step.run("apt-get", "-q", "update")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    step.run("apt-get", "-q", "install", "-y", "--no-install-recommends", *missing, env=quiet)


def etcd(step: Step) -> Path:
    """Return the path of etcd, from an unpacked package: installing the package would start a service here."""
    return unpacked(step, "etcd", "etcd-server") / "usr" / "bin" / "etcd"


def unpacked(step: Step, kind: str, *packages: str) -> Path:
    """Download and unpack Debian packages without installing them. Return the directory of their files."""

    def unpack(directory: Path) -> None:
        step.run("apt-get", "-q", "update")
        step.run("apt-get", "-q", "download", *packages, cwd=directory)
        for package in directory.glob("*.deb"):
            step.run("dpkg-deb", "-x", package, directory)
            package.unlink()

    return made_once(kind, key_of(*packages), unpack)
