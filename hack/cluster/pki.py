"""Certificates of a cluster: one authority, and one certificate for each client of the API server."""

import base64
from pathlib import Path

from hack.cluster.network import Network
from hack.steps import Step

_DAYS = "3650"
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet": "/O=system:nodes/CN=system:node:modelops",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "coredns": "/O=system:masters/CN=coredns",
    "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    "front-proxy": "/CN=front-proxy",
}


def make(step: Step, directory: Path, network: Network) -> None:
    """Write `ca.crt`, `sa.key`, and `<name>.crt` and `<name>.key` of each client, unless these files exist."""
    if not (directory / "complete").exists():
        _make_authority(step, directory, network)
    for name, subject in CLIENTS.items():
        if not (directory / f"{name}.crt").exists():
            _sign(step, directory, name, subject, "extendedKeyUsage=clientAuth")


def _make_authority(step: Step, directory: Path, network: Network) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", _DAYS)
    authority = ("-x509", "-subj", "/CN=modelops-ca", "-keyout", directory / "ca.key", "-out", directory / "ca.crt")
    step.run("openssl", "req", *curve, *authority)
    step.run("openssl", "genrsa", "-out", directory / "sa.key", "2048")
    names = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    addresses = f"IP:127.0.0.1,IP:{network.node},IP:{network.api_service}"
    _sign(step, directory, "apiserver", "/CN=kube-apiserver", f"subjectAltName={names},{addresses}")
    (directory / "complete").touch()


def kubeconfig(directory: Path, network: Network, user: str, *, embed: bool = False) -> str:
    """Return a kubeconfig for one of CLIENTS, with paths of the certificates, or with their content if `embed`."""
    parts = {
        "certificate-authority": directory / "ca.crt",
        "client-certificate": directory / f"{user}.crt",
        "client-key": directory / f"{user}.key",
    }
    written = {name: _field(name, path, embed=embed) for name, path in parts.items()}
    return f"""apiVersion: v1
kind: Config
clusters:
- name: modelops
  cluster:
    server: https://{network.node}:6443
    {written["certificate-authority"]}
users:
- name: {user}
  user:
    {written["client-certificate"]}
    {written["client-key"]}
contexts:
- name: modelops
  context: {{cluster: modelops, user: {user}}}
current-context: modelops
"""


def _field(name: str, path: Path, *, embed: bool) -> str:
    if not embed:
        return f"{name}: {path}"
    return f"{name}-data: {base64.b64encode(path.read_bytes()).decode()}"


def _sign(step: Step, directory: Path, name: str, subject: str, extension: str) -> None:
    request = directory / f"{name}.csr"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", directory / f"{name}.key")
    step.run("openssl", "req", *key, "-subj", subject, "-out", request)
    extensions = directory / f"{name}.ext"
    extensions.write_text(extension + "\n")
    authority = ("-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-CAcreateserial")
    output = ("-days", _DAYS, "-extfile", extensions, "-out", directory / f"{name}.crt")
    step.run("openssl", "x509", "-req", "-in", request, *authority, *output)
    request.unlink()
    extensions.unlink()
