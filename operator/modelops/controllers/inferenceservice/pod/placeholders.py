"""Placeholders in text from a chart or a user, such as `{model_name}`. Pure."""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each `{name}` replaced by its value. Braces around any other word stay.

    All are replaced in one pass, so that a value with braces is not filled in again.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
