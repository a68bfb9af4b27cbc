"""Base of the kinds: names, printer columns and metadata."""

from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from modelops.api.base import Model

GROUP = "modelops.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class PrinterColumn(NamedTuple):
    """Column of `kubectl get`. A column of priority 1 is shown only with `-o wide`."""

    name: str
    type: str
    path: str
    priority: int = 0


class Metadata(Model):
    """Parts of an object's metadata that decisions read."""

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
    """Object of a kind. The name of the subclass is the kind."""

    plural: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[PrinterColumn, ...]] = ()
    name_limit: ClassVar[int] = 52
    """Longest name in characters: children append a hash, and their names must stay within 63."""

    metadata: Annotated[Metadata, Field(exclude=True)]

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "Kind":
        """Build the object from the JSON of the API server. Raises ValidationError."""
        return cls.model_validate(body)
