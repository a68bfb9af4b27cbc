"""Parts of a Pod that a user sets: environment, resources, scheduling and identity."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map, list_rules, opaque_object, rules
from modelops.api.types import DataKey, LocalRef, Name, ObjectName, Opaque, Quantity

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=256)]
Image = Annotated[str, StringConstraints(pattern=r"^[^\s]+$", min_length=1, max_length=1024)]
Argument = Annotated[str, StringConstraints(max_length=8192)]
Arguments = Annotated[list[Argument], Field(max_length=64), list_atomic()]


class KeyRef(Model):
    """Key of a ConfigMap or Secret in the same namespace."""

    name: ObjectName
    """Name of the ConfigMap or Secret."""
    key: DataKey
    """Key in its data."""


class EnvValueFrom(Model):
    """Source of an environment variable's value."""

    model_config = rules(
        ("has(self.configMapKeyRef) != has(self.secretKeyRef)", "set exactly one of configMapKeyRef and secretKeyRef")
    )

    config_map_key_ref: KeyRef | None = None
    """Key of a ConfigMap."""
    secret_key_ref: KeyRef | None = None
    """Key of a Secret."""


class EnvVar(Model):
    """Environment variable."""

    model_config = rules(("!has(self.value) || !has(self.valueFrom)", "set value or valueFrom, not both"))

    name: EnvName
    """Name of the variable."""
    value: Annotated[str, StringConstraints(max_length=32768)] | None = None
    """Value of the variable, passed on literally."""
    value_from: EnvValueFrom | None = None
    """Source of the value, instead of `value`."""


Environment = Annotated[
    list[EnvVar],
    Field(max_length=64),
    list_map("name"),
    list_rules(
        (
            "self.map(v, has(v.value) ? size(v.value) : 0).sum() <= 131072",
            "the values must have at most 131072 characters together; mount longer ones as files",
        )
    ),
]
FileMode = Annotated[int, Field(ge=0, le=0o777)]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]


class Resources(Model):
    """Compute resources of a container, as in a Pod."""

    requests: Quantities | None = None
    """Resources that the scheduler reserves, such as `cpu: 500m`."""
    limits: Quantities | None = None
    """Most that the container may use, such as `memory: 1Gi` or `nvidia.com/gpu: 1`."""


class Toleration(Model):
    """Toleration of a taint, as in a Pod."""

    key: Annotated[str, StringConstraints(max_length=316)] | None = None
    """Key of the taint. Absent with `operator: Exists`: every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Equal: the value must be equal. Exists: any value."""
    value: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Absent: every effect."""
    toleration_seconds: int | None = None
    """Seconds that a NoExecute taint is tolerated. Absent: for ever."""


class PodOptions(Model):
    """Scheduling and identity of Pods."""

    service_account_name: ObjectName | None = None
    """ServiceAccount of the Pods, for workload identity. Its token is not mounted."""
    node_selector: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=63)]],
        Field(max_length=32),
    ] = Field(default_factory=dict)
    """Labels that a node must have to run the Pods."""
    tolerations: Annotated[list[Toleration], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Taints of nodes that the Pods tolerate."""
    affinity: Annotated[Opaque, opaque_object()] | None = None
    """Node affinity, Pod affinity and anti-affinity, as in a Pod."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the Pods."""
    image_pull_secrets: Annotated[list[LocalRef], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Secrets with credentials for pulling images."""
    run_as_user: Annotated[int, Field(ge=1)] = 65532
    """User and group ID of all containers. Never 0: the Pods meet the restricted Pod Security Standard."""


_PART = "([^/.][^/]*|[.][^/.][^/]*|[.][.][^/]+)"
"""Name of a directory, which is neither `.` nor `..`."""
_NORMAL = f"self.mountPath.matches('^(/{_PART})+$')"
_RESERVED = "^/(tmp|mnt(/models(/.*)?)?|modelops(/.*)?|etc(/modelops(/.*)?)?)$"


class VolumeMount(Model):
    """Mount of a volume in the container."""

    model_config = rules(
        (_NORMAL, "mountPath must be an absolute path without . or .. in it, without // and without / at its end"),
        (
            # Only a path in normal form: one mistake gives one message.
            f"!{_NORMAL} || !self.mountPath.matches('{_RESERVED}')",
            "mountPath must not be /tmp, nor be or be below /mnt/models, /modelops or /etc/modelops, nor be /mnt or"
            " /etc; the operator uses these paths",
        ),
    )

    name: Name
    """Name of the volume, from `volumes`."""
    mount_path: Annotated[str, StringConstraints(pattern=r"^/[^:]*$", max_length=512)]
    """Path in the container: absolute, without `.`, `..`, `//` or a slash at its end."""
    sub_path: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Path in the volume to mount. Absent: the whole volume."""
    read_only: bool = True
    """Whether the volume is mounted read-only."""


VolumeMounts = Annotated[list[VolumeMount], Field(max_length=16), list_map("mountPath")]


class KeyFile(Model):
    """Key of a ConfigMap or Secret as a file, as in a Pod."""

    key: DataKey
    """Key in its data."""
    path: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    """Path of the file in the volume: relative, and without `..`."""
    mode: FileMode | None = None
    """Permission bits of the file. Absent: `defaultMode`."""


KeyFiles = Annotated[list[KeyFile], Field(max_length=64), list_atomic()]


class ClaimVolume(Model):
    """PersistentVolumeClaim as a volume, as in a Pod."""

    claim_name: ObjectName
    """Name of the claim."""
    read_only: bool | None = None
    """Whether every mount of the volume is read-only."""


class ConfigMapVolume(Model):
    """ConfigMap as a volume, as in a Pod."""

    name: ObjectName
    """Name of the ConfigMap."""
    items: KeyFiles | None = None
    """Keys that become files. Absent: every key, as a file of its name."""
    default_mode: FileMode | None = None
    """Permission bits of the files. Absent: 420, which is 0644."""
    optional: bool | None = None
    """Whether Pods start without the ConfigMap or its keys."""


class SecretVolume(Model):
    """Secret as a volume, as in a Pod."""

    secret_name: ObjectName
    """Name of the Secret."""
    items: KeyFiles | None = None
    """Keys that become files. Absent: every key, as a file of its name."""
    default_mode: FileMode | None = None
    """Permission bits of the files. Absent: 420, which is 0644."""
    optional: bool | None = None
    """Whether Pods start without the Secret or its keys."""


class Volume(Model):
    """Volume of a type that the restricted Pod Security Standard allows, as in a Pod."""

    model_config = rules(
        (
            "(has(self.persistentVolumeClaim) ? 1 : 0) + (has(self.configMap) ? 1 : 0) + (has(self.secret) ? 1 : 0)"
            " + (has(self.emptyDir) ? 1 : 0) == 1",
            "set exactly one of persistentVolumeClaim, configMap, secret and emptyDir",
        ),
        (
            "!(self.name in ['models', 'modelops', 'routes', 'credentials']) && !self.name.startsWith('scratch-')"
            " && !self.name.startsWith('modelops-')",
            "volume names models, modelops, routes, credentials, scratch-... and modelops-... are reserved for the"
            " operator; use another name",
        ),
    )

    name: Name
    """Name of the volume, for `volumeMounts`."""
    persistent_volume_claim: ClaimVolume | None = None
    """PersistentVolumeClaim of this namespace."""
    config_map: ConfigMapVolume | None = None
    """ConfigMap of this namespace."""
    secret: SecretVolume | None = None
    """Secret of this namespace."""
    empty_dir: Annotated[Opaque, opaque_object()] | None = None
    """Directory that is deleted with the Pod. `medium: Memory` with `sizeLimit` makes a larger /dev/shm."""


PROXY_USER = 65531
"""User and group ID of the proxy in an InferenceService's Pods."""


class ServingPodOptions(PodOptions):
    """Scheduling, identity and volumes of Pods."""

    model_config = rules(
        (
            f"!has(self.runAsUser) || self.runAsUser != {PROXY_USER}",
            f"runAsUser must not be {PROXY_USER}: that is the proxy's user, and the model must not act as the proxy",
        )
    )

    volumes: Annotated[list[Volume], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Volumes of the Pods, which the server mounts by `volumeMounts`."""
