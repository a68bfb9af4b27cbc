"""Outages are waited for, mistakes are not."""

import pytest

from modelops.store.errors import Reason, S3Error
from modelops.worker.runtime.retry import retry


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def problem(*, transient: bool) -> S3Error:
    return S3Error(Reason.SLOW_DOWN, "slow", transient=transient)


def test_an_outage_is_waited_for():
    """A service that comes back in time costs time, nothing else."""
    clock = Clock()

    def action() -> str:
        if clock.now < 100:
            raise problem(transient=True)
        return "done"

    assert retry(action, seconds=120, now=lambda: clock.now, sleep=clock.sleep) == "done"


def test_patience_ends():
    """A service that stays away ends the attempt at the deadline, and not later."""
    clock = Clock()

    def action() -> None:
        raise problem(transient=True)

    with pytest.raises(S3Error):
        retry(action, seconds=120, now=lambda: clock.now, sleep=clock.sleep)
    assert clock.now == pytest.approx(120)


def test_mistakes_are_told_at_once():
    """What waiting cannot mend is not waited for."""
    clock = Clock()

    def action() -> None:
        raise problem(transient=False)

    with pytest.raises(S3Error):
        retry(action, seconds=120, now=lambda: clock.now, sleep=clock.sleep)
    assert clock.now == 0
