"""Placeholders in text from a chart or a user, such as `{model_name}`. Pure."""

import re
from collections.abc import Collection, Mapping

PLACEHOLDERS = frozenset({"model_name", "model_dir", "model_version", "format", "http_port", "grpc_port"})
"""Placeholders of a preset of the chart: each one decides what is loaded, or where the server listens."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each `{name}` replaced by its value. Braces around any other word stay.

    All are replaced in one pass, so that a value with braces is not filled in again.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def has_placeholder(text: str, names: Collection[str]) -> bool:
    """Return whether the text has a placeholder of one of these names."""
    return any(match[1] in names for match in _PLACEHOLDER.finditer(text))
