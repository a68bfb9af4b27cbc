"""The protocol over HTTP: the responses, and that no request changes the server."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from kserve import ModelRepository  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]
from starlette.testclient import TestClient

from modelops.server.model import ServedModel
from modelops.server.predictor import InvalidRequestError, Signature, Tensor, input_tensors
from modelops.server.rest import application


class Sum:
    """Model that adds two columns, fails at a sum of 13 and rejects a sum of 14."""

    signature = Signature(
        input_tensors(("a", "b"), 2), (Tensor("predict", "FP64"), Tensor("predict_proba", "FP64")), ("a", "b"), 2
    )

    def predict(self, table: Any) -> dict[str, Any]:
        total = (table["a"] + table["b"]).to_numpy()
        if 13 in total:
            raise KeyError("broken")
        if 14 in total:
            raise InvalidRequestError("not\n14")
        return {"predict": total, "predict_proba": total / 2}


@pytest.fixture
def client() -> TestClient:
    model, registry = ServedModel(Sum(), "sum", "sum-1"), ModelRepository()
    registry.update(model)
    return TestClient(application(DataPlane(registry), model), raise_server_exceptions=False)


def request(a: object = 1.0, b: object = 2.0, **more: object) -> dict[str, Any]:
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in (("a", a), ("b", b))]
    return {"inputs": inputs, **more}


@pytest.mark.parametrize("path", ["/v2/models/sum/infer", "/v2/models/sum/versions/sum-1/infer"])
def test_a_prediction_is_returned(client: TestClient, path: str) -> None:
    response = client.post(path, json=request(id="7"))
    assert response.status_code == 200
    assert response.json() == {
        "id": "7",
        "model_name": "sum",
        "model_version": "sum-1",
        "outputs": [
            {"name": "predict", "shape": [1], "datatype": "FP64", "data": [3.0]},
            {"name": "predict_proba", "shape": [1], "datatype": "FP64", "data": [1.5]},
        ],
    }


def test_a_request_without_an_id_gets_the_proxys(client: TestClient) -> None:
    """Labels that arrive later are joined by it."""
    assert client.post("/v2/models/sum/infer", json=request(), headers={"x-request-id": "r"}).json()["id"] == "r"
    assert "id" not in client.post("/v2/models/sum/infer", json=request()).json()


def test_only_requested_outputs_are_returned(client: TestClient) -> None:
    body = request(outputs=[{"name": "predict_proba"}])
    assert [output["name"] for output in client.post("/v2/models/sum/infer", json=body).json()["outputs"]] == [
        "predict_proba"
    ]
    rejected = client.post("/v2/models/sum/infer", json=request(outputs=[{"name": "x"}]))
    assert rejected.status_code == 400
    assert rejected.json() == {"error": 'output "x" not found; the model has predict, predict_proba'}


def test_binary_tensors_are_accepted_and_returned(client: TestClient) -> None:
    """The protocol's binary extension, for requests and responses."""
    head = json.dumps(
        {
            "inputs": [
                {"name": name, "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}} for name in "ab"
            ],
            "outputs": [{"name": "predict", "parameters": {"binary_data": True}}],
        }
    ).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = client.post("/v2/models/sum/infer", content=head + struct.pack("<dd", 1.5, 2.5), headers=headers)
    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    assert json.loads(response.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(response.content[length:]).tolist() == [4.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "the body is not JSON: "),
        (b"[]", "the body: Input should be a valid dictionary"),
        (b"{}", "inputs: Field required"),
        (b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64"}]}', "inputs.0.data: Field required"),
        (json.dumps(request(a="x")).encode(), "input \"a\" has datatype FP64, but holds 'x'"),
        (json.dumps({"inputs": request()["inputs"][:1]}).encode(), 'the request lacks the column "b"'),
        (json.dumps(request(a=7, b=7)).encode(), "the model rejected the values: not 14"),
    ],
)
def test_an_invalid_request_gives_400_and_one_sentence(client: TestClient, content: bytes, message: str) -> None:
    response = client.post("/v2/models/sum/infer", content=content)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(
    ("length", "content"), [("x", b"{}"), ("99", b"{}"), ("2", b"{}"), ("2", b"[]"), ("13", b'{"inputs": 1}')]
)
def test_invalid_binary_tensors_give_400(client: TestClient, length: str, content: bytes) -> None:
    headers = {"inference-header-content-length": length}
    assert client.post("/v2/models/sum/infer", content=content, headers=headers).status_code == 400


def test_a_failing_model_gives_500_without_its_message(client: TestClient) -> None:
    response = client.post("/v2/models/sum/infer", json=request(a=6, b=7))
    assert (response.status_code, response.json()) == (500, {"error": "the model failed: KeyError"})


def test_metadata_describes_the_model_and_the_server(client: TestClient) -> None:
    assert client.get("/v2/models/sum").json() == {
        "name": "sum",
        "versions": ["sum-1"],
        "platform": "",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in "ab"],
        "outputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("predict", "predict_proba")],
    }
    assert client.get("/v2").json()["name"] == "kserve"
    assert client.get("/v2/models").json() == {"models": ["sum"]}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/sum/ready"])
def test_health_and_readiness_are_200(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/models/other", 'model "other" not found; this server has "sum"'),
        ("/v2/models/sum/versions/2/ready", 'version "2" not found; this server has "sum-1"'),
    ],
)
def test_another_model_or_version_gives_404(client: TestClient, path: str, message: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (404, {"error": message})


@pytest.mark.parametrize(
    "path", ["/v2/repository/models/sum/unload", "/v2/repository/models/sum/load", "/v1/models/sum:predict", "/docs"]
)
def test_no_request_changes_the_server(client: TestClient, path: str) -> None:
    """A client must not be able to unload the model."""
    assert client.post(path).status_code == 404
    assert client.get("/v2/models/sum/ready").status_code == 200
