"""Parts of the grace period after SIGTERM, by a clock of the test's."""

import signal
import time
from collections.abc import Iterator

import pytest

from modelops.worker.runtime.graceful_stop import GracefulStop, Terminated


class Clock:
    """Monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Restore this process's own handlers: GracefulStop ignores SIGTERM from its exit on."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(time, "monotonic", moved.monotonic)
    return moved


@pytest.mark.parametrize(
    ("grace_seconds", "trainer_seconds", "working_seconds"),
    [
        pytest.param(10.0, 10 * 2 / 3, 9.0, id="of a short period the parts are fractions"),
        pytest.param(30.0, 20.0, 27.0, id="by default 3 seconds are left for the report"),
        pytest.param(120.0, 100.0, 117.0, id="of a long period the trainer gets all but 20 seconds"),
    ],
)
def test_the_report_is_written_before_the_grace_period_ends(
    clock: Clock, grace_seconds: float, trainer_seconds: float, working_seconds: float
) -> None:
    """The kernel's timer, which raises Terminated wherever the main thread is, leaves time for the report."""
    with GracefulStop(grace_seconds) as stop:
        assert stop.left() == float("inf")
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        assert stop.left() == pytest.approx(working_seconds)
        assert working_seconds - 5 < signal.getitimer(signal.ITIMER_REAL)[0] <= working_seconds
        clock.now += trainer_seconds - 0.01
        assert not stop.trainer_grace_expired
        clock.now += 0.02
        assert stop.trainer_grace_expired
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_terminated_is_raised_in_the_midst_of_work() -> None:
    """A request that never ends does not outlast the grace period."""

    def work() -> None:
        with GracefulStop(0.5):
            signal.raise_signal(signal.SIGTERM)
            time.sleep(60)

    with pytest.raises(Terminated):
        work()
