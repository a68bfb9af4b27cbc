"""Containers and volumes of Pods: restricted, read-only, without a token, with credentials as files. Pure."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from modelops.api.base import Model
from modelops.api.contract.tasks import CREDENTIALS_DIR, TASK_VARIABLE, TaskKind
from modelops.api.pods import EnvVar, PodOptions, Resources
from modelops.machinery.settings import Settings

Json = dict[str, Any]
SCRATCH = "scratch"
"""Volume of /tmp."""
SHARED = "modelops"
"""Volume that the operator's containers share with the user's."""
SHARED_DIR = "/modelops"
NO_LOG = "File"
"""Policy by which the termination message is what the container wrote to its file, and never the end of its log."""


def container_security(user: int | None = None) -> Json:
    """Build a securityContext: the restricted Pod Security Standard, and a read-only root file system.

    `user` is the user and group ID, if not those of the Pod.
    """
    return {
        **({"runAsUser": user, "runAsGroup": user} if user is not None else {}),
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod_defaults(options: PodOptions, settings: Settings) -> Json:
    """Build a Pod spec without containers and volumes."""
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
    fields = options.wire()
    for field in (
        "serviceAccountName",
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "imagePullSecrets",
    ):
        if fields.get(field):
            spec[field] = fields[field]
    if settings.user_namespaces:
        spec["hostUsers"] = False
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
    """Build a container of the worker image that does one task.

    `secrets` are the Secrets whose credentials the task names, `scratch` is the volume that is mounted at /tmp.
    """
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        "args": [kind],
        "env": [{"name": TASK_VARIABLE, "value": literal(json.dumps(task.wire(), sort_keys=True))}],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": memory}},
        "securityContext": container_security(),
        "terminationMessagePolicy": NO_LOG,
        "volumeMounts": [*mounts, mount(scratch, "/tmp"), *credential_mounts(secrets)],
    }


def mount(volume: str, path: str, *, read_only: bool = False, sub_path: str | None = None) -> Json:
    """Build a volume mount."""
    mounted: Json = {"name": volume, "mountPath": path}
    if read_only:
        mounted["readOnly"] = True
    if sub_path:
        mounted["subPath"] = sub_path
    return mounted


def empty_dir(name: str, size: str) -> Json:
    """Build a volume that is deleted with its Pod. A Pod that writes more than `size` is evicted."""
    return {"name": name, "emptyDir": {"sizeLimit": size}}


def credential_volumes(secrets: Iterable[str]) -> list[Json]:
    """Build a volume for each Secret with credentials."""
    return [
        {"name": _volume_of(secret), "secret": {"secretName": secret, "defaultMode": 0o440}}
        for secret in _distinct(secrets)
    ]


def credential_mounts(secrets: Iterable[str]) -> list[Json]:
    """Build the mounts of the credentials, one directory a Secret, below CREDENTIALS_DIR."""
    return [mount(_volume_of(secret), f"{CREDENTIALS_DIR}/{secret}", read_only=True) for secret in _distinct(secrets)]


def termination_message_policy(
    environment: Iterable[Json], mounts: Iterable[Json] = (), volumes: Iterable[Json] = ()
) -> str:
    """Return whether the kubelet copies the end of a failed container's log to the Pod's status, and so to ours.

    It does not if the container has a Secret, as a variable or as files: what has failed may print its values. What the
    container writes to /dev/termination-log by itself is always in the status.
    """
    secret = {volume["name"] for volume in volumes if "secret" in volume}
    has_secret = any("secretKeyRef" in variable.get("valueFrom", {}) for variable in environment) or any(
        mounted["name"] in secret for mounted in mounts
    )
    return NO_LOG if has_secret else "FallbackToLogsOnError"


def environment(variables: Iterable[EnvVar]) -> list[Json]:
    """Return a user's environment variables as in a container."""
    return [variable.wire() for variable in variables]


def override_variables(defaults: Iterable[Json], users: Iterable[Json]) -> list[Json]:
    """Return the defaults that no user's variable has the name of, then the user's variables, which win."""
    winning = list(users)
    names = {variable["name"] for variable in winning}
    return [*(variable for variable in defaults if variable["name"] not in names), *winning]


def resources_or_default(resources: Resources | None, default: Json) -> Json:
    """Return the resources that the user set, as in a container, or the default."""
    return resources.wire() if resources is not None else default


def literal(text: str) -> str:
    """Escape the value of an environment variable, so that the kubelet expands no `$(reference)` in it."""
    return text.replace("$", "$$")


def _volume_of(secret: str) -> str:
    """Return the name of a Secret's volume, which must be a DNS label where the Secret's name may have dots."""
    return f"credentials-{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


def _distinct(secrets: Iterable[str]) -> list[str]:
    return sorted(set(secrets))
