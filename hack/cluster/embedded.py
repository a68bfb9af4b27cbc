"""Embedded node: start, removal, and image store."""

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from hack.cluster import archive, binaries, cgroups, configs, machine, network, pki, places
from hack.steps import Step, StepError, Steps

_READY_WITHIN = 120.0
_IMAGE_LABEL = "io.cri-containerd.image=managed"


class Embedded:
    """Cluster of this checkout as a process tree in namespaces of its own."""

    def __init__(self, cluster: places.Cluster) -> None:
        self.cluster = cluster
        self._pid_file = cluster.state / "pid"
        self._branch = f"modelops-{cluster.id}"

    def up(self, steps: Steps) -> None:
        """Start the node unless it runs, and wait until the node is Ready.

        Raises StepError where the machine lacks root, apt-get or Go, or when the node is not Ready in time.
        """
        with steps.step("System packages") as step:
            machine.require_root()
            machine.install(step)
            etcd = machine.etcd(step)
        with steps.step("Kubernetes' programs") as step:
            kubernetes = self.programs(step)
            containerd = binaries.containerd(step)
            pause = binaries.pause(step)
            step.note(f"{binaries.KUBERNETES}, as built before" if not step.detail else binaries.KUBERNETES)
        with steps.step(f"Node {self.cluster.name}") as step:
            addresses = network.reserve(self.cluster)
            node = configs.Node(self.cluster.state, addresses, etcd, kubernetes, containerd)
            if self._running() is not None and self._ready(kubernetes):
                step.note("already running")
                return
            self._remove_leftovers(step)
            pki.make(step, node.certificates, addresses)
            self._start(step, node)
            self._write_kubeconfig(node)
            self._wait_for_api(node)
            self._import(step, archive.of_one_file(configs.PAUSE_IMAGE, pause, node.state / "pause.tar"))
            self._wait_until_ready(step, kubernetes)
            step.note(f"ready on {addresses.node}")

    def programs(self, step: Step) -> Path:
        """Build Kubernetes' programs, and link kubectl and helm in `.cluster/bin`. Return their directory."""
        kubernetes = binaries.node(step)
        for name in ("kubectl", "helm"):
            places.offer(name, kubernetes / name)
        return kubernetes

    def down(self, steps: Steps) -> None:
        """Remove the node: processes, mounts, namespaces, network interface, cgroups and state."""
        with steps.step(f"Removing node {self.cluster.name}") as step:
            self._remove_leftovers(step)
            shutil.rmtree(self.cluster.state, ignore_errors=True)
            for leftover in ("kubeconfig", "images.json"):
                (self.cluster.outputs / leftover).unlink(missing_ok=True)

    def images(self) -> set[str]:
        """Return the names in the node's image store."""
        return set(self._ctr("images", "list", "--quiet").split())

    def load(self, step: Step, archive_file: Path | None, names: tuple[str, ...]) -> None:
        """Load an image from an archive into the node's store, under several names."""
        assert archive_file is not None, "without Docker, every image is built as an archive"
        self._import(step, archive_file)
        present = self.images()
        first = next(name for name in names if name in present)
        for name in names:
            if name not in present:
                self._ctr("images", "tag", first, name)
            self._ctr("images", "label", name, _IMAGE_LABEL)

    def _start(self, step: Step, node: configs.Node) -> None:
        shutil.rmtree(node.state / "run", ignore_errors=True)
        (node.state / "run").mkdir()
        configs.write(node)
        tools = f"{node.containerd}:{node.kubernetes}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        setup = {
            "node": node.network.node,
            "host": node.network.host,
            "path": tools,
            "programs": {program.name: program.command for program in configs.programs(node)},
        }
        (node.state / "init.json").write_text(json.dumps(setup, indent=1))
        namespaces = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--mount-proc")
        init = (sys.executable, "-m", "hack.cluster.init", str(node.state))
        with (node.state / "init.log").open("wb") as log:
            process = subprocess.Popen(
                ["unshare", *namespaces, "--propagation", "private", "--kill-child=KILL", *init],
                cwd=places.CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: cgroups.join(self._branch),
            )
        self._pid_file.write_text(f"{process.pid} {_start_time(process.pid)}")
        network.connect(step, node.network, self._init_of(process.pid))

    def _init_of(self, unshare: int) -> int:
        children = Path(f"/proc/{unshare}/task/{unshare}/children")
        for _ in range(200):
            with contextlib.suppress(OSError):
                for child in children.read_text().split():
                    if os.readlink(f"/proc/{child}/ns/net") != os.readlink("/proc/self/ns/net"):
                        return int(child)
            time.sleep(0.02)
        raise StepError(f"the node's first process did not start: see {self.cluster.state / 'init.log'}")

    def _running(self) -> int | None:
        """Return the PID of the node, if the process with that PID is still the one that was started."""
        try:
            pid, started = self._pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def _remove_leftovers(self, step: Step) -> None:
        """Kill the node if it runs, and remove the leftovers of a crash."""
        pid = self._running()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            _wait_for_end(pid)
        self._pid_file.unlink(missing_ok=True)
        for _ in range(100):
            if not any(_has_processes(branch) for branch in cgroups.left(self._branch)):
                break
            time.sleep(0.1)
        cgroups.remove(self._branch)
        if (self.cluster.state / "network.json").exists():
            network.disconnect(step, network.reserve(self.cluster))

    def _write_kubeconfig(self, node: configs.Node) -> None:
        self.cluster.outputs.mkdir(parents=True, exist_ok=True)
        self.cluster.kubeconfig.write_text(pki.kubeconfig(node.certificates, node.network, "admin", embed=True))
        self.cluster.kubeconfig.chmod(0o600)

    def _wait_for_api(self, node: configs.Node) -> None:
        context = ssl.create_default_context(cafile=str(node.certificates / "ca.crt"))
        context.load_cert_chain(node.certificates / "admin.crt", node.certificates / "admin.key")
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(
                    f"https://{node.network.node}:6443/readyz", context=context, timeout=2
                ) as answer:
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.1)
        raise StepError(f"the API server is not ready after {_READY_WITHIN:.0f} s: see {node.state / 'logs'}")

    def _wait_until_ready(self, step: Step, kubernetes: Path) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline:
            if self._ready(kubernetes):
                return
            time.sleep(0.2)
        raise StepError(f"the node is not Ready after {_READY_WITHIN:.0f} s: see {self.cluster.state / 'logs'}")

    def _ready(self, kubernetes: Path) -> bool:
        """Return whether the node is Ready, and Pods can be admitted."""
        path = "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}"
        ready = self._kubectl(kubernetes, "get", "nodes", "-o", path)
        account = self._kubectl(kubernetes, "get", "serviceaccount", "default", "-n", "default", "-o", "name")
        return ready.startswith("True") and bool(account)

    def _kubectl(self, kubernetes: Path, *arguments: str) -> str:
        options = ("--kubeconfig", str(self.cluster.kubeconfig), "--request-timeout=5s")
        command = [str(kubernetes / "kubectl"), *options, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def _import(self, step: Step, archive_file: Path) -> None:
        step.run(*self._ctr_command(), "images", "import", archive_file)

    def _ctr(self, *arguments: str) -> str:
        done = subprocess.run([*self._ctr_command(), *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StepError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _ctr_command(self) -> list[str]:
        ctr = json.loads((self.cluster.state / "init.json").read_text())["path"].split(":")[0] + "/ctr"
        return [ctr, "-a", str((self.cluster.state / "run" / "containerd.sock").absolute()), "-n", "k8s.io"]


def _start_time(pid: int) -> str:
    """Return the start time of a process, which differs from that of a later process with the same PID.

    The text is empty if no process has the PID.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _wait_for_end(pid: int) -> None:
    for _ in range(200):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not _start_time(pid):
            return
        time.sleep(0.05)


def _has_processes(branch: Path) -> bool:
    return any(file.read_text().strip() for file in [branch / "cgroup.procs", *branch.rglob("cgroup.procs")])
