"""metrics.json is written by users' code: every way it can be wrong is told apart from a good one."""

import pytest

from modelops.worker.runtime.errors import TaskError
from modelops.worker.training.metrics import read_metrics


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{}", {}), ('{"accuracy": 0.9, "n": 3}', {"accuracy": 0.9, "n": 3.0}), ('{"loss": -1e-3}', {"loss": -0.001})],
)
def test_good_metrics(tmp_path, text, expected):
    """Plain numbers arrive as they are."""
    (tmp_path / "m").write_text(text)
    assert read_metrics(tmp_path / "m") == expected


def test_no_file_is_no_metrics(tmp_path):
    """Metrics are optional; a gate that needs one fails closed later."""
    assert read_metrics(tmp_path / "m") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"loss": NaN}', 'nan as "loss"'),
        ('{"loss": -Infinity}', '-inf as "loss"'),
        ('{"loss": "0.1"}', 'no number as "loss"'),
        ('{"loss": true}', 'no number as "loss"'),
        ('{"loss": {"a": 1}}', 'no number as "loss"'),
        ('{"loss": 1e999}', 'inf as "loss"'),
        ('{"a": 1, "a": 2}', "appears twice"),
        ("[1]", "no JSON object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "nested too deep"),
        ("{" + ",".join(f'"m{i}": 1' for i in range(51)) + "}", "51 metrics"),
        ('{"' + "x" * 65 + '": 1}', "1 to 64 characters"),
        ('{"": 1}', "1 to 64 characters"),
        ('{"\\ud800": 1}', "no valid Unicode"),
        ("{" + ",".join(f'"{"é" * 60}{i:02}": 0.1234567890123456' for i in range(50)) + "}", "takes"),
    ],
)
def test_bad_metrics_name_what_is_wrong(tmp_path, text, says):
    """The sentence names the metric, so that its author can find it."""
    (tmp_path / "m").write_text(text)
    with pytest.raises(TaskError) as caught:
        read_metrics(tmp_path / "m")
    assert caught.value.failure.reason == "InvalidMetrics"
    assert says in caught.value.failure.message
    assert caught.value.exit_code == 42


def test_a_link_is_not_followed(tmp_path):
    """The sidecar sees files that the trainer does not."""
    (tmp_path / "secret").write_text('{"key": "secret"}')
    (tmp_path / "metrics.json").symlink_to(tmp_path / "secret")
    with pytest.raises(TaskError, match="is no plain file"):
        read_metrics(tmp_path / "metrics.json")


def test_an_integer_that_no_float_can_hold(tmp_path):
    """A number beyond every float is refused like infinity."""
    (tmp_path / "m").write_text('{"n": ' + "9" * 400 + "}")
    with pytest.raises(TaskError, match='as "n"'):
        read_metrics(tmp_path / "m")
