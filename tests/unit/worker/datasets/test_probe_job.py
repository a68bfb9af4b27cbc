"""A survey reads what is new once it holds still, and nothing that is known."""

from dataclasses import dataclass, field

import pytest

from modelops.api.contract.tasks import ProbeTask
from modelops.worker.datasets.probe_job import MAX_PROBES, wait_until_stable
from modelops.worker.datasets.sources import SourceState
from modelops.worker.runtime.errors import TaskError


@dataclass
class Case:
    name: str
    shows: str
    """The tokens of one look after the other, a letter each."""
    expect: tuple[str, bool]
    settle: float = 30.0
    known: list[str] = field(default_factory=list)
    token: str | None = None


CASES = [
    Case("what holds still is new", "aa", ("a", False)),
    Case("what still moves is waited for", "abcc", ("c", False)),
    Case("what is known is not waited for", "a", ("a", True), known=["b", "a"]),
    Case("what moves back to what is known is known", "xa", ("a", True), known=["a"]),
    Case("a volume's token says that nothing has changed", "t", ("t", True), known=["a"], token="t"),
    Case("nothing is waited for where nothing has to settle", "a", ("a", False), settle=0.0),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_settled(case):
    """A change counts when it has held still for the time that its owner set."""
    slept: list[float] = []
    shows = iter(case.shows)
    survey = ProbeTask(settle_seconds=case.settle, known_digests=case.known, known_token=case.token)
    look, known = wait_until_stable(lambda: SourceState(next(shows), 1, 1, None), survey, sleep=slept.append)
    assert (look.token, known) == case.expect
    assert slept == [case.settle] * len(slept)
    assert len(slept) == len(case.shows) - 1


def test_data_that_never_holds_still():
    """A Job that waits forever would hide that its data never settles."""
    tokens = iter(range(10_000))
    with pytest.raises(TaskError) as caught:
        wait_until_stable(
            lambda: SourceState(str(next(tokens)), 1, 1, None), ProbeTask(settle_seconds=30.0), sleep=lambda _: None
        )
    assert caught.value.failure.reason == "SourceChanged"
    assert next(tokens) == MAX_PROBES + 1
