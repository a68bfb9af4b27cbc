"""Run Envoy and the monitor in one container, as its first process.

Envoy's life is the container's: when Envoy terminates, the container terminates with Envoy's exit code and the kubelet
restarts it. The monitor is restarted with backoff and never affects Envoy. Both share a container because a Pod is only
Ready while all its containers run: a monitor in a container of its own could take the Pod out of service.

The supervisor lives as long as the Pod, so it stays small: no imports beyond the operating system's, no threads.
Children of it check the operator's routes before Envoy sees them, and Envoy starts once routes have been accepted.
"""

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence

from modelops.monitor.processes import log, start
from modelops.monitor.routes_check import LOOK_SECONDS, RoutesCheck

_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_INITIAL_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 60.0
_STABLE_AFTER_SECONDS = 300.0
"""Lifetime in seconds after which a monitor counts as recovered, and its next restart has the initial delay."""
_MONITOR_STACK_BYTES = 2**20
"""Stack size of each of the monitor's threads. gRPC starts most of them, more on larger machines: with the default of 8
MiB they would use up the limited address space."""
_MONITOR_GRACE_SECONDS = 3.0
"""Time for the monitor to flush after Envoy has terminated on request."""


class Supervisor:
    """One run of Envoy, and the runs of the monitor beside it."""

    def __init__(
        self, envoy: Sequence[str], monitor: Sequence[str], monitor_memory_bytes: int, routes: RoutesCheck
    ) -> None:
        self._envoy = list(envoy)
        self._monitor = list(monitor)
        self._memory = monitor_memory_bytes
        self._routes = routes
        self._envoy_pid = 0
        self._monitor_pid = 0
        self._monitor_started = 0.0
        self._monitor_due: float | None = 0.0
        self._delay = _INITIAL_DELAY_SECONDS
        self._restarts = 0
        self._stopping = False

    def run(self) -> int:
        """Run until Envoy terminates, and return the exit code for the container."""
        block_signals()
        while True:
            self._start_envoy_when_routed()
            self._start_monitor_when_due()
            self._wait()
            code = self._reap()
            if code is None and self._stopping and not self._envoy_pid:
                code = 0
            if code is not None:
                self._stop_monitor()
                send(self._routes.pid, signal.SIGKILL)
                return code

    def _start_envoy_when_routed(self) -> None:
        """Start Envoy once it has accepted routes: without any it would answer each request with 404."""
        if not self._stopping:
            self._routes.start_when_changed()
        if not self._envoy_pid and self._routes.routed:
            self._envoy_pid = start(self._envoy, dict(os.environ))

    def _wait(self) -> None:
        """Sleep until a signal arrives, the monitor is due or the routes may have changed.

        Pass a termination signal on to both children.
        """
        due = LOOK_SECONDS if self._monitor_due is None else max(0.0, self._monitor_due - time.monotonic())
        timeout = min(LOOK_SECONDS, due)
        received = signal.sigtimedwait(_HANDLED, timeout)
        if received is None or received.si_signo == signal.SIGCHLD:
            return
        self._stopping = True
        self._monitor_due = None
        send(self._envoy_pid, signal.SIGTERM)
        send(self._monitor_pid, signal.SIGTERM)

    def _reap(self) -> int | None:
        """Reap all terminated children, orphans included, and return Envoy's exit code if Envoy was among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                return None
            code = os.waitstatus_to_exitcode(status)
            if pid == self._envoy_pid:
                log(f"Envoy terminated: {describe(code)}")
                return code if code >= 0 else 128 - code
            if pid == self._monitor_pid:
                self._schedule_restart(describe(code))
            elif pid == self._routes.pid:
                self._routes.ended(code)

    def _start_monitor_when_due(self) -> None:
        if self._monitor_due is None or time.monotonic() < self._monitor_due:
            return
        self._monitor_due = None
        self._monitor_started = time.monotonic()
        environment = {
            **os.environ,
            "MODELOPS_MONITOR_RESTARTS": str(self._restarts),
            "MALLOC_ARENA_MAX": "1",  # each arena, one per thread, reserves 64 MiB of the limited address space
        }
        try:
            with stack_limit(_MONITOR_STACK_BYTES):
                self._monitor_pid = start(self._monitor, environment)
            resource.prlimit(self._monitor_pid, resource.RLIMIT_AS, (self._memory, self._memory))
        except ProcessLookupError:
            return  # the monitor has already terminated and is about to be reaped
        except OSError as error:
            self._schedule_restart(f"not started: {error}")

    def _schedule_restart(self, reason: str) -> None:
        self._monitor_pid = 0
        if self._stopping:
            return
        now = time.monotonic()
        if now - self._monitor_started >= _STABLE_AFTER_SECONDS:
            self._delay = _INITIAL_DELAY_SECONDS
        log(f"monitor terminated: {reason}; restarting in {self._delay:.0f} s")
        self._monitor_due = now + self._delay
        self._delay = min(self._delay * 2, _MAX_DELAY_SECONDS)
        self._restarts += 1

    def _stop_monitor(self) -> None:
        """Stop the monitor: with time to flush on request, at once if Envoy crashed and only a restart matters."""
        until = time.monotonic() + (_MONITOR_GRACE_SECONDS if self._stopping else 0.0)
        self._stopping = True
        while self._monitor_pid and (left := until - time.monotonic()) > 0:
            signal.sigtimedwait(_HANDLED, left)
            self._reap()
        send(self._monitor_pid, signal.SIGKILL)


def block_signals() -> None:
    """Block the handled signals, so that sigtimedwait receives them and none is lost.

    The first process of a container has no default action for SIGTERM: the signal would be ignored otherwise.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


@contextlib.contextmanager
def stack_limit(bytes_: int) -> Iterator[None]:
    """Limit the stacks of children started in this context, which read the limit when they start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def send(pid: int, signal_number: int) -> None:
    """Send a signal to a child that may have terminated. 0 stands for no child, never for the own process group."""
    if pid > 0:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return


def describe(code: int) -> str:
    """Describe how a child terminated."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
