"""Access log entries become counts and comparisons, and an entry that cannot be read loses nothing else."""

import base64
import json
from typing import Any

import pytest

from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.pairing import Pairing
from modelops.monitor.capture.records import Record, parse_record
from modelops.monitor.capture.tables import Table
from modelops.monitor.capture.wire import Batch

REQUEST = b'{"instances": [[1, 2]]}'
RESPONSE = b'{"predictions": [0.5]}'


def entry(
    request: bytes | None = REQUEST,
    response: bytes | None = RESPONSE,
    status: int = 200,
    tolerance: float | None = None,
    path: bytes = b"/v1/models/m:predict",
    request_id: bytes = b"id-1",
    as_base64: bool = False,
    mirrored_by: bytes | None = None,
    **headers: bytes,
) -> Any:
    """Build an access log entry as Envoy sends it, after a round trip through protobuf.

    `mirrored_by`: address of the Pod that mirrored the request, empty for none.
    """
    batch = Batch()
    written = batch.http_logs.log_entry.add()
    written.request.path, written.request.request_id, written.response.code.value = path, request_id, status
    for message, kind in (
        (written.request, b"application/json"),
        (written.response, b"application/json; charset=utf-8"),
    ):
        message.headers.add(key=b"content-type", value=kind)
    for name, value in headers.items():
        written.request.headers.add(key=name.replace("_", "-").encode(), value=value)
    captured = written.common.metadata.spaces.add(key=b"modelops.capture").value
    for field_name, body in ((b"request", request), (b"response", response)):
        if body is not None:
            field = captured.fields.add(key=field_name + (b"_base64" if as_base64 else b""))
            field.value.text = base64.b64encode(body) if as_base64 else body
    if tolerance is not None:
        captured.fields.add(key=b"tolerance").value.number = tolerance
    if mirrored_by is not None:
        captured.fields.add(key=b"mirrored").value.truth = True
        captured.fields.add(key=b"mirrored_by").value.text = mirrored_by
    (read,) = Batch.FromString(batch.SerializeToString()).http_logs.log_entry
    return read


class RecordedPairing(Pairing):
    """Records what is added instead of comparing it."""

    def __init__(self) -> None:
        super().__init__(lambda *_: {})
        self.added: list[tuple[str, str, Table | None, float]] = []

    def add(self, key: str, mirrored_by: str, prediction: Table | None, tolerance: float) -> None:
        self.added.append((key, mirrored_by, prediction, tolerance))


def aggregate(*entries: Any) -> tuple[dict[str, Any], Aggregates, list[tuple[str, str, Table | None, float]]]:
    pairing = RecordedPairing()
    aggregates = Aggregates(pairing)
    for entry_ in entries:
        aggregates.add(parse_record(entry_))
    return aggregates.to_json(), aggregates, pairing.added


def rows(report: dict[str, Any], traffic: str = "live") -> tuple[int, int]:
    """Return how many rows of inputs and of predictions were counted."""
    return report[traffic]["inputs"]["rows"], report[traffic]["predictions"]["rows"]


def test_a_request_and_its_response_are_counted_by_column() -> None:
    report, _, _ = aggregate(entry(), entry())
    assert report["live"]["inputs"] == {
        "rows": 2,
        "columns": {
            "instances[0]": {"numbers": [(1.0, 2)], "labels": {}},
            "instances[1]": {"numbers": [(2.0, 2)], "labels": {}},
        },
    }
    assert rows(report) == (2, 2)
    assert report["records"] == {"received": 2, "unread": 0}
    assert json.loads(json.dumps(report))


@pytest.mark.parametrize(
    ("given", "inputs", "predictions", "unread"),
    [
        pytest.param({"as_base64": True}, 1, 1, 0, id="bodies sent as base64 are counted"),
        pytest.param({"request": None}, 0, 1, 1, id="a request body too large to be captured is unread"),
        pytest.param({"response": None}, 1, 0, 1, id="a streamed response is unread"),
        pytest.param({"request": b"?"}, 0, 1, 1, id="a malformed request body is unread"),
        pytest.param({"response": b"?"}, 1, 0, 1, id="a malformed response body is unread"),
        pytest.param({"status": 500}, 1, 0, 0, id="the response of a failed request is not a prediction"),
        pytest.param(
            {"status": 422, "response": None}, 1, 0, 0, id="the response to a rejected request is not a prediction"
        ),
        pytest.param(
            {"inference_header_content_length": b"9", "request": b"\0\1"},
            0,
            1,
            1,
            id="a request in the binary extension is unread",
        ),
    ],
)
def test_inputs_predictions_and_unread_records_are_counted(
    given: dict[str, Any], inputs: int, predictions: int, unread: int
) -> None:
    report, _, _ = aggregate(entry(**given))
    assert rows(report) == (inputs, predictions)
    assert report["records"]["unread"] == unread


def test_mirrored_requests_are_counted_apart_from_live_ones() -> None:
    """They are the stable version's traffic: counted as the candidate's live inputs, they would hide a difference."""
    report, _, _ = aggregate(entry(mirrored_by=b""))
    assert rows(report, "live") == (0, 0)
    assert rows(report, "mirrored") == (1, 1)


def test_the_mirroring_pod_stores_its_prediction_and_the_mirrored_one_compares() -> None:
    """Both derive the same key from the request itself."""
    _, stable, added_by_stable = aggregate(entry(tolerance=0.1))
    _, candidate, added_by_candidate = aggregate(entry(tolerance=0.2, mirrored_by=b"10.0.0.7"))
    ((key, mirrored_by, prediction, tolerance),) = added_by_candidate
    assert (mirrored_by, prediction, tolerance) == ("10.0.0.7", {"predictions": [0.5]}, 0.2)
    assert json.loads(stable.predictions.take([key])) == {key: {"predictions": [0.5]}}
    assert added_by_stable == []
    assert candidate.predictions.take([key]) == "{}"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"request_id": b"id-2"}, id="another request id gives another key"),
        pytest.param({"path": b"/v2"}, id="another path gives another key"),
        pytest.param({"request": b'{"instances": [1]}'}, id="another body gives another key"),
    ],
)
def test_the_key_depends_on_all_of_the_request(changed: dict[str, Any]) -> None:
    """A client that sends one id with all requests must not have predictions for different requests compared."""
    assert parse_record(entry(**changed)).key != parse_record(entry()).key


@pytest.mark.parametrize(
    ("given", "stored", "compared"),
    [
        pytest.param({}, 0, 0, id="without a tolerance nothing is stored"),
        pytest.param({"tolerance": 0.1, "status": 500}, 0, 0, id="the response of a failed request is not stored"),
        pytest.param(
            {"tolerance": 0.1, "status": 500, "mirrored_by": b"::1"},
            0,
            0,
            id="a failed mirrored request is not compared",
        ),
        pytest.param(
            {"tolerance": 0.1, "status": 429, "mirrored_by": b"::1"},
            0,
            0,
            id="a mirrored request rejected for overload is not compared",
        ),
        pytest.param(
            {"tolerance": 0.1, "status": 422, "mirrored_by": b"::1"},
            0,
            1,
            id="a mirrored request rejected for its content is compared",
        ),
        pytest.param({"tolerance": 0.1, "response": b"?"}, 0, 0, id="a malformed response is not stored"),
        pytest.param(
            {"tolerance": 0.1, "response": b"?", "mirrored_by": b"::1"},
            0,
            0,
            id="a malformed response to a mirrored request is not compared",
        ),
        pytest.param({"tolerance": 0.1, "request": None}, 0, 0, id="a response without its request body is not stored"),
        pytest.param(
            {"tolerance": 0.1, "mirrored_by": b""},
            0,
            0,
            id="a mirrored request whose other prediction no Pod stores is not compared",
        ),
    ],
)
def test_predictions_are_stored_and_compared_only_if_comparable(
    given: dict[str, Any], stored: int, compared: int
) -> None:
    written = entry(**given)
    _, aggregates, added = aggregate(written)
    assert len(json.loads(aggregates.predictions.take([parse_record(written).key]))) == stored
    assert len(added) == compared


@pytest.mark.parametrize("address", [b"true", b"example.org", b"169.254.169.254", b"224.0.0.1", b"0.0.0.0", b"\xff"])
def test_predictions_are_fetched_from_pod_addresses_only(address: bytes) -> None:
    """Whatever the other version's Pods say, a monitor does not call arbitrary addresses."""
    assert parse_record(entry(mirrored_by=address)).mirrored_by is None


def test_the_header_of_a_client_does_not_make_a_request_a_mirrored_one() -> None:
    """Only a route says so, which knows the rollout's token."""
    record = parse_record(entry(tolerance=0.1, x_modelops_mirrored=b"10.0.0.7", x_modelops_forwarded=b"true"))
    assert (record.mirrored, record.mirrored_by) == (False, None)


def test_headers_that_are_not_utf8_are_read() -> None:
    """One such request must not lose the batch that carries it."""
    assert parse_record(entry(path=b"/\xff", content_encoding=b"\xff\xfe", mirrored_by=b"")).mirrored


def test_malformed_base64_is_read_as_no_body() -> None:
    broken = entry(as_base64=True)
    broken.common.metadata.spaces[0].value.fields[0].value.text = b"=?"
    assert parse_record(broken).request is None


def test_an_entry_without_captured_metadata_has_no_bodies() -> None:
    assert parse_record(Batch().http_logs.log_entry.add()) == Record(
        key="", status=0, request=None, response=None, mirrored=False, mirrored_by=None, tolerance=None
    )
