"""The operator's memory does not hold the content of ConfigMaps, which anybody may create by the hundred."""

from typing import Any

import pytest
import yaml
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from modelops.machinery.cache import Cache
from modelops.machinery.resources import CONFIG_MAPS, CONTENT_DIGEST, PAGE, WATCHED, Body, Key, content_digest
from modelops.machinery.watching import ListResponse, ask_for_metadata
from support.checkout import ROOT

KEY = Key("ConfigMap", "n", "routes")
LARGEST_OBJECT = 1536 * 1024
"""Limit of etcd for one request, in bytes."""
OWNER = {"apiVersion": "modelops.dev/v1alpha1", "kind": "InferenceService", "uid": "o", "controller": True}


def config_map(version: int = 1, *, owner: Body | None = OWNER, **content: Any) -> Body:
    metadata: Body = {"name": "routes", "namespace": "n", "uid": "u", "resourceVersion": str(version)}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {"kind": "ConfigMap", "metadata": metadata, **content}


def cache(*bodies: Body) -> Cache:
    filled = Cache({})
    for body in bodies:
        filled.put(body)
    return filled


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=2000), min_size=1))
def test_the_content_is_kept_as_a_digest(data: dict[str, str]) -> None:
    """However large the content is, what is kept has the same size; and other content has another digest."""
    kept = CONFIG_MAPS.trim(config_map(data=data))
    assert kept == {**CONFIG_MAPS.trim(config_map()), CONTENT_DIGEST: content_digest({"data": data})}
    assert content_digest({"data": data}) != content_digest({"data": {**data, "more": ""}} | {"binaryData": {"b": ""}})


def test_only_children_of_the_four_kinds_are_kept() -> None:
    """The label alone proves nothing: anybody may set it."""
    others: list[Body | None] = [None, {**OWNER, "controller": False}, {**OWNER, "apiVersion": "apps/v1"}]
    for owner in others:
        filled = cache()
        assert not filled.put(config_map(owner=owner))
        assert filled.total() == 0
    assert cache(config_map()).total() == 1


def test_a_child_that_loses_its_owner_is_a_change() -> None:
    """The InferenceService must be reconciled, and the owner restored."""
    filled = cache(config_map())
    assert filled.put(config_map(2, owner=None))
    assert filled.total() == 0


def test_content_that_is_read_completes_the_metadata_of_a_watch() -> None:
    """The same version is not a change, and neither is the watch's event after the operator's own write."""
    filled = cache(config_map())
    assert not filled.put(config_map(data={"a": "b"}))
    assert filled.body(KEY) == CONFIG_MAPS.trim(config_map(data={"a": "b"}))
    assert not filled.put(config_map())
    assert CONTENT_DIGEST in (filled.body(KEY) or {})


def test_a_newer_version_makes_the_content_unknown() -> None:
    """A person has changed the object: what the operator knew of its content is not true any more."""
    filled = cache(config_map(data={"a": "b"}))
    assert filled.put(config_map(2))
    assert CONTENT_DIGEST not in (filled.body(KEY) or {})


async def test_lists_and_watches_of_config_maps_ask_for_metadata_alone() -> None:
    """The API server has a media type for lists and another one for watches, and refuses each at the other's place."""
    asked: dict[str, str] = {}

    async def answer(request: web.Request) -> web.Response:
        asked[str(request.rel_url)] = request.headers["Accept"].split(",")[0]
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", answer)])
    paths = ("/api/v1/configmaps?limit=1", "/api/v1/namespaces/n/configmaps?watch=true", "/api/v1/pods?limit=1")
    async with TestServer(app) as server, ClientSession(middlewares=[ask_for_metadata]) as session:
        for path in paths:
            async with session.get(str(server.make_url("/")).rstrip("/") + path):
                pass
    assert asked == {
        paths[0]: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        paths[1]: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        paths[2]: "*/*",
    }


@pytest.mark.parametrize("items", [None, [], [{"metadata": {"name": "a"}}]])
async def test_a_list_of_metadata_without_objects_is_an_empty_list(items: list[object] | None) -> None:
    """The API server writes null there, at which the watch would end."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"kind": "PartialObjectMetadataList", "items": items})

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    async with (
        TestServer(app) as server,
        ClientSession(response_class=ListResponse) as session,
        session.get(server.make_url("/")) as response,
    ):
        assert (await response.json())["items"] == (items or [])


def test_a_page_of_the_largest_objects_takes_a_quarter_of_the_memory() -> None:
    """A page is in memory twice: as text and parsed. Of kinds that people write, every object may be as large."""
    limit = yaml.safe_load((ROOT / "helm/modelops/values.yaml").read_text())["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    assert int(limit.removesuffix("Mi")) * 1024 * 1024 / 4 >= 2 * PAGE * LARGEST_OBJECT
    assert {resource.kind for resource in WATCHED if resource.metadata_only} == {"ConfigMap"}
