"""Find a model among its files."""

from pathlib import Path


class ModelLoadError(Exception):
    """Model that cannot be served. The message is one sentence with the reason."""


def find_file(model_dir: Path, *names: str) -> Path:
    """Return the first of these files that exists in the model's directory.

    Raises ModelLoadError, with the files expected and the files present.
    """
    for name in names:
        if (model_dir / name).is_file():
            return model_dir / name
    expected = " or ".join(names)
    if not model_dir.is_dir():
        raise ModelLoadError(f"model directory {model_dir} not found; expected {expected} in it")
    present = sorted(path.name for path in model_dir.iterdir())
    listed = ", ".join(present[:10]) + (" and more" if len(present) > 10 else "") if present else "nothing"
    raise ModelLoadError(f"no {expected} in {model_dir}; found {listed}")
