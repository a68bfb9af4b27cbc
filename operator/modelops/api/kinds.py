"""What makes a model a kind of the API: its names, its printer columns, its metadata."""

from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from modelops.api.base import Model

GROUP = "modelops.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class PrinterColumn(NamedTuple):
    """A column that `kubectl get` prints. Priority 1 shows only with `-o wide`."""

    name: str
    type: str
    path: str
    priority: int = 0


class Metadata(Model):
    """The parts of an object's metadata that decisions read."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Kind(Model):
    """One object of a kind. The subclass's name is the kind."""

    plural: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[PrinterColumn, ...]] = ()
    name_limit: ClassVar[int] = 52
    """The longest name, in characters: children add a hash to it and must stay within 63."""

    metadata: Annotated[Metadata, Field(exclude=True)]

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "Kind":
        """An object as the API server sent it."""
        return cls.model_validate(body)
