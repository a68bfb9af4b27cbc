"""Write a container image of one static program without a builder."""

import hashlib
import io
import json
import tarfile
from pathlib import Path


def of_one_file(name: str, program: Path, target: Path) -> Path:
    """Write an image archive (Docker's save format) in which `program` is the entrypoint."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    files = {"layer.tar": (layer, 0o644), "config.json": (config, 0o644), "manifest.json": (manifest, 0o644)}
    target.write_bytes(_tar(files))
    return target


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
