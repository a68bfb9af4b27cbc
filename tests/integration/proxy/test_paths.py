"""Paths outside the protocol of a preset's server are closed, over HTTP and gRPC, with the real Envoy."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
import yaml

from support.checkout import ROOT
from support.proxy.echo import echo_server
from support.proxy.proxies import Model, Proxy, running_proxy

PRESETS = yaml.safe_load((ROOT / "helm/modelops/values.yaml").read_text())["runtimes"]
OPEN = {"vllm": "/v1/chat/completions"}
"""Path for predictions of a preset that does not serve the Open Inference Protocol."""


@pytest.fixture(params=PRESETS)
def preset(request: pytest.FixtureRequest, model: Model, tmp_path: Path) -> Iterator[tuple[str, Proxy]]:
    """Run a proxy with the paths of a preset, before a model that answers all of them."""
    paths = " ".join([*PRESETS[request.param]["paths"], "/ready"])
    with running_proxy(model, tmp_path, PATHS=paths, MAX_BODY_BYTES=1000) as proxy:
        yield request.param, proxy


def test_no_client_can_unload_the_model(preset: tuple[str, Proxy]) -> None:
    """Such a path is open to anybody in these servers, and ends the model for all clients."""
    name, proxy = preset
    for path in (
        "/v2/repository/models/mortgage/unload",
        "/v2/models/../repository/models/mortgage/unload",
        "/v2/models/%2e%2e/repository/models/mortgage/unload",
        "/v2/models/..%2Frepository%2Fmodels%2Fmortgage%2Funload/infer",
        "/v2/repository/models/mortgage/unload?x=/v2/models/mortgage/infer",
    ):
        response = proxy.request(path, "POST", b"{}")
        assert response.status == 404, path
        assert json.loads(response.body)["error"].startswith(
            "request rejected: the path is not one of the model server"
        )
    assert not [path for path, _ in proxy.model.requests if "unload" in path]
    open_path = OPEN.get(name, "/v2/models/mortgage/infer?x=1")
    assert proxy.request(open_path, "POST", b"hello").body == b"hello"
    assert proxy.request(open_path, "POST", bytes(1001)).status == 413
    assert proxy.request("/ready").status == 200
    with echo_server(proxy.grpc), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        unload = channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelUnload")
        with pytest.raises(grpc.RpcError) as raised:
            unload(b"mortgage", timeout=10)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
        if "grpcPort" in PRESETS[name]:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            assert infer(b"hello", timeout=10) == b"hello"


def test_the_longest_list_of_paths_is_taken(model: Model, tmp_path: Path) -> None:
    """Envoy does not start with a regular expression that it finds too large, and then no Pod would be ready."""
    longest = [f"/{number:02}{'*a' * 62}" for number in range(64)]
    with running_proxy(model, tmp_path, PATHS=" ".join([*longest, "/ready"])) as proxy:
        assert proxy.request("/63" + "xa" * 62, "POST", b"x").status == 200
        assert proxy.request("/64" + "xa" * 62, "POST", b"x").status == 404
