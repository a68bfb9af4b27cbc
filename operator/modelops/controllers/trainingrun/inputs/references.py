"""Read the ConfigMaps and Secrets that a trainer's environment refers to: their content is part of the inputs.

Of a Secret only the metadata is read: the operator needs no value, and a hash of one could be guessed from.
"""

from dataclasses import dataclass, field

from modelops.api.trainingrun import TrainingRun
from modelops.lineage.digests import json_digest
from modelops.lineage.input_key import UNKNOWN_VERSION
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import ApiError
from modelops.machinery.resources import CONFIG_MAPS, SECRETS, Resource


@dataclass(frozen=True)
class References:
    """State of the objects that an environment refers to."""

    versions: dict[str, str] = field(default_factory=dict)
    """`ConfigMap name` → digest of the keys in use; `Secret name` → its UID and resourceVersion."""
    missing: tuple[str, ...] = ()
    """Objects and keys that do not exist, as `Secret name` or `key k of ConfigMap name`."""


async def read_references(run: TrainingRun, context: ReconcileContext) -> References:
    """Read each object that the environment refers to, once. Raises ApiError."""
    versions: dict[str, str] = {}
    missing: list[str] = []
    namespace = run.metadata.namespace
    for (resource, name), keys in sorted(_keys_in_use(run).items(), key=lambda item: (item[0][0].kind, item[0][1])):
        label = f"{resource.kind} {name}"
        if resource is SECRETS:
            version = await _secret_version(namespace, name, context)
        else:
            version, absent = await _content_digest(namespace, name, keys, context)
            missing += [f"key {key} of {label}" for key in absent]
        if version is None:
            missing.append(label)
        else:
            versions[label] = version
    return References(versions, tuple(missing))


async def _secret_version(namespace: str, name: str, context: ReconcileContext) -> str | None:
    """Return what changes whenever the Secret is written; None if there is no such Secret."""
    try:
        metadata = await context.kube.metadata(SECRETS, namespace, name)
    except ApiError as error:
        if error.forbidden:
            return UNKNOWN_VERSION
        raise
    return f"{metadata['uid']} at {metadata['resourceVersion']}" if metadata is not None else None


async def _content_digest(
    namespace: str, name: str, keys: set[str], context: ReconcileContext
) -> tuple[str | None, list[str]]:
    """Return the digest of a ConfigMap's keys in use, None if there is no such ConfigMap, and the missing keys."""
    body = await context.kube.get(CONFIG_MAPS, namespace, name)
    if body is None:
        return None, []
    content = {**(body.get("binaryData") or {}), **(body.get("data") or {})}
    return json_digest({key: content[key] for key in keys & content.keys()}), sorted(keys - content.keys())


def _keys_in_use(run: TrainingRun) -> dict[tuple[Resource, str], set[str]]:
    used: dict[tuple[Resource, str], set[str]] = {}
    for variable in run.spec.trainer.env:
        source = variable.value_from
        if source is None:
            continue
        if source.config_map_key_ref is not None:
            used.setdefault((CONFIG_MAPS, source.config_map_key_ref.name), set()).add(source.config_map_key_ref.key)
        if source.secret_key_ref is not None:
            used.setdefault((SECRETS, source.secret_key_ref.name), set()).add(source.secret_key_ref.key)
    return used
