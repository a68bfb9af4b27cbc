"""Model formats that the server loads, a module each."""

import importlib
from pathlib import Path

from modelops.server.files import ModelLoadError
from modelops.server.predictor import Predictor


def load(name: str, model_dir: Path) -> Predictor:
    """Load the model in a directory, and import only its format's library. Raises ModelLoadError."""
    module = importlib.import_module(f"modelops.server.formats.{name}_model")
    try:
        predictor: Predictor = module.load(model_dir)
    except ModelLoadError:
        raise
    except Exception as error:  # each library raises other errors for a broken file
        reason = " ".join(str(error).split())[:500]
        raise ModelLoadError(
            f"the model in {model_dir} does not load as {name}: {type(error).__name__}: {reason}"
        ) from error
    return predictor
