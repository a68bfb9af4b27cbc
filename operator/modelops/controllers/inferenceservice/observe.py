"""What an InferenceService's decisions rest on."""

from dataclasses import dataclass
from datetime import datetime

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.names import deployment_name
from modelops.controllers.inferenceservice.rollout import ServerPod, server_pod
from modelops.machinery.controller import World
from modelops.machinery.resources import DEPLOYMENTS, PODS, SERVICES, Body, Key
from modelops.machinery.settings import Settings

VERSION_OF = "version-of"
"""Index of ModelVersions by their model."""
SERVER_OF = "server-of"
"""Index of Pods by their InferenceService."""


@dataclass(frozen=True)
class Observation:
    """An InferenceService and all around it."""

    service: InferenceService
    settings: Settings
    now: datetime
    versions: tuple[ModelVersion, ...] = ()
    """The version that the spec names, or all of the model that it names."""
    deployment: Body | None = None
    pods: tuple[ServerPod, ...] = ()
    """The Deployment's Pods."""
    endpoint: Body | None = None
    """The Service of that name, whoever's it is."""


async def observe(service: InferenceService, world: World) -> Observation:
    """The cache has all of it but the Services of strangers."""
    namespace, name = service.metadata.namespace, service.metadata.name
    deployment = deployment_name(service)
    endpoint = world.cache.body(Key(SERVICES.kind, namespace, name))
    if endpoint is None:
        endpoint = await world.kube.get(SERVICES, namespace, name)
    bodies = world.cache.bodies(SERVER_OF, namespace, name, kind=PODS.kind)
    return Observation(
        service=service,
        settings=world.settings,
        now=world.now,
        versions=tuple(_versions(service, world)),
        deployment=world.cache.body(Key(DEPLOYMENTS.kind, namespace, deployment)),
        pods=tuple(server_pod(body) for body in bodies if _belongs_to(body, deployment)),
        endpoint=endpoint,
    )


def _versions(service: InferenceService, world: World) -> list[ModelVersion]:
    namespace, model = service.metadata.namespace, service.spec.model
    kind = ModelVersion.__name__
    if model.version is not None:
        keys = [Key(kind, namespace, model.version)]
    else:
        keys = world.cache.find(VERSION_OF, namespace, model.name or "", kind=kind)
    found = (world.cache.parsed(key, ModelVersion) for key in keys)
    return [version for version in found if version is not None and version.metadata.deletion_timestamp is None]


def _belongs_to(pod: Body, deployment: str) -> bool:
    """A Pod names its ReplicaSet, which is not watched, and that is named after its Deployment.

    Pods of an InferenceService of the same name that was deleted have another Deployment's name, since it has its UID.
    """
    owners = pod["metadata"].get("ownerReferences", [])
    return any(owner["kind"] == "ReplicaSet" and owner["name"].startswith(deployment + "-") for owner in owners)
