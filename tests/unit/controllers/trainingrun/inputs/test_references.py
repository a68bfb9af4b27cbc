"""References of a trainer's environment: each object is read once, and missing ones are named."""

import copy
from typing import Any, cast

import pytest

from modelops.controllers.trainingrun.inputs.references import read_references
from modelops.lineage.input_key import UNKNOWN_VERSION
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import ApiError
from modelops.machinery.resources import CONFIG_MAPS, SECRETS, Body, Resource
from support.builders.trainingruns import training_run

_MAP = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}
_OTHER_KEY = {"name": "DEPTH", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "depth"}}}
_SECRET = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "token"}}}


def _secret(value: str = "eA==", uid: str = "u", version: str = "7") -> Body:
    return {"metadata": {"uid": uid, "resourceVersion": version}, "data": {"token": value}}


class _Cluster:
    """API server that has some objects, and records what it is asked for."""

    def __init__(self, objects: dict[str, Body], refuses: ApiError | None = None) -> None:
        self.refuses = refuses
        self.objects = objects
        self.asked: list[tuple[str, str]] = []
        self.kube = self

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        assert resource is not SECRETS, "the values of a Secret must not be read"
        self.asked.append((resource.kind, name))
        return copy.deepcopy(self.objects.get(resource.kind))

    async def metadata(self, resource: Resource, namespace: str, name: str) -> Body | None:
        self.asked.append((resource.kind, name))
        if self.refuses is not None:
            raise self.refuses
        return (self.objects.get(resource.kind) or {}).get("metadata")


async def _read(env: list[dict[str, Any]], cluster: _Cluster) -> tuple[dict[str, str], tuple[str, ...]]:
    run = training_run(trainer={"image": "trainer:1", "command": ["train"], "env": env})
    references = await read_references(run, cast(ReconcileContext, cluster))
    return references.versions, references.missing


async def test_an_object_is_read_once_however_many_keys_are_used() -> None:
    """A ConfigMap and a Secret of the same name are two objects."""
    cluster = _Cluster({CONFIG_MAPS.kind: {"data": {"mode": "a", "depth": "3"}}, SECRETS.kind: _secret()})
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
    ids=["missing object", "missing key", "key in binaryData"],
)
async def test_missing_objects_and_keys_are_named(objects: dict[str, Body], missing: tuple[str, ...]) -> None:
    """The run's message says what to create."""
    assert (await _read([_MAP], _Cluster(objects)))[1] == missing


async def test_only_keys_in_use_change_the_digest() -> None:
    """Another key of the same object is not an input of the run."""
    (before, _), (same, _), (other, _) = [
        await _read([_MAP], _Cluster({CONFIG_MAPS.kind: {"data": data}}))
        for data in ({"mode": "a"}, {"mode": "a", "depth": "3"}, {"mode": "b"})
    ]
    assert before == same
    assert before != other


async def test_a_component_cannot_be_computed_from_a_value_of_a_secret() -> None:
    """The components and the key are readable with `view`, and a short value could be guessed from its hash."""
    (one, _), (other, _) = [
        await _read([_SECRET], _Cluster({SECRETS.kind: _secret(value)})) for value in ("aHVudGVyMg==", "b3RoZXI=")
    ]
    assert one == other == {"Secret settings": "u at 7"}


@pytest.mark.parametrize("written", [{"version": "8"}, {"uid": "v"}], ids=["written again", "made anew"])
async def test_a_secret_that_was_written_is_another_input(written: dict[str, str]) -> None:
    """Also with the same value: the operator does not know values."""
    before, _ = await _read([_SECRET], _Cluster({SECRETS.kind: _secret()}))
    after, _ = await _read([_SECRET], _Cluster({SECRETS.kind: _secret(**written)}))
    assert before != after


async def test_a_secret_that_the_operator_may_not_look_at_has_an_unknown_version() -> None:
    """The run trains: only the reuse of results needs to know whether the Secret changed."""
    refused = _Cluster({}, ApiError(403, "Forbidden", "secrets is forbidden"))
    assert await _read([_SECRET], refused) == ({"Secret settings": UNKNOWN_VERSION}, ())
    assert (await _read([_SECRET], _Cluster({})))[1] == ("Secret settings",)
    with pytest.raises(ApiError):
        await _read([_SECRET], _Cluster({}, ApiError(500, "InternalError", "etcd")))
