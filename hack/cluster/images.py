"""Container images: their sources, and their build by Docker or buildah, once for each content of the sources."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster import machine, places
from hack.cluster.content import key_of, made_once
from hack.steps import Step

REPOSITORY = "localhost/modelops"
BASE_PACKAGES = "python3,python3-venv,ca-certificates,busybox-static,tini,libgomp1"
BASE_NAME = f"{REPOSITORY}/base"


@dataclass(frozen=True)
class Image:
    """Image to build from a target of a Dockerfile; a change of the content of `sources` makes a new image."""

    name: str
    dockerfile: str
    sources: tuple[str, ...]
    target: str | None = None
    on: str | None = None
    """Name of the image in ALL that the Dockerfile gets as the argument BASE."""


def _own(name: str, *parts: str) -> Image:
    sources = [f"operator/modelops/{part}" for part in ("__init__.py", *parts)]
    return Image(name, "operator/Dockerfile", (f"requirements/{name}.txt", *sources), target=name)


OWN = (
    _own("operator", "__main__.py", "api", "lineage", "stats", "store", "machinery", "controllers"),
    _own("worker", "api", "lineage", "stats", "store", "worker"),
    _own("monitor", "api", "stats", "monitor"),
    _own("server", "api", "server"),
)
ALL = (
    *OWN,
    Image("s3", "hack/s3/Dockerfile", ("hack/s3",)),
    Image(
        "examples",
        "examples/Dockerfile",
        (
            "examples/mortgage/train.py",
            "examples/mortgage/judge.py",
            "examples/mortgage/data/applications.csv",
            "examples/sagemaker/train.py",
        ),
        on="server",
    ),
)


DISTRIBUTED = Image(
    "distributed",
    "examples/distributed/Dockerfile",
    ("requirements/distributed.txt", "examples/distributed/train.py"),
)
"""Image with JAX. Not in ALL: only a few tests need the image, and its build is long."""


@dataclass(frozen=True)
class Built:
    """Image that was built. `archive` is an OCI archive, or None where Docker holds the image."""

    name: str
    tag: str
    digest: str
    archive: Path | None = field(default=None, compare=False)

    @property
    def repository(self) -> str:
        """Name without tag and digest."""
        return f"{REPOSITORY}/{self.name}"

    @property
    def by_tag(self) -> str:
        """Name with the tag, which is the content key."""
        return f"{self.repository}:{self.tag}"

    @property
    def by_digest(self) -> str:
        """Name with the digest."""
        return f"{self.repository}@{self.digest}"


def build(step: Step, images: Iterable[Image] = ALL) -> list[Built]:
    """Build the images whose sources have changed, and return all of `images`, as built now or before.

    An image follows the image that it is built on.
    """
    builder = _Docker(step) if machine.docker_answers() else _Buildah(step)
    built: dict[str, Built] = {}
    for image in images:
        step.note(image.name)
        base = built[image.on] if image.on else None
        sources = [places.CHECKOUT / source for source in (image.dockerfile, *image.sources)]
        key = key_of(base.tag if base else builder.base_key, image.target or "", *sources)
        built[image.name] = builder.build(image, key, base)
    step.note(", ".join(built))
    return list(built.values())


def write_list(built: Iterable[Built], file: Path) -> None:
    """Write `images.json`: by the name of each image its repository, tag and digest."""
    file.parent.mkdir(parents=True, exist_ok=True)
    listed = {image.name: {"repository": image.repository, "tag": image.tag, "digest": image.digest} for image in built}
    file.write_text(json.dumps(listed, indent=2) + "\n")


class _Buildah:
    """Builder without a daemon, in a chroot, on a base image of Debian packages."""

    base_key = key_of(BASE_PACKAGES)

    def __init__(self, step: Step) -> None:
        self._step = step
        root = places.cache() / "buildah"
        self._buildah = ("buildah", "--root", root, "--runroot", f"/run/modelops-buildah-{os.getuid()}")

    def build(self, image: Image, key: str, base: Built | None) -> Built:
        def make(directory: Path) -> None:
            parent = base.by_tag if base else self._base()
            name = f"{REPOSITORY}/{image.name}:{key}"
            arguments = ("--build-arg", f"BASE={parent}", "-f", places.CHECKOUT / image.dockerfile, "-t", name)
            target = ("--target", image.target) if image.target else ()
            how = ("--layers", "--isolation", "chroot", "--pull-never", "--format", "oci", "--network", "host")
            self._run("bud", *how, *self._mounts(directory), *arguments, *target, places.CHECKOUT)
            files = ("--digestfile", directory / "digest", "--disable-compression")
            self._run("push", *files, name, f"oci-archive:{directory / 'image.tar'}:{name}")

        made = made_once(f"images/{image.name}", key, make)
        return Built(image.name, key, (made / "digest").read_text().strip(), made / "image.tar")

    def _base(self) -> str:
        name = f"{BASE_NAME}:{self.base_key}"

        def make(directory: Path) -> None:
            self._step.note("base: Debian and Python")
            tree = directory / "base.tar"
            without = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man")]
            what = ("--variant=minbase", f"--include={BASE_PACKAGES}", *without)
            self._step.run("mmdebstrap", *what, "bookworm", tree)

        tree = made_once("images/base", self.base_key, make) / "base.tar"
        if not self._run("images", "-q", "--filter", f"reference={name}").strip():
            container = self._run("from", "--name", f"base-{os.getpid()}", "scratch").strip()
            self._run("add", container, tree, "/")
            self._run("commit", "--rm", container, name)
        return name

    def _mounts(self, directory: Path) -> tuple[str, ...]:
        """Return the mounts that pip needs in a build: this machine's settings and certificates, and a cache."""
        settings = directory / "pip.conf"
        variables = {
            name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name.startswith("PIP_")
        }
        listed = self._step.run("python3", "-m", "pip", "config", "list", check=False)
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            variables.setdefault(name.rpartition(".")[2], value.strip("'"))
        settings.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(variables.items())))
        downloads = places.cache() / "pip"
        downloads.mkdir(parents=True, exist_ok=True)
        mounts = [f"{settings}:/etc/pip.conf:ro", f"{downloads}:/tmp/.cache/pip", "/etc/ssl/certs:/etc/ssl/certs:ro"]
        return tuple(word for mount in mounts for word in ("-v", mount))

    def _run(self, *arguments: str | Path) -> str:
        command, *rest = arguments
        policy = ("--signature-policy", _policy()) if command in ("bud", "push", "from", "commit") else ()
        return self._step.run(*self._buildah, command, *policy, *rest)


def _policy() -> Path:
    file = places.cache() / "buildah-policy.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    return file


class _Docker:
    """Builder with Docker, which holds the images itself."""

    base_key = "docker"

    def __init__(self, step: Step) -> None:
        self._step = step

    def build(self, image: Image, key: str, base: Built | None) -> Built:
        name = f"{REPOSITORY}/{image.name}:{key}"
        parent = ("--build-arg", f"BASE={base.by_tag}") if base else ()
        target = ("--target", image.target) if image.target else ()
        dockerfile = places.CHECKOUT / image.dockerfile
        self._step.run("docker", "build", "-f", dockerfile, "-t", name, *parent, *target, places.CHECKOUT)
        return Built(image.name, key, self._step.run("docker", "image", "inspect", "-f", "{{.Id}}", name).strip())
