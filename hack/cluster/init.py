"""`python3 -m hack.cluster.init STATE`: first process (PID 1) of the embedded node, in namespaces of its own.

The process sets up cgroups, network and /run of the node, starts the node's programs, restarts programs that end, and
reaps orphans. When PID 1 of a PID namespace is killed, the kernel kills all other processes of the namespace.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from hack.cluster import cgroups
from hack.cluster.configs import NODE_NAME

_RESTART_SECONDS = 2.0


def main() -> None:
    """Set up the node, and keep its programs running until a signal ends the process."""
    state = Path(sys.argv[1])
    setup = json.loads((state / "init.json").read_text())
    socket.sethostname(NODE_NAME)
    _mounts()
    cgroups.show_only_own()
    _network(setup["node"], setup["host"])
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: sys.exit(0))
    _keep_running(setup["programs"], state / "logs", setup["path"])


def _mounts() -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    subprocess.run(["mount", "--make-rshared", "/"], check=True)


def _network(node: str, host: str) -> None:
    while not Path("/proc/sys/net/ipv4/conf/eth0").exists():
        time.sleep(0.02)
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", f"{node}/30", "dev", "eth0"],
        ["ip", "link", "set", "eth0", "up"],
        ["ip", "route", "add", "default", "via", host],
    ):
        subprocess.run(command, check=True)
    for name in ("net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet"):
        Path("/proc/sys", name).write_text("1")


def _keep_running(programs: dict[str, list[str]], logs: Path, path: str) -> None:
    logs.mkdir(exist_ok=True)
    running: dict[int, str] = {}
    due = dict.fromkeys(programs, 0.0)
    environment = {**os.environ, "PATH": path}
    while True:
        now = time.monotonic()
        for name in [name for name, at in due.items() if at <= now]:
            with (logs / f"{name}.log").open("ab") as log:
                process = subprocess.Popen(
                    programs[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd="/"
                )
            running[process.pid] = name
            del due[name]
        while (ended := _reap()) is not None:
            name_of_ended = running.pop(ended, None)
            if name_of_ended is not None:
                due[name_of_ended] = time.monotonic() + _RESTART_SECONDS
        time.sleep(0.1)


def _reap() -> int | None:
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return pid or None


if __name__ == "__main__":
    main()
