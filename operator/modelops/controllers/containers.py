"""How the operator's containers run: restricted, read-only, without a token, with credentials as files."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from modelops.api.base import Model
from modelops.api.contract.tasks import CREDENTIALS_DIR, TASK_VARIABLE, TaskKind
from modelops.api.pods import EnvVar, PodOptions, Resources

Json = dict[str, Any]
VariableT = TypeVar("VariableT", bound=EnvVar | Json)
SCRATCH = "scratch"
SHARED = "modelops"
SHARED_DIR = "/modelops"


def container_security() -> Json:
    """The restricted Pod Security Standard, and a root file system that cannot be written."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod_defaults(options: PodOptions) -> Json:
    """A Pod spec without containers and volumes."""
    spec: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": options.run_as_user,
            "runAsGroup": options.run_as_user,
            "fsGroup": options.run_as_user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    written = options.wire()
    for field in (
        "serviceAccountName",
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "imagePullSecrets",
    ):
        if written.get(field):
            spec[field] = written[field]
    return spec


def worker_container(
    name: str,
    image: str,
    pull_policy: str,
    kind: TaskKind,
    task: Model,
    secrets: Iterable[str],
    mounts: Iterable[Json] = (),
    memory: str = "1Gi",
    scratch: str = SCRATCH,
) -> Json:
    """A container of the worker image that does one task. `scratch` is the volume of its /tmp."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        "args": [kind],
        "env": [{"name": TASK_VARIABLE, "value": literal(json.dumps(task.wire(), sort_keys=True))}],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": memory}},
        "securityContext": container_security(),
        "terminationMessagePolicy": "File",
        "volumeMounts": [*mounts, mount(scratch, "/tmp"), *credential_mounts(secrets)],
    }


def mount(volume: str, path: str, *, read_only: bool = False, sub_path: str | None = None) -> Json:
    """A volume mount."""
    mounted: Json = {"name": volume, "mountPath": path}
    if read_only:
        mounted["readOnly"] = True
    if sub_path:
        mounted["subPath"] = sub_path
    return mounted


def empty_dir(name: str) -> Json:
    """A volume that lives and ends with its Pod."""
    return {"name": name, "emptyDir": {}}


def credential_volumes(secrets: Iterable[str]) -> list[Json]:
    """A volume for each Secret with credentials."""
    return [
        {"name": _volume_of(secret), "secret": {"secretName": secret, "defaultMode": 0o440}}
        for secret in _distinct(secrets)
    ]


def credential_mounts(secrets: Iterable[str]) -> list[Json]:
    """Where the worker looks for them."""
    return [mount(_volume_of(secret), f"{CREDENTIALS_DIR}/{secret}", read_only=True) for secret in _distinct(secrets)]


def environment(variables: Iterable[EnvVar]) -> list[Json]:
    """A user's environment variables."""
    return [variable.wire() for variable in variables]


def override_variables(defaults: Iterable[VariableT], users: Iterable[VariableT]) -> list[VariableT]:
    """Return the defaults that no user's variable has the name of, then the user's variables, which win."""
    winning = list(users)
    names = {_name_of(variable) for variable in winning}
    return [*(variable for variable in defaults if _name_of(variable) not in names), *winning]


def resources_or_default(wanted: Resources | None, default: Json) -> Json:
    """What the user asked for, or the default."""
    return wanted.wire() if wanted is not None else default


def literal(text: str) -> str:
    """A value for an environment variable in which the kubelet finds no `$(reference)` to replace."""
    return text.replace("$", "$$")


def _volume_of(secret: str) -> str:
    """The same name in every container, whichever of the Pod's Secrets it mounts."""
    return f"credentials-{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


def _name_of(variable: EnvVar | Json) -> str:
    return variable.name if isinstance(variable, EnvVar) else str(variable["name"])


def _distinct(secrets: Iterable[str]) -> list[str]:
    return sorted(set(secrets))
