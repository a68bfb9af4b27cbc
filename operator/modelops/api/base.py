"""Base of all models of the API: camelCase in JSON, frozen in Python, every field documented."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Frozen value, in camelCase as JSON. `kubectl explain` shows the docstring below a field."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def wire(self) -> dict[str, Any]:
        """Return the JSON object: keys in camelCase, without fields that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
