"""SageMaker's configuration files: what training images made for it read."""

import pytest

from modelops.worker.runtime.errors import TaskError
from modelops.worker.training.rank import own_rank
from modelops.worker.training.sagemaker import config_files


@pytest.mark.parametrize("rank", [0, 1])
def test_each_worker_finds_itself_among_all(rank: int) -> None:
    """Images that train on several hosts look there for the others, and for which one they are."""
    hosts = ["run-0.run", "run-1.run"]
    config = config_files({}, [], {}, hosts, rank)["resourceconfig.json"]
    assert (config["hosts"], config["current_host"]) == (hosts, hosts[rank])


def test_a_worker_that_nobody_planned() -> None:
    """A rank beyond the hosts is a mistake of ours, and told rather than guessed over."""
    with pytest.raises(TaskError, match="worker 2 of 2"):
        config_files({}, [], {}, ["a", "b"], 2)


@pytest.mark.parametrize(("text", "rank"), [(None, 0), ("0", 0), ("11", 11)])
def test_own_rank(monkeypatch: pytest.MonkeyPatch, text: str | None, rank: int) -> None:
    """An Indexed Job tells it; where there is none, there is one worker."""
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    if text is not None:
        monkeypatch.setenv("JOB_COMPLETION_INDEX", text)
    assert own_rank() == rank


@pytest.mark.parametrize("text", ["", "-1", "one"])
def test_no_rank(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Two workers that both take themselves for rank 0 would both publish."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", text)
    with pytest.raises(TaskError, match="no rank"):
        own_rank()
