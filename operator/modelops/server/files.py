"""Where a model is among its files."""

from pathlib import Path


class ModelLoadError(Exception):
    """This model cannot be served: one sentence that says why."""


def find(model_dir: Path, *names: str) -> Path:
    """The first of `names` in the model's directory. Raises ModelLoadError with what was looked for and what is there."""
    for name in names:
        if (model_dir / name).is_file():
            return model_dir / name
    wanted = " or ".join(names)
    if not model_dir.is_dir():
        raise ModelLoadError(f"there is no directory {model_dir} to find {wanted} in")
    there = sorted(path.name for path in model_dir.iterdir())
    listed = ", ".join(there[:10]) + (" and more" if len(there) > 10 else "") if there else "nothing"
    raise ModelLoadError(f"there is no {wanted} in {model_dir}; it holds {listed}")
