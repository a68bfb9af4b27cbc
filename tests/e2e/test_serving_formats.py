"""Each format that the presets load, served by the project's own server: predictions equal the library's own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc  # type: ignore[import-untyped]
import httpx
import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse  # type: ignore[import-untyped]
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub  # type: ignore[import-untyped]

from support.real_cluster import Body, Space, condition, has
from support.small_models import MODELS, Arrays, SmallModel

_GRPC = "onnx"
"""The preset that hack/deploy.py gives a port for gRPC."""
_BROKEN = "broken"
_LENGTH = "inference-header-content-length"


@dataclass(frozen=True)
class Served:
    """Ready InferenceService. Service, model and ModelVersion have the format's name."""

    name: str
    model: SmallModel
    address: str

    @property
    def infer(self) -> str:
        """URL of the model's inference endpoint."""
        return f"http://{self.address}/v2/models/{self.name}/infer"


@pytest.fixture(scope="module")
def models(shared_space: Space) -> dict[str, SmallModel]:
    """Serve a model of each format and a broken one, all started at once, and return the models by format."""
    trained = {name: make() for name, make in MODELS.items()}
    for name, model in trained.items():
        shared_space.apply(shared_space.imported(name, model.files, name), _service(shared_space, name, name))
    broken = shared_space.imported(_BROKEN, {"model.joblib": b"<html>not found</html>"}, "sklearn")
    shared_space.apply(broken, _service(shared_space, _BROKEN, "sklearn"))
    return trained


@pytest.fixture(params=MODELS)
def served(request: pytest.FixtureRequest, shared_space: Space, models: dict[str, SmallModel]) -> Served:
    """Return the InferenceService of one format, once it is ready."""
    return _ready(shared_space, models, request.param)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Return an HTTP client that ignores the proxy settings of this machine."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        yield http


def test_json_requests_get_the_predictions_of_the_model(served: Served, client: httpx.Client) -> None:
    """A client with plain JSON gets the predictions of the library that trained the model."""
    inputs = [
        {"name": name, "shape": list(values.shape), "datatype": _datatype(values), "data": values.ravel().tolist()}
        for name, values in served.model.inputs.items()
    ]
    answer = client.post(served.infer, json={"id": "7", "inputs": inputs})
    assert answer.status_code == 200, answer.text
    response = answer.json()
    assert (response["id"], response["model_name"], response["model_version"]) == ("7", served.name, served.name)
    assert answer.headers["x-modelops-model-version"] == served.name
    outputs = {output["name"]: np.reshape(output["data"], output["shape"]) for output in response["outputs"]}
    _assert_same(outputs, served.model)


def test_binary_tensors_get_the_predictions_of_the_model(served: Served, client: httpx.Client) -> None:
    """Clients that send arrays as bytes, also of text, get arrays as bytes."""
    request = _request(served, binary_data_output=True)
    body, length = request.to_rest()
    answer = client.post(served.infer, content=body, headers={_LENGTH: str(length)})
    assert answer.status_code == 200, answer.text
    assert len(json.loads(answer.content[: int(answer.headers[_LENGTH])])["outputs"]) == len(served.model.outputs)
    _assert_same(_arrays(InferResponse.from_bytes(answer.content, int(answer.headers[_LENGTH]))), served.model)


def test_model_metadata_describes_inputs_and_outputs(served: Served, client: httpx.Client) -> None:
    """A client that knows nothing of the model can build a request from its metadata."""
    metadata = client.get(f"http://{served.address}/v2/models/{served.name}").json()
    assert (metadata["name"], metadata["versions"]) == (served.name, [served.name])
    inputs = served.model.inputs
    if len(inputs) > 1:
        assert {tensor["name"] for tensor in metadata["inputs"]} == inputs.keys()
    else:
        assert [len(tensor["shape"]) for tensor in metadata["inputs"]] == [values.ndim for values in inputs.values()]
    outputs = {tensor["name"]: tensor for tensor in metadata["outputs"]}
    assert outputs.keys() == served.model.outputs.keys()
    for name, values in served.model.outputs.items():
        assert outputs[name]["shape"] == [-1, *values.shape[1:]]


def test_grpc_requests_get_the_predictions_of_the_model(shared_space: Space, models: dict[str, SmallModel]) -> None:
    """A preset with a gRPC port answers at the Service's port 8081, and names the version in a header as HTTP does."""
    served = _ready(shared_space, models, _GRPC)
    with grpc.insecure_channel(f"{served.address}:8081") as channel:
        infer = GRPCInferenceServiceStub(channel).ModelInfer
        answer, call = infer.with_call(_request(served).to_grpc(), timeout=30, wait_for_ready=True)
    _assert_same(_arrays(InferResponse.from_grpc(answer)), served.model)
    assert answer.model_version == served.name
    assert dict(call.initial_metadata())["x-modelops-model-version"] == served.name


def test_the_status_says_why_a_model_does_not_load(shared_space: Space, models: dict[str, SmallModel]) -> None:
    """The InferenceService alone shows that a wrong file was imported: its status has the server's message."""
    broken = shared_space.wait("inferenceservice", _BROKEN, _has_problem("does not load as sklearn"), within=120)
    reason = "model.joblib is not a pickle, or is truncated"
    assert reason in broken["status"]["candidate"]["problem"]
    ready = condition(broken, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("False", "CrashLoopBackOff")
    assert reason in ready["message"]


def _service(space: Space, name: str, runtime: str) -> Body:
    server = {"runtime": runtime, "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}}
    return space.object("InferenceService", name, {"model": {"name": name}, "server": server, "replicas": {"min": 1}})


def _ready(space: Space, models: dict[str, SmallModel], name: str) -> Served:
    space.wait("inferenceservice", name, has("Ready"), within=120)
    return Served(name, models[name], space.address(name))


def _has_problem(words: str) -> Callable[[Body], bool]:
    return lambda body: words in str(body.get("status", {}).get("candidate", {}).get("problem"))


def _request(served: Served, **parameters: bool) -> InferRequest:
    inputs = []
    for name, values in served.model.inputs.items():
        tensor = InferInput(name, list(values.shape), _datatype(values))
        tensor.set_data_from_numpy(values, binary_data=True)
        inputs.append(tensor)
    return InferRequest(served.name, inputs, parameters=parameters or None)


def _datatype(values: np.ndarray) -> str:
    return "BYTES" if values.dtype == object else f"FP{values.dtype.itemsize * 8}"


def _arrays(answer: InferResponse) -> Arrays:
    return {output.name: output.as_numpy() for output in answer.outputs}


def _assert_same(answers: Arrays, model: SmallModel) -> None:
    """Assert equal predictions, except that text may be bytes and that float32 loses digits as JSON."""
    assert answers.keys() == model.outputs.keys()
    for name, expected in model.outputs.items():
        if expected.dtype.kind in "OU":
            texts = [value.decode() if isinstance(value, bytes) else value for value in answers[name]]
            assert texts == expected.tolist()
        else:
            np.testing.assert_allclose(answers[name], expected, rtol=1e-6)
