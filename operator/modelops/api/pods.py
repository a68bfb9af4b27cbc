"""The parts of a Pod that a user sets: environment, resources, and where and as whom it runs."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map, opaque_object, rules
from modelops.api.types import LocalRef, Opaque, Quantity

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=256)]
Image = Annotated[str, StringConstraints(pattern=r"^[^\s]+$", min_length=1, max_length=1024)]
Argument = Annotated[str, StringConstraints(max_length=8192)]
Arguments = Annotated[list[Argument], Field(max_length=64), list_atomic()]


class KeyRef(Model):
    """One key of a ConfigMap or Secret of the same namespace."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The object's name."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The key in it."""


class EnvValueFrom(Model):
    """Where an environment variable's value comes from."""

    model_config = rules(
        ("has(self.configMapKeyRef) != has(self.secretKeyRef)", "set exactly one of configMapKeyRef and secretKeyRef")
    )

    config_map_key_ref: KeyRef | None = None
    """A key of a ConfigMap."""
    secret_key_ref: KeyRef | None = None
    """A key of a Secret."""


class EnvVar(Model):
    """One environment variable."""

    model_config = rules(("!has(self.value) || !has(self.valueFrom)", "set value or valueFrom, not both"))

    name: EnvName
    """The variable's name."""
    value: Annotated[str, StringConstraints(max_length=32768)] | None = None
    """Its value, as it is."""
    value_from: EnvValueFrom | None = None
    """Where its value comes from."""


Environment = Annotated[list[EnvVar], Field(max_length=64), list_map("name")]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]


class Resources(Model):
    """What a container asks for and may use, as in a Pod."""

    requests: Quantities | None = None
    """What the scheduler sets aside, such as `cpu: 500m`."""
    limits: Quantities | None = None
    """What the container may use at most, such as `memory: 1Gi` or `nvidia.com/gpu: 1`."""


class Toleration(Model):
    """A taint that does not keep the Pod away, as in a Pod."""

    key: Annotated[str, StringConstraints(max_length=316)] | None = None
    """The taint's key. Absent with `operator: Exists`: every taint."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Equal compares the value, Exists does not."""
    value: Annotated[str, StringConstraints(max_length=63)] | None = None
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect. Absent: every effect."""
    toleration_seconds: int | None = None
    """How long a NoExecute taint is tolerated, in seconds."""


class PodOptions(Model):
    """Where and as whom Pods run."""

    service_account_name: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The ServiceAccount, for workload identity. Its token is not mounted."""
    node_selector: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=63)]],
        Field(max_length=32),
    ] = Field(default_factory=dict)
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Taints that do not keep the Pod away."""
    affinity: Annotated[Opaque, opaque_object()] | None = None
    """Affinity and anti-affinity, as in a Pod."""
    priority_class_name: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The PriorityClass."""
    image_pull_secrets: Annotated[list[LocalRef], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Secrets to pull images with."""
    run_as_user: Annotated[int, Field(ge=1)] = 65532
    """The user and group ID of every container. Never 0: Pods meet the restricted Pod Security Standard."""


class VolumeMount(Model):
    """Where a volume is in the container."""

    model_config = rules(
        (
            "!self.mountPath.matches('^/((mnt/models|modelops|etc/modelops)(/.*)?|tmp/?)$')",
            "mountPath must not be /tmp, nor /mnt/models, /modelops, /etc/modelops or below one of them: those are the"
            " operator's",
        ),
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    """The volume's name."""
    mount_path: Annotated[str, StringConstraints(pattern=r"^/[^:]*$", max_length=512)]
    """The path in the container."""
    sub_path: Annotated[str, StringConstraints(max_length=512)] | None = None
    """Only this path of the volume. Absent: all of it."""
    read_only: bool = True
    """Whether the container may only read it."""


VolumeMounts = Annotated[list[VolumeMount], Field(max_length=16), list_map("mountPath")]


class Volume(Model):
    """A volume, as in a Pod: one that the restricted Pod Security Standard allows."""

    model_config = rules(
        (
            "(has(self.persistentVolumeClaim) ? 1 : 0) + (has(self.configMap) ? 1 : 0) + (has(self.secret) ? 1 : 0)"
            " + (has(self.emptyDir) ? 1 : 0) == 1",
            "set exactly one of persistentVolumeClaim, configMap, secret and emptyDir",
        ),
        (
            "!(self.name in ['models', 'modelops', 'routes', 'credentials']) && !self.name.startsWith('scratch-')"
            " && !self.name.startsWith('modelops-')",
            "models, modelops, routes, credentials and what begins with scratch- or modelops- are the operator's names:"
            " give the volume another one",
        ),
    )

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
    """Its name, for volumeMounts."""
    persistent_volume_claim: Annotated[Opaque, opaque_object()] | None = None
    """A claim: `claimName`, and `readOnly`."""
    config_map: Annotated[Opaque, opaque_object()] | None = None
    """A ConfigMap: `name`, and `items`."""
    secret: Annotated[Opaque, opaque_object()] | None = None
    """A Secret: `secretName`, and `items`."""
    empty_dir: Annotated[Opaque, opaque_object()] | None = None
    """Room for as long as the Pod lives: `medium: Memory` and `sizeLimit` make a larger /dev/shm."""


class ServingPodOptions(PodOptions):
    """Where and as whom Pods run, and what volumes they have."""

    volumes: Annotated[list[Volume], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Volumes for the server, mounted by `volumeMounts`."""
