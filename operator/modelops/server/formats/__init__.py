"""Model formats that the server loads, a module each."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from modelops.server.files import ModelLoadError
from modelops.server.predictor import Predictor

_OF_TYPES = "skops"
"""Format whose files name the types of a model's parts."""


def load(name: str, model_dir: Path, trusted_types: Sequence[str] = ()) -> Predictor:
    """Load the model in a directory, and import only its format's library.

    `trusted_types` are those that a file of the format skops may have beside those that skops trusts. Raises
    ModelLoadError.
    """
    options = {"trusted_types": trusted_types} if name == _OF_TYPES else {}
    module = importlib.import_module(f"modelops.server.formats.{name}_model")
    try:
        predictor: Predictor = module.load(model_dir, **options)
    except ModelLoadError:
        raise
    except Exception as error:  # each library raises other errors for a broken file
        reason = " ".join(str(error).split())[:500]
        raise ModelLoadError(
            f"the model in {model_dir} does not load as {name}: {type(error).__name__}: {reason}"
        ) from error
    return predictor
