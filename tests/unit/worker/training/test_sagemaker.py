"""SageMaker's configuration files, as training images for SageMaker read them."""

import pytest

from modelops.worker.runtime.errors import TaskError
from modelops.worker.training.rank import own_rank
from modelops.worker.training.sagemaker import config_files


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_finds_its_own_host_among_all_hosts(rank: int) -> None:
    """Images that train on several hosts read the other hosts and their own from resourceconfig.json."""
    hosts = ["run-0.run", "run-1.run"]
    config = config_files(hyperparameters={}, channels=[], content_type={}, hosts=hosts, rank=rank)[
        "resourceconfig.json"
    ]
    assert (config["hosts"], config["current_host"]) == (hosts, hosts[rank])


def test_a_rank_beyond_the_hosts_is_refused() -> None:
    """Such a rank is a mistake of the operator; to guess a host for it would start a training that never meets."""
    with pytest.raises(TaskError, match="rank 2 has no host name: there are 2 hosts"):
        config_files(hyperparameters={}, channels=[], content_type={}, hosts=["a", "b"], rank=2)


@pytest.mark.parametrize(
    ("text", "rank"), [(None, 0), ("0", 0), ("11", 11)], ids=["no completion index", "index 0", "index 11"]
)
def test_the_rank_is_the_completion_index(monkeypatch: pytest.MonkeyPatch, text: str | None, rank: int) -> None:
    """Kubernetes gives each Pod of an Indexed Job its index. Another Job has one worker, whose rank is 0."""
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    if text is not None:
        monkeypatch.setenv("JOB_COMPLETION_INDEX", text)
    assert own_rank() == rank


@pytest.mark.parametrize("text", ["", "-1", "one"], ids=["empty", "negative", "a word"])
def test_an_index_that_is_not_a_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Two workers that both believe to be rank 0 would both publish a model."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", text)
    with pytest.raises(TaskError, match="not a rank"):
        own_rank()
