"""Admission policies of the chart, rendered by Helm with other values than those of the cluster's release."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from hack import kubectl
from support.checkout import ROOT
from support.cluster.api_server import Body

_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def rendered_policies(release: str, **values: Any) -> list[Body]:
    """Return the admission policies of a release of this name, which the names of the policies begin with."""
    helm = os.environ.get("MODELOPS_HELM") or str(kubectl.BIN / "helm")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "values.yaml"
        file.write_text(yaml.safe_dump({"store": {"url": "s3://store"}, "fullnameOverride": release, **values}))
        command = [helm, "template", release, str(ROOT / "helm" / "modelops"), "--values", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    manifests: list[Body] = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    return [manifest for manifest in manifests if manifest["kind"] in _POLICIES]
