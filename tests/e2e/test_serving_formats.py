"""Each format that the presets load, served by the project's own server: the answers are the model's own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from support.real_cluster import Body, Space, condition, has
from support.small_models import MODELS, Arrays, SmallModel

_GRPC = "onnx"
"""The preset that hack/deploy.py gives a port for gRPC."""
_BROKEN = "broken"
_LENGTH = "inference-header-content-length"


@dataclass(frozen=True)
class Served:
    """An InferenceService that is ready. Service, model and ModelVersion have the format's name."""

    name: str
    model: SmallModel
    address: str

    @property
    def infer(self) -> str:
        """Where it is asked."""
        return f"http://{self.address}/v2/models/{self.name}/infer"


@pytest.fixture(scope="module")
def models(shared_space: Space) -> dict[str, SmallModel]:
    """A model of each format, and one that is none: all of them start at once."""
    trained = {name: make() for name, make in MODELS.items()}
    for name, model in trained.items():
        shared_space.apply(shared_space.imported(name, model.files, name), _service(shared_space, name, name))
    broken = shared_space.imported(_BROKEN, {"model.joblib": b"<html>not found</html>"}, "sklearn")
    shared_space.apply(broken, _service(shared_space, _BROKEN, "sklearn"))
    return trained


@pytest.fixture(params=MODELS)
def served(request: pytest.FixtureRequest, shared_space: Space, models: dict[str, SmallModel]) -> Served:
    """One of them, once it is ready."""
    return _ready(shared_space, models, request.param)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """HTTP that goes straight to the cluster, whatever proxies this machine has."""
    with httpx.Client(trust_env=False, timeout=30) as one:
        yield one


def test_json_is_answered_as_the_model_answers(served: Served, client: httpx.Client) -> None:
    """The plainest client there is gets the library's own answers."""
    inputs = [
        {"name": name, "shape": list(values.shape), "datatype": _datatype(values), "data": values.ravel().tolist()}
        for name, values in served.model.inputs.items()
    ]
    answer = client.post(served.infer, json={"id": "7", "inputs": inputs})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["id"], said["model_name"], said["model_version"]) == ("7", served.name, served.name)
    assert answer.headers["x-modelops-model-version"] == served.name
    _same({one["name"]: np.reshape(one["data"], one["shape"]) for one in said["outputs"]}, served.model)


def test_binary_tensors_are_answered_as_the_model_answers(served: Served, client: httpx.Client) -> None:
    """Clients that send arrays as bytes, text among them, get arrays as bytes."""
    request = _request(served, binary_data_output=True)
    body, length = request.to_rest()
    answer = client.post(served.infer, content=body, headers={_LENGTH: str(length)})
    assert answer.status_code == 200, answer.text
    assert len(json.loads(answer.content[: int(answer.headers[_LENGTH])])["outputs"]) == len(served.model.outputs)
    _same(_arrays(InferResponse.from_bytes(answer.content, int(answer.headers[_LENGTH]))), served.model)


def test_metadata_tells_what_to_ask_and_what_comes_back(served: Served, client: httpx.Client) -> None:
    """A client that knows nothing of the model can write a request from what the server says of it."""
    told = client.get(f"http://{served.address}/v2/models/{served.name}").json()
    assert (told["name"], told["versions"]) == (served.name, [served.name])
    asked = served.model.inputs
    if len(asked) > 1:
        assert {one["name"] for one in told["inputs"]} == asked.keys()
    else:
        assert [len(one["shape"]) for one in told["inputs"]] == [values.ndim for values in asked.values()]
    outputs = {one["name"]: one for one in told["outputs"]}
    assert outputs.keys() == served.model.outputs.keys()
    for name, values in served.model.outputs.items():
        assert outputs[name]["shape"] == [-1, *values.shape[1:]]


def test_grpc_is_answered_as_the_model_answers(shared_space: Space, models: dict[str, SmallModel]) -> None:
    """A preset with a port for gRPC answers it at the Service's port 8081, and names the version as HTTP does."""
    served = _ready(shared_space, models, _GRPC)
    with grpc.insecure_channel(f"{served.address}:8081") as channel:
        infer = GRPCInferenceServiceStub(channel).ModelInfer
        answer, call = infer.with_call(_request(served).to_grpc(), timeout=30, wait_for_ready=True)
    _same(_arrays(InferResponse.from_grpc(answer)), served.model)
    assert answer.model_version == served.name
    assert dict(call.initial_metadata())["x-modelops-model-version"] == served.name


def test_a_model_that_does_not_load_says_why_in_the_status(shared_space: Space, models: dict[str, SmallModel]) -> None:
    """Who imported the wrong file finds out from the InferenceService alone: the server's own words are there."""
    told = shared_space.wait("inferenceservice", _BROKEN, _says("does not load as sklearn"), within=120)
    why = "model.joblib is not a pickle, or is truncated"
    assert why in told["status"]["candidate"]["problem"]
    ready = condition(told, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("False", "CrashLoopBackOff")
    assert why in ready["message"]


def _service(space: Space, name: str, runtime: str) -> Body:
    server = {"runtime": runtime, "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}}
    return space.object("InferenceService", name, {"model": {"name": name}, "server": server, "replicas": {"min": 1}})


def _ready(space: Space, models: dict[str, SmallModel], name: str) -> Served:
    space.wait("inferenceservice", name, has("Ready"), within=120)
    return Served(name, models[name], space.address(name))


def _says(words: str) -> Callable[[Body], bool]:
    return lambda body: words in str(body.get("status", {}).get("candidate", {}).get("problem"))


def _request(served: Served, **parameters: bool) -> InferRequest:
    inputs = []
    for name, values in served.model.inputs.items():
        one = InferInput(name, list(values.shape), _datatype(values))
        one.set_data_from_numpy(values, binary_data=True)
        inputs.append(one)
    return InferRequest(served.name, inputs, parameters=parameters or None)


def _datatype(values: np.ndarray) -> str:
    return "BYTES" if values.dtype == object else f"FP{values.dtype.itemsize * 8}"


def _arrays(answer: InferResponse) -> Arrays:
    return {one.name: one.as_numpy() for one in answer.outputs}


def _same(answers: Arrays, model: SmallModel) -> None:
    """Text may come as bytes, and float32 as JSON loses digits: nothing else may differ."""
    assert answers.keys() == model.outputs.keys()
    for name, expected in model.outputs.items():
        if expected.dtype.kind in "OU":
            assert [one.decode() if isinstance(one, bytes) else one for one in answers[name]] == expected.tolist()
        else:
            np.testing.assert_allclose(answers[name], expected, rtol=1e-6)
