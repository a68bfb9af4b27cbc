"""The formats that the server loads: a module each."""

import importlib
from pathlib import Path

from modelops.server.files import ModelLoadError
from modelops.server.predictor import Predictor


def load(name: str, model_dir: Path) -> Predictor:
    """Load the model in `model_dir`. Raises ModelLoadError. Only the format's own library is imported."""
    module = importlib.import_module(f"modelops.server.formats.{name}_model")
    try:
        predictor: Predictor = module.load(model_dir)
    except ModelLoadError:
        raise
    except Exception as error:  # a broken file breaks a library in its own way
        why = " ".join(str(error).split())[:500]
        raise ModelLoadError(
            f"the model in {model_dir} does not load as {name}: {type(error).__name__}: {why}"
        ) from error
    return predictor
