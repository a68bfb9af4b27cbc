"""A worker waits for an outage to end, and reports a mistake at once."""

import pytest

from modelops.store.errors import Reason, S3Error
from modelops.worker.runtime.retry import retry


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def error(*, transient: bool) -> S3Error:
    return S3Error(Reason.SLOW_DOWN, "slow", transient=transient)


def test_an_action_succeeds_after_an_outage() -> None:
    """A service that comes back in time costs time, and no attempt of the run."""
    clock = Clock()

    def action() -> str:
        if clock.now < 100:
            raise error(transient=True)
        return "done"

    assert retry(action, seconds=120, now=lambda: clock.now, sleep=clock.sleep) == "done"


def test_retries_end_at_the_deadline() -> None:
    """A service that stays down ends the attempt at the deadline, not later."""
    clock = Clock()

    def action() -> None:
        raise error(transient=True)

    with pytest.raises(S3Error):
        retry(action, seconds=120, now=lambda: clock.now, sleep=clock.sleep)
    assert clock.now == pytest.approx(120)


def test_an_error_that_waiting_cannot_fix_is_raised_at_once() -> None:
    """A person learns of a wrong credential or bucket without delay."""
    clock = Clock()

    def action() -> None:
        raise error(transient=False)

    with pytest.raises(S3Error):
        retry(action, seconds=120, now=lambda: clock.now, sleep=clock.sleep)
    assert clock.now == 0
