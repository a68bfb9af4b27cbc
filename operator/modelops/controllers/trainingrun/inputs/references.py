"""Read the ConfigMaps and Secrets that a trainer's environment refers to: their content is part of the inputs."""

from dataclasses import dataclass, field

from modelops.api.trainingrun import TrainingRun
from modelops.lineage.digests import json_digest
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import CONFIG_MAPS, SECRETS, Resource


@dataclass(frozen=True)
class References:
    """Content of the objects that an environment refers to."""

    digests: dict[str, str] = field(default_factory=dict)
    """`ConfigMap name` or `Secret name` → digest of the keys in use."""
    missing: tuple[str, ...] = ()
    """Objects and keys that do not exist, as `Secret name` or `key k of Secret name`."""


async def read_references(run: TrainingRun, context: ReconcileContext) -> References:
    """Read each object that the environment refers to, once. Raises ApiError."""
    digests: dict[str, str] = {}
    missing: list[str] = []
    for (resource, name), keys in sorted(_keys_in_use(run).items(), key=lambda item: (item[0][0].kind, item[0][1])):
        label = f"{resource.kind} {name}"
        body = await context.kube.get(resource, run.metadata.namespace, name)
        if body is None:
            missing.append(label)
            continue
        content = {**(body.get("binaryData") or {}), **(body.get("data") or {})}
        missing += [f"key {key} of {label}" for key in sorted(keys - content.keys())]
        digests[label] = json_digest({key: content[key] for key in keys & content.keys()})
    return References(digests, tuple(missing))


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
