"""What a trainer's environment refers to: each object is read once, and what is not there is named."""

import copy
from typing import Any, cast

import pytest

from modelops.controllers.trainingrun.inputs.references import read_references
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import CONFIG_MAPS, SECRETS, Body, Resource
from support.builders.trainingruns import training_run

_MAP = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}
_OTHER_KEY = {"name": "DEPTH", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "depth"}}}
_SECRET = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "token"}}}


class _Cluster:
    """Has some objects, and counts how often each is asked for."""

    def __init__(self, **objects: Body) -> None:
        self.objects = objects
        self.asked: list[tuple[str, str]] = []
        self.kube = self

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        self.asked.append((resource.kind, name))
        return copy.deepcopy(self.objects.get(resource.kind))


async def _read(env: list[dict[str, Any]], cluster: _Cluster) -> tuple[dict[str, str], tuple[str, ...]]:
    run = training_run(trainer={"image": "trainer:1", "command": ["train"], "env": env})
    found = await read_references(run, cast(ReconcileContext, cluster))
    return found.digests, found.missing


async def test_an_object_is_read_once_however_many_keys_are_used() -> None:
    """A ConfigMap and a Secret of one name are two objects."""
    cluster = _Cluster(
        **{CONFIG_MAPS.kind: {"data": {"mode": "a", "depth": "3"}}, SECRETS.kind: {"data": {"token": "eA=="}}}
    )
    digests, missing = await _read([_MAP, _OTHER_KEY, _SECRET, {"name": "PLAIN", "value": "1"}], cluster)
    assert (sorted(digests), missing) == (["ConfigMap settings", "Secret settings"], ())
    assert sorted(cluster.asked) == [("ConfigMap", "settings"), ("Secret", "settings")]


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        ({}, ("ConfigMap settings",)),
        ({CONFIG_MAPS.kind: {"data": {"other": "a"}}}, ("key mode of ConfigMap settings",)),
        ({CONFIG_MAPS.kind: {"binaryData": {"mode": "YQ=="}}}, ()),
    ],
)
async def test_what_is_not_there_is_named(objects: dict[str, Body], missing: tuple[str, ...]) -> None:
    """A run waits for it in words that say what to make."""
    assert (await _read([_MAP], _Cluster(**objects)))[1] == missing


async def test_only_the_keys_in_use_count() -> None:
    """Another key of the same object changes nothing for the run; the one in use does."""
    (before, _), (same, _), (other, _) = [
        await _read([_MAP], _Cluster(**{CONFIG_MAPS.kind: {"data": data}}))
        for data in ({"mode": "a"}, {"mode": "a", "depth": "3"}, {"mode": "b"})
    ]
    assert before == same
    assert before != other
