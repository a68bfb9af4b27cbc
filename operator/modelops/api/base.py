"""What every model of the API has in common: camelCase on the wire, frozen in Python, documented field by field."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen value with camelCase on the wire. A docstring below a field is what `kubectl explain` shows."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def wire(self) -> dict[str, Any]:
        """The JSON object to write: camelCase, without what is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
