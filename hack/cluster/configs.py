"""Configuration and command line of every program of the embedded node."""

import json
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import pki
from hack.cluster.network import Network

NODE_NAME = "modelops"
DOMAIN = "cluster.local"
PAUSE_IMAGE = "localhost/modelops/pause:1"
AUDITED_USER = "system:serviceaccount:modelops-system:modelops"
"""The operator. Its requests are in the audit log."""
_AUDIT_LOG_MEBIBYTES = 512


@dataclass(frozen=True)
class Program:
    """Program that the node keeps running."""

    name: str
    command: list[str]


@dataclass(frozen=True)
class Node:
    """Paths of a node's programs and files, and its network."""

    state: Path
    network: Network
    etcd: Path
    kubernetes: Path
    containerd: Path

    @property
    def certificates(self) -> Path:
        """Directory of keys and certificates."""
        return self.state / "pki"

    @property
    def socket(self) -> Path:
        """Socket of containerd."""
        return self.state / "run" / "containerd.sock"

    @property
    def audit_log(self) -> Path:
        """Audit log of the API server: a JSON object a line."""
        return audit_log(self.state)

    def config(self, name: str) -> Path:
        """Return the path of a configuration file."""
        return self.state / "config" / name


def audit_log(state: Path) -> Path:
    """Return the path of the audit log of a cluster with this directory of state."""
    return state / "audit.log"


def write(node: Node) -> None:
    """Write all configuration files."""
    (node.state / "config" / "cni").mkdir(parents=True, exist_ok=True)
    for user in ("kubelet", "controller-manager", "scheduler", "proxy", "coredns"):
        node.config(f"{user}.kubeconfig").write_text(pki.kubeconfig(node.certificates, node.network, user))
    node.config("containerd.toml").write_text(_containerd(node))
    node.config("cni/10-pods.conflist").write_text(json.dumps(_cni(node), indent=1))
    node.config("kubelet.yaml").write_text(json.dumps(_kubelet(node), indent=1))
    node.config("kube-proxy.yaml").write_text(json.dumps(_kube_proxy(node), indent=1))
    node.config("audit.json").write_text(json.dumps(_audit_policy(), indent=1))
    node.config("Corefile").write_text(_corefile(node))


def programs(node: Node) -> list[Program]:
    """Return the programs of the node, in the order of their start."""
    certificates = node.certificates
    network = node.network

    def kubernetes(name: str, *flags: str) -> Program:
        return Program(name, [str(node.kubernetes / name), *flags])

    return [
        Program(
            "etcd",
            [
                str(node.etcd),
                f"--data-dir={node.state}/etcd",
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
                "--listen-peer-urls=http://127.0.0.1:2380",
                "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                "--initial-cluster=default=http://127.0.0.1:2380",
                "--auto-compaction-retention=5m",
                "--unsafe-no-fsync",
            ],
        ),
        Program("containerd", [str(node.containerd / "containerd"), "--config", str(node.config("containerd.toml"))]),
        kubernetes(
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={network.node}",
            f"--service-cluster-ip-range={network.services}",
            f"--client-ca-file={certificates}/ca.crt",
            f"--tls-cert-file={certificates}/apiserver.crt",
            f"--tls-private-key-file={certificates}/apiserver.key",
            f"--kubelet-client-certificate={certificates}/apiserver-kubelet.crt",
            f"--kubelet-client-key={certificates}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",
            # An aggregated API, such as the metrics-server's, gets the user of a request in headers.
            f"--requestheader-client-ca-file={certificates}/ca.crt",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={certificates}/front-proxy.crt",
            f"--proxy-client-key-file={certificates}/front-proxy.key",
            f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
            f"--service-account-key-file={certificates}/sa.key",
            f"--service-account-signing-key-file={certificates}/sa.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--audit-policy-file={node.config('audit.json')}",
            f"--audit-log-path={node.audit_log}",
            # One file and one old one, of which a run of all tests fills a part of the first.
            f"--audit-log-maxsize={_AUDIT_LOG_MEBIBYTES}",
            "--audit-log-maxbackup=1",
        ),
        kubernetes(
            "kube-controller-manager",
            f"--kubeconfig={node.config('controller-manager.kubeconfig')}",
            f"--service-account-private-key-file={certificates}/sa.key",
            f"--root-ca-file={certificates}/ca.crt",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={network.pods}",
            "--node-cidr-mask-size=19",
            "--leader-elect=false",
        ),
        kubernetes("kube-scheduler", f"--kubeconfig={node.config('scheduler.kubeconfig')}", "--leader-elect=false"),
        kubernetes(
            "kubelet",
            f"--config={node.config('kubelet.yaml')}",
            f"--kubeconfig={node.config('kubelet.kubeconfig')}",
            f"--root-dir={node.state}/kubelet",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={network.node}",
        ),
        kubernetes("kube-proxy", f"--config={node.config('kube-proxy.yaml')}", f"--hostname-override={NODE_NAME}"),
        kubernetes("coredns", "-conf", str(node.config("Corefile"))),
    ]


def _containerd(node: Node) -> str:
    return f"""version = 3
root = "{node.state}/containerd"
state = "{node.state}/run/containerd"

[grpc]
address = "{node.socket}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{node.state}/config/cni"
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def _cni(node: Node) -> object:
    # ptp, not bridge: packets between Pods must pass the node's own stack, where Services' addresses are translated.
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.network.pods.replace("/18", "/19")}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": f"{node.state}/run/cni",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet(node: Node) -> object:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.network.node,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(node.certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "clusterDNS": [node.network.node],
        "clusterDomain": DOMAIN,
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "featureGates": {"KubeletInUserNamespace": True},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "podLogsDir": str(node.state / "pod-logs"),
        "maxPods": 250,
        "resolvConf": "",
        "shutdownGracePeriod": "0s",
    }


def _kube_proxy(node: Node) -> object:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": node.network.pods,
        "clientConnection": {"kubeconfig": str(node.config("proxy.kubeconfig"))},
        "conntrack": {"maxPerCore": 0},
        "nftables": {"minSyncPeriod": "100ms"},
    }


def _audit_policy() -> object:
    """Return the policy: metadata of the operator's requests, and of those that create or change an object of its own.

    Its Lease, which it renews every second, is left out.
    """
    own = {"group": "modelops.dev", "resources": ["datasets", "trainingruns", "modelversions", "inferenceservices"]}
    lease = {"group": "coordination.k8s.io", "resources": ["leases"]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "omitManagedFields": True,
        "rules": [
            {"level": "None", "users": [AUDITED_USER], "namespaces": ["modelops-system"], "resources": [lease]},
            {"level": "Metadata", "users": [AUDITED_USER]},
            {"level": "Metadata", "verbs": ["create", "update", "patch"], "resources": [own]},
            {"level": "None"},
        ],
    }


def _corefile(node: Node) -> str:
    # Without `forward`: names outside the cluster are refused at once instead of after a timeout.
    return f"""{DOMAIN}:53 in-addr.arpa:53 {{
    errors
    cache 5
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {node.config("coredns.kubeconfig")}
        ttl 5
    }}
}}
"""
