"""scikit-learn without pickle: `model.skops`, as `skops.io.dump` writes it.

The file names the types of the model's parts, and only types that are known to run no code are built. A file with any
other type is refused before anything of it is built.
"""

from collections.abc import Sequence
from pathlib import Path

import skops.io  # type: ignore[import-untyped]

from modelops.server.files import ModelLoadError, find_file
from modelops.server.formats.sklearn_model import SklearnModel, as_model

_SHOWN = 5


def load(model_dir: Path, trusted_types: Sequence[str] = ()) -> SklearnModel:
    """Load the model. `trusted_types` are types that may be built beside those that skops itself trusts.

    Raises ModelLoadError, and any error of a file that skops has not written.
    """
    file = find_file(model_dir, "model.skops")
    trusted = {*trusted_types}
    untrusted = [name for name in skops.io.get_untrusted_types(file=file) if name not in trusted]
    if untrusted:
        more = f" and {len(untrusted) - _SHOWN} more" if len(untrusted) > _SHOWN else ""
        raise ModelLoadError(
            f"{file.name} has types that are not trusted: {', '.join(untrusted[:_SHOWN])}{more}; train a model without "
            "them, or ask whoever installs the chart to trust them in the runtime's MODELOPS_TRUSTED_TYPES"
        )
    return as_model(skops.io.load(file, trusted=sorted(trusted)), file)
