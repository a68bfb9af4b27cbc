"""The protocol over HTTP: what is answered, and that nothing there can change the server."""

import json
import struct

import numpy as np
import pytest
from kserve import ModelRepository
from kserve.protocol.dataplane import DataPlane
from starlette.testclient import TestClient

from modelops.server.model import ServedModel
from modelops.server.predictor import InvalidRequestError, Signature, takes
from modelops.server.predictor import Tensor as Told
from modelops.server.rest import application


class Sum:
    """Adds two columns; is broken by 13 and refuses 14."""

    signature = Signature(takes(("a", "b"), 2), (Told("predict", "FP64"), Told("predict_proba", "FP64")), ("a", "b"), 2)

    def predict(self, table):
        total = (table["a"] + table["b"]).to_numpy()
        if 13 in total:
            raise KeyError("broken")
        if 14 in total:
            raise InvalidRequestError("not\n14")
        return {"predict": total, "predict_proba": total / 2}


@pytest.fixture
def client():
    model, registry = ServedModel(Sum(), "sum", "sum-1"), ModelRepository()
    registry.update(model)
    return TestClient(application(DataPlane(registry), model), raise_server_exceptions=False)


def request(a=1.0, b=2.0, **more):
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in (("a", a), ("b", b))]
    return {"inputs": inputs, **more}


@pytest.mark.parametrize("path", ["/v2/models/sum/infer", "/v2/models/sum/versions/sum-1/infer"])
def test_an_answer(client, path):
    answer = client.post(path, json=request(id="7"))
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "7",
        "model_name": "sum",
        "model_version": "sum-1",
        "outputs": [
            {"name": "predict", "shape": [1], "datatype": "FP64", "data": [3.0]},
            {"name": "predict_proba", "shape": [1], "datatype": "FP64", "data": [1.5]},
        ],
    }


def test_the_id_is_the_proxys_where_the_request_has_none(client):
    """Labels that come later are joined by it."""
    assert client.post("/v2/models/sum/infer", json=request(), headers={"x-request-id": "r"}).json()["id"] == "r"
    assert "id" not in client.post("/v2/models/sum/infer", json=request()).json()


def test_only_the_outputs_that_are_wanted(client):
    asked = request(outputs=[{"name": "predict_proba"}])
    assert [one["name"] for one in client.post("/v2/models/sum/infer", json=asked).json()["outputs"]] == [
        "predict_proba"
    ]
    refused = client.post("/v2/models/sum/infer", json=request(outputs=[{"name": "x"}]))
    assert refused.status_code == 400
    assert refused.json() == {"error": 'there is no output "x"; the model gives predict, predict_proba'}


def test_tensors_as_bytes(client):
    """The protocol's binary extension, both ways."""
    head = json.dumps(
        {
            "inputs": [
                {"name": one, "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}} for one in "ab"
            ],
            "outputs": [{"name": "predict", "parameters": {"binary_data": True}}],
        }
    ).encode()
    told = {"inference-header-content-length": str(len(head))}
    answer = client.post("/v2/models/sum/infer", content=head + struct.pack("<dd", 1.5, 2.5), headers=told)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(answer.content[length:]).tolist() == [4.0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "the body is no JSON: "),
        (b"[]", "the body: Input should be a valid dictionary"),
        (b"{}", "inputs: Field required"),
        (b'{"inputs": [{"name": "a", "shape": [1], "datatype": "FP64"}]}', "inputs.0.data: Field required"),
        (json.dumps(request(a="x")).encode(), "input \"a\" is of FP64 and holds 'x'"),
        (json.dumps({"inputs": request()["inputs"][:1]}).encode(), 'the request lacks the column "b"'),
        (json.dumps(request(7, 7)).encode(), "the model does not take these values: not 14"),
    ],
)
def test_a_bad_request_is_400_and_one_sentence(client, content, told):
    answer = client.post("/v2/models/sum/infer", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(told)
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("length", "content"), [("x", b"{}"), ("99", b"{}"), ("2", b"{}"), ("2", b"[]"), ("13", b'{"inputs": 1}')]
)
def test_bad_bytes_are_400(client, length, content):
    told = {"inference-header-content-length": length}
    assert client.post("/v2/models/sum/infer", content=content, headers=told).status_code == 400


def test_a_broken_model_is_500_and_tells_clients_nothing_of_its_inside(client):
    answer = client.post("/v2/models/sum/infer", json=request(6, 7))
    assert (answer.status_code, answer.json()) == (500, {"error": "the model failed: KeyError"})


def test_metadata(client):
    assert client.get("/v2/models/sum").json() == {
        "name": "sum",
        "versions": ["sum-1"],
        "platform": "",
        "inputs": [{"name": one, "datatype": "FP64", "shape": [-1]} for one in "ab"],
        "outputs": [{"name": one, "datatype": "FP64", "shape": [-1]} for one in ("predict", "predict_proba")],
    }
    assert client.get("/v2").json()["name"] == "kserve"
    assert client.get("/v2/models").json() == {"models": ["sum"]}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/sum/ready"])
def test_health(client, path):
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2/models/other", 'there is no model "other"; this server has "sum"'),
        ("/v2/models/sum/versions/2/ready", 'there is no version "2"; this server has "sum-1"'),
    ],
)
def test_another_model_or_version_is_404(client, path, told):
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": told})


@pytest.mark.parametrize(
    "path", ["/v2/repository/models/sum/unload", "/v2/repository/models/sum/load", "/v1/models/sum:predict", "/docs"]
)
def test_nothing_changes_the_server(client, path):
    """A client must not be able to unload the model."""
    assert client.post(path).status_code == 404
    assert client.get("/v2/models/sum/ready").status_code == 200
