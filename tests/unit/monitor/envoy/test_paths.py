"""Paths that clients may use: those of the model server's protocol, however a path is spelt."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelops.monitor.envoy.paths import allowed_paths, path_filter
from support.checkout import ROOT

PRESETS = yaml.safe_load((ROOT / "helm/modelops/values.yaml").read_text())["runtimes"]
MANAGEMENT = (
    "/v2/repository/index",
    "/v2/repository/models/mortgage/load",
    "/v2/repository/models/mortgage/unload",
    "/v2/models/../repository/models/mortgage/unload",
    "/v2/models/..%2Frepository%2Fmodels%2Fmortgage%2Funload/infer",
    "/v2/models/x%2f..%2f..%2frepository/ready",
    "/v2//repository/models/mortgage/unload",
    "/v2/models/mortgage/unload",
    "/v2/models/mortgage/infer/",
    "/v2/trace/setting",
    "/v2/logging",
    "/v2/systemsharedmemory/region/x/register",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
    "/models/mortgage",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/sleep",
    "/reset_prefix_cache",
    "/inference.GRPCInferenceService/RepositoryModelLoad",
    "/inference.GRPCInferenceService/RepositoryModelUnload",
    "/inference.model_repository.ModelRepositoryService/RepositoryModelUnload",
)


def allows(patterns: list[str], path: str) -> bool:
    return re.fullmatch(allowed_paths(patterns), path) is not None


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("path", MANAGEMENT)
def test_no_preset_lets_clients_manage_its_server(preset: str, path: str) -> None:
    """Any client could end the model for all others."""
    assert not allows(PRESETS[preset]["paths"], path)


@pytest.mark.parametrize(
    ("preset", "paths"),
    [
        ("sklearn", ["/v2/models/mortgage/infer", "/v2/models/mortgage/versions/mortgage-1/infer", "/v2/health/live"]),
        ("triton", ["/v2/models/m/generate_stream", "/inference.GRPCInferenceService/ModelStreamInfer"]),
        ("mlflow", ["/invocations", "/ping", "/v2/models/mortgage/infer"]),
        ("huggingface", ["/v1/models/mortgage:predict", "/openai/v1/chat/completions"]),
        ("vllm", ["/v1/chat/completions", "/v1/models", "/health"]),
    ],
)
def test_a_preset_passes_the_paths_of_its_protocol(preset: str, paths: list[str]) -> None:
    assert [path for path in paths if not allows(PRESETS[preset]["paths"], path)] == []


@pytest.mark.parametrize(
    ("pattern", "allowed", "closed"),
    [
        ("/predict", ["/predict"], ["/predict/", "/predictions", "/", "/a/predict"]),
        ("/a.b", ["/a.b"], ["/aXb"]),
        (
            "/m/*/infer",
            ["/m/x/infer", "/m/x y/infer"],
            ["/m//infer", "/m/x/y/infer", "/m/x%2Fy/infer", "/m/x\\y/infer"],
        ),
        ("/m/*:predict", ["/m/x:predict"], ["/m/x/y:predict", "/m/x:explain"]),
        ("/s/**", ["/s", "/s/", "/s/a/b.css"], ["/stop", "/s/%2e%2e/admin", "/s/..%2fadmin"]),
        ("/**", ["/", "/a/b"], ["/a%2Fb"]),
    ],
)
def test_what_a_pattern_allows(pattern: str, allowed: list[str], closed: list[str]) -> None:
    assert [path for path in allowed if not allows([pattern], path)] == []
    assert [path for path in closed if allows([pattern], path)] == []


@given(st.text(alphabet="/ab%2F.\\", max_size=20))
def test_a_wildcard_matches_one_part_without_escapes(text: str) -> None:
    """A server that reads an escape differently must not find another path than Envoy did."""
    assert allows(["/m/*/infer"], f"/m/{text}/infer") == (text != "" and not set(text) & set("/%\\"))


def test_without_paths_there_is_no_filter() -> None:
    """A container of the user's own has all paths open, and no request costs more."""
    assert path_filter(()) == []
