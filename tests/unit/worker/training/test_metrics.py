"""Users' code writes metrics.json: valid metrics arrive unchanged, and each mistake has its own message."""

from pathlib import Path

import pytest

from modelops.worker.runtime.errors import TaskError
from modelops.worker.training.metrics import read_metrics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{}", {}, id="an empty object"),
        pytest.param('{"accuracy": 0.9, "n": 3}', {"accuracy": 0.9, "n": 3.0}, id="a float and an integer"),
        pytest.param('{"loss": -1e-3}', {"loss": -0.001}, id="a number with an exponent"),
    ],
)
def test_valid_metrics_are_read_as_numbers(tmp_path: Path, text: str, expected: dict[str, float]) -> None:
    """A gate compares exactly the numbers that the trainer wrote."""
    (tmp_path / "m").write_text(text)
    assert read_metrics(tmp_path / "m") == expected


def test_a_missing_file_means_no_metrics(tmp_path: Path) -> None:
    """Metrics are optional; a gate that needs a metric fails later."""
    assert read_metrics(tmp_path / "m") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"loss": NaN}', 'has nan as "loss"', id="a metric that is NaN"),
        pytest.param('{"loss": -Infinity}', 'has -inf as "loss"', id="a metric that is infinite"),
        pytest.param('{"loss": "0.1"}', 'has "0.1" as "loss"; a metric is a number', id="a metric that is text"),
        pytest.param('{"loss": true}', 'has true as "loss"; a metric is a number', id="a metric that is a boolean"),
        pytest.param('{"loss": {"a": 1}}', 'has {"a": 1} as "loss"; a metric is', id="a metric that is an object"),
        pytest.param('{"loss": 1e999}', 'has inf as "loss"', id="a number that is too large for a float"),
        pytest.param(
            '{"n": ' + "9" * 400 + "}", 'as "n"; a metric is a finite number', id="an integer too large for a float"
        ),
        pytest.param('{"a": 1, "a": 2}', "a name appears twice", id="a name that appears twice"),
        pytest.param("[1]", "is not a JSON object", id="an array"),
        pytest.param("{", "is not valid JSON", id="an incomplete document"),
        pytest.param("[" * 100_000, "is nested too deeply", id="a document that is nested too deeply"),
        pytest.param(
            "{" + ",".join(f'"m{i}": 1' for i in range(51)) + "}", "has 51 metrics; write at most 50", id="51 metrics"
        ),
        pytest.param('{"' + "x" * 65 + '": 1}', "1 to 64 characters", id="a name of 65 characters"),
        pytest.param('{"": 1}', "1 to 64 characters", id="an empty name"),
        pytest.param('{"\\ud800": 1}', "not valid Unicode", id="a name that UTF-8 cannot hold"),
        pytest.param(
            "{" + ",".join(f'"{"é" * 60}{i:02}": 0.1234567890123456' for i in range(50)) + "}",
            "of at most 2800 bytes",
            id="metrics that do not fit the report",
        ),
    ],
)
def test_a_message_names_the_mistake(tmp_path: Path, text: str, message: str) -> None:
    """The author of the training script finds the wrong metric by the message."""
    (tmp_path / "m").write_text(text)
    with pytest.raises(TaskError) as caught:
        read_metrics(tmp_path / "m")
    assert caught.value.failure.reason == "InvalidMetrics"
    assert message in caught.value.failure.message
    assert caught.value.exit_code == 42


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """The sidecar can read files that the trainer cannot, such as credentials."""
    (tmp_path / "secret").write_text('{"key": "secret"}')
    (tmp_path / "metrics.json").symlink_to(tmp_path / "secret")
    with pytest.raises(TaskError, match="is not a regular file"):
        read_metrics(tmp_path / "metrics.json")
