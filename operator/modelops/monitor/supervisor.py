"""Keeps Envoy and the monitor together in one container, as its first process.

Envoy is what the container is for: when it ends, the container ends with its exit code and the kubelet starts it
again. The monitor is not: it is started again with backoff, and whatever it does, Envoy never notices. They share a
container because a Pod is only Ready while all its containers run, so a monitor in one of its own could take the Pod
out of service.

Written to stay small for as long as the Pod lives: no imports beyond the operating system's, no threads.
"""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence

_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
_SETTLED = 300.0
"""A monitor that lived this long has recovered: its next end is a new story, with a short delay again."""
_MONITOR_STACK = 2**20
"""For each of its threads. gRPC starts most of them, more on a larger machine: with the usual 8 MiB for each they would
use up the address space that is limited."""
_MONITOR_GRACE = 3.0
"""How long the monitor may take to flush when the container is told to end, once Envoy has gone."""


class Supervisor:
    """One run of Envoy, and as many of the monitor as it takes."""

    def __init__(self, envoy: Sequence[str], monitor: Sequence[str], monitor_memory_bytes: int) -> None:
        self._envoy = list(envoy)
        self._monitor = list(monitor)
        self._memory = monitor_memory_bytes
        self._envoy_pid = 0
        self._monitor_pid = 0
        self._monitor_since = 0.0
        self._monitor_due: float | None = 0.0
        self._delay = _FIRST_DELAY
        self._restarts = 0
        self._ending = False

    def run(self) -> int:
        """Run until Envoy ends, and return the exit code that the container shall have."""
        hold_signals()
        self._envoy_pid = start(self._envoy, dict(os.environ))
        while True:
            self._start_monitor_when_due()
            self._wait()
            code = self._reap()
            if code is not None:
                self._end_monitor()
                return code

    def _wait(self) -> None:
        """Sleep until a signal arrives or the monitor is due; a request to end goes to both children."""
        timeout = 3600.0 if self._monitor_due is None else max(0.0, self._monitor_due - time.monotonic())
        received = signal.sigtimedwait(_HANDLED, timeout)
        if received is None or received.si_signo == signal.SIGCHLD:
            return
        self._ending = True
        self._monitor_due = None
        send(self._envoy_pid, signal.SIGTERM)
        send(self._monitor_pid, signal.SIGTERM)

    def _reap(self) -> int | None:
        """Collect every ended child, orphans included, and return Envoy's exit code if it was among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                return None
            code = os.waitstatus_to_exitcode(status)
            if pid == self._envoy_pid:
                say(f"Envoy ended: {describe(code)}")
                return code if code >= 0 else 128 - code
            if pid == self._monitor_pid:
                self._monitor_ended(describe(code))

    def _start_monitor_when_due(self) -> None:
        if self._monitor_due is None or time.monotonic() < self._monitor_due:
            return
        self._monitor_due = None
        self._monitor_since = time.monotonic()
        environment = {
            **os.environ,
            "MODELOPS_MONITOR_RESTARTS": str(self._restarts),
            "MALLOC_ARENA_MAX": "1",  # an arena for each thread reserves 64 MiB of the address space that is limited
        }
        try:
            with stack_limit(_MONITOR_STACK):
                self._monitor_pid = start(self._monitor, environment)
            resource.prlimit(self._monitor_pid, resource.RLIMIT_AS, (self._memory, self._memory))
        except ProcessLookupError:
            return  # it has ended already, and is about to be reaped
        except OSError as error:
            self._monitor_ended(f"not started: {error}")

    def _monitor_ended(self, how: str) -> None:
        self._monitor_pid = 0
        if self._ending:
            return
        now = time.monotonic()
        if now - self._monitor_since >= _SETTLED:
            self._delay = _FIRST_DELAY
        say(f"the monitor ended: {how}; starting it again in {self._delay:.0f} s")
        self._monitor_due = now + self._delay
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
        self._restarts += 1

    def _end_monitor(self) -> None:
        """Let it flush if this end was asked for; if Envoy died, every moment without a restart costs requests."""
        until = time.monotonic() + (_MONITOR_GRACE if self._ending else 0.0)
        self._ending = True
        while self._monitor_pid and (left := until - time.monotonic()) > 0:
            signal.sigtimedwait(_HANDLED, left)
            self._reap()
        send(self._monitor_pid, signal.SIGKILL)


def hold_signals() -> None:
    """Block what is handled, so that it waits its turn in sigtimedwait and none is lost between two steps.

    The first process of a container gets no default action for SIGTERM: without this it would just be ignored.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


def start(command: Sequence[str], environment: dict[str, str]) -> int:
    """Start a child with no signal blocked and return its process id."""
    return os.posix_spawn(command[0], list(command), environment, setsigmask=())


@contextlib.contextmanager
def stack_limit(bytes_: int) -> Iterator[None]:
    """Children that are started meanwhile have stacks of this size: they read the limit as they start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def send(pid: int, signal_number: int) -> None:
    """Send a signal to a child that may be gone. 0 stands for none, never for the own process group."""
    if pid > 0:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return


def describe(code: int) -> str:
    """A child's end in words."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def say(message: str) -> None:
    """One line to the container's log."""
    print(f"supervisor: {message}", file=sys.stderr, flush=True)
