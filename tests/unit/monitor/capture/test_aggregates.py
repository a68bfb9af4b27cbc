"""From a record of Envoy's to counts: what it is counted as, whose it is, and what it must not cost."""

import base64
import json
from typing import Any

import pytest

from modelops.monitor.capture.aggregates import Capture
from modelops.monitor.capture.pairing import Pairing
from modelops.monitor.capture.records import Record, record
from modelops.monitor.capture.wire import Batch

ASKED = b'{"instances": [[1, 2]]}'
ANSWERED = b'{"predictions": [0.5]}'


def entry(
    request: bytes | None = ASKED,
    response: bytes | None = ANSWERED,
    status: int = 200,
    tolerance: float | None = None,
    path: bytes = b"/v1/models/m:predict",
    request_id: bytes = b"id-1",
    packed: bool = False,
    **headers: bytes,
) -> Any:
    batch = Batch()
    found = batch.http_logs.log_entry.add()
    found.request.path, found.request.request_id, found.response.code.value = path, request_id, status
    for side, kind in ((found.request, b"application/json"), (found.response, b"application/json; charset=utf-8")):
        side.headers.add(key=b"content-type", value=kind)
    for name, value in headers.items():
        found.request.headers.add(key=name.replace("_", "-").encode(), value=value)
    told = found.common.metadata.spaces.add(key=b"modelops.capture").value
    for name, body in ((b"request", request), (b"response", response)):
        if body is not None:
            field = told.fields.add(key=name + (b"_base64" if packed else b""))
            field.value.text = base64.b64encode(body) if packed else body
    if tolerance is not None:
        told.fields.add(key=b"tolerance").value.number = tolerance
    (read,) = Batch.FromString(batch.SerializeToString()).http_logs.log_entry
    return read


def taken(*entries: Any) -> tuple[dict[str, Any], Capture, list[tuple[str, str, Any, float]]]:
    class Noted(Pairing):
        def add(self, name, keeper, answer, tolerance):
            noted.append((name, keeper, answer, tolerance))

    noted: list[tuple[str, str, Any, float]] = []
    capture = Capture(Noted(lambda *_: {}))
    for one in entries:
        capture.take(record(one))
    return capture.told(), capture, noted


def rows(told: dict[str, Any], side: str = "live") -> tuple[int, int]:
    return told[side]["inputs"]["rows"], told[side]["predictions"]["rows"]


def test_a_request_and_its_answer_are_counted_by_column():
    told, _, _ = taken(entry(), entry())
    assert told["live"]["inputs"] == {
        "rows": 2,
        "columns": {
            "instances[0]": {"numbers": [(1.0, 2)], "labels": {}},
            "instances[1]": {"numbers": [(2.0, 2)], "labels": {}},
        },
    }
    assert rows(told) == (2, 2)
    assert told["records"] == {"received": 2, "unread": 0}
    assert json.loads(json.dumps(told))


@pytest.mark.parametrize(
    ("given", "expect", "unread"),
    [
        pytest.param({"packed": True}, (1, 1), 0, id="what is no plain text comes packed"),
        pytest.param({"request": None}, (0, 1), 1, id="a body that was too large"),
        pytest.param({"response": None}, (1, 0), 1, id="an answer that was a stream"),
        pytest.param({"request": b"?"}, (0, 1), 1, id="a body that cannot be read"),
        pytest.param({"response": b"?"}, (1, 0), 1, id="an answer that cannot be read"),
        pytest.param({"status": 500}, (1, 0), 0, id="a failure is no prediction"),
        pytest.param({"status": 422, "response": None}, (1, 0), 0, id="nor is a refusal"),
        pytest.param(
            {"inference_header_content_length": b"9", "request": b"\0\1"}, (0, 1), 1, id="the binary extension"
        ),
    ],
)
def test_what_a_record_counts_as(given, expect, unread):
    told, _, _ = taken(entry(**given))
    assert rows(told) == expect
    assert told["records"]["unread"] == unread


def test_copies_are_counted_apart():
    """They are another version's requests: as inputs of the candidate they would make it look like that one."""
    told, _, _ = taken(entry(x_modelops_mirrored=b"true"))
    assert rows(told, "live") == (0, 0)
    assert rows(told, "mirrored") == (1, 1)


def test_who_mirrors_keeps_its_answer_and_who_gets_the_copy_compares():
    """By the same name, which is made of the request itself."""
    _, stable, nothing = taken(entry(tolerance=0.1))
    _, candidate, noted = taken(entry(tolerance=0.2, x_modelops_mirrored=b"10.0.0.7"))
    ((name, keeper, answer, tolerance),) = noted
    assert (keeper, answer, tolerance) == ("10.0.0.7", {"predictions": [0.5]}, 0.2)
    assert json.loads(stable.answers.take([name])) == {name: {"predictions": [0.5]}}
    assert (nothing, candidate.answers.take([name])) == ([], "{}")


@pytest.mark.parametrize("other", [{"request_id": b"id-2"}, {"path": b"/v2"}, {"request": b'{"instances": [1]}'}])
def test_another_request_has_another_name(other):
    """A client that sends one id with everything must not have answers to different requests compared."""
    assert record(entry(**other)).name != record(entry()).name


@pytest.mark.parametrize(
    ("given", "kept", "compared"),
    [
        pytest.param({}, 0, 0, id="not without a tolerance"),
        pytest.param({"tolerance": 0.1, "status": 500}, 0, 0, id="a failure is no answer"),
        pytest.param({"tolerance": 0.1, "status": 500, "x_modelops_mirrored": b"::1"}, 0, 0, id="nor a copy's"),
        pytest.param({"tolerance": 0.1, "status": 429, "x_modelops_mirrored": b"::1"}, 0, 0, id="nor too many"),
        pytest.param({"tolerance": 0.1, "status": 422, "x_modelops_mirrored": b"::1"}, 0, 1, id="a refusal is one"),
        pytest.param({"tolerance": 0.1, "response": b"?"}, 0, 0, id="what cannot be read is not kept"),
        pytest.param({"tolerance": 0.1, "response": b"?", "x_modelops_mirrored": b"::1"}, 0, 0, id="nor compared"),
        pytest.param({"tolerance": 0.1, "request": None}, 0, 0, id="without the request there is no name"),
        pytest.param({"tolerance": 0.1, "x_modelops_mirrored": b"true"}, 0, 0, id="a copy whose answer nobody keeps"),
    ],
)
def test_what_is_kept_and_compared(given, kept, compared):
    one = entry(**given)
    _, capture, noted = taken(one)
    assert len(json.loads(capture.answers.take([record(one).name]))) == kept
    assert len(noted) == compared


@pytest.mark.parametrize("address", [b"true", b"example.org", b"169.254.169.254", b"224.0.0.1", b"0.0.0.0", b"\xff"])
def test_only_an_address_of_a_pod_is_asked(address):
    """The header comes over the network: nobody can have a monitor ask where it should not."""
    assert record(entry(x_modelops_mirrored=address)).keeper is None


def test_headers_that_are_no_text_cost_nothing():
    """One such request must not cost the batch that it comes with."""
    assert record(entry(path=b"/\xff", x_modelops_mirrored=b"\xff\xfe")).mirrored


def test_packed_text_that_is_none_is_no_body():
    broken = entry(packed=True)
    broken.common.metadata.spaces[0].value.fields[0].value.text = b"=?"
    assert record(broken).request is None


def test_a_record_of_another_log_holds_nothing():
    found = record(Batch().http_logs.log_entry.add())
    assert found == Record("", 0, None, None, False, None, None)
