"""The ConfigMaps and Secrets that a trainer's environment refers to. Their content is part of the inputs."""

from dataclasses import dataclass, field

from modelops.api.trainingrun import TrainingRun
from modelops.lineage.digests import json_digest
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import CONFIG_MAPS, SECRETS, Resource


@dataclass(frozen=True)
class References:
    """`ConfigMap name` or `Secret name` → a digest of the keys that are used; and what is not there."""

    digests: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


async def read_references(run: TrainingRun, context: ReconcileContext) -> References:
    """Read each object that is referred to, once. Raises ApiError."""
    digests: dict[str, str] = {}
    missing: list[str] = []
    for (resource, name), keys in sorted(_wanted(run).items(), key=lambda item: (item[0][0].kind, item[0][1])):
        label = f"{resource.kind} {name}"
        body = await context.kube.get(resource, run.metadata.namespace, name)
        if body is None:
            missing.append(label)
            continue
        content = {**(body.get("binaryData") or {}), **(body.get("data") or {})}
        missing += [f"key {key} of {label}" for key in sorted(keys - content.keys())]
        digests[label] = json_digest({key: content[key] for key in keys & content.keys()})
    return References(digests, tuple(missing))


def _wanted(run: TrainingRun) -> dict[tuple[Resource, str], set[str]]:
    wanted: dict[tuple[Resource, str], set[str]] = {}
    for variable in run.spec.trainer.env:
        source = variable.value_from
        if source is None:
            continue
        if source.config_map_key_ref is not None:
            wanted.setdefault((CONFIG_MAPS, source.config_map_key_ref.name), set()).add(source.config_map_key_ref.key)
        if source.secret_key_ref is not None:
            wanted.setdefault((SECRETS, source.secret_key_ref.name), set()).add(source.secret_key_ref.key)
    return wanted
