"""A probe Job reads new data once the data has settled, and does not read known data."""

from dataclasses import dataclass, field

import pytest

from modelops.api.contract.tasks import ProbeTask
from modelops.worker.datasets.probe_job import MAX_PROBES, wait_until_stable
from modelops.worker.datasets.sources import SourceState
from modelops.worker.runtime.errors import TaskError


def state(token: str) -> SourceState:
    return SourceState(token, objects=1, bytes=1, last_modified=None)


@dataclass
class Row:
    name: str
    probed: str
    """Tokens of the probes, one after the other, a letter each."""
    token: str
    """Token of the state that is returned."""
    known: bool = False
    """Whether that state is returned as known."""
    settle_seconds: float = 30.0
    known_digests: list[str] = field(default_factory=list)
    known_token: str | None = None


ROWS = [
    Row("data that does not change between two probes has settled", probed="aa", token="a"),
    Row("data that changes is probed until it has settled", probed="abcc", token="c"),
    Row("known data needs no second probe", probed="a", token="a", known=True, known_digests=["b", "a"]),
    Row("data that changes back to a known state is known", probed="xa", token="a", known=True, known_digests=["a"]),
    Row(
        "a volume with the known token has not changed",
        probed="t",
        token="t",
        known=True,
        known_digests=["a"],
        known_token="t",
    ),
    Row("new data needs no second probe if spec.settle is zero", probed="a", token="a", settle_seconds=0.0),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_wait_until_stable(row: Row) -> None:
    """A change counts once the data has not changed for the time in spec.settle."""
    slept: list[float] = []
    tokens = iter(row.probed)
    task = ProbeTask(settle_seconds=row.settle_seconds, known_digests=row.known_digests, known_token=row.known_token)
    stable, known = wait_until_stable(lambda: state(next(tokens)), task, sleep=slept.append)
    assert (stable.token, known) == (row.token, row.known)
    assert slept == [row.settle_seconds] * len(slept)
    assert len(slept) == len(row.probed) - 1


def test_data_that_never_settles_ends_the_job() -> None:
    """A Job that waits forever would hide that its data never settles."""
    tokens = iter(range(10_000))
    with pytest.raises(TaskError, match="the data does not settle: 100 probes, 30 s apart") as caught:
        wait_until_stable(lambda: state(str(next(tokens))), ProbeTask(settle_seconds=30.0), sleep=lambda _: None)
    assert caught.value.failure.reason == "SourceChanged"
    assert next(tokens) == MAX_PROBES + 1
