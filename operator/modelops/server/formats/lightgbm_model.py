"""LightGBM: `model.txt`, as `Booster.save_model` writes it."""

import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from modelops.server.files import find_file
from modelops.server.predictor import PREDICT, PREDICT_PROBA, InvalidRequestError, Signature, Tensor, input_tensors

_UNNAMED = re.compile(r"Column_\d+")


class LightgbmModel:
    """Booster. With a classification objective, outputs are the class and its probabilities."""

    def __init__(self, booster: lightgbm.Booster) -> None:
        self._booster = booster
        self._objective, *_ = str(booster.dump_model(num_iteration=1).get("objective", "")).split() or [""]
        names = tuple(booster.feature_name())
        # LightGBM gives such names to columns without names.
        columns = () if all(_UNNAMED.fullmatch(name) for name in names) else names
        width = booster.num_feature()
        self._categories = booster.pandas_categorical or []
        self.signature = Signature(input_tensors(columns, width), self._outputs(), columns, width)

    def predict(self, table: Any) -> dict[str, Any]:
        """Return values, or for a classification objective the class and the probabilities.

        Raises InvalidRequestError.
        """
        if self._categories:
            text = [name for name in table.columns if table[name].dtype == object]
            table = table.astype(dict.fromkeys(text, "category"))
        try:
            values = np.asarray(self._booster.predict(table))
        except (ValueError, TypeError, lightgbm.basic.LightGBMError) as error:
            raise InvalidRequestError(str(error)) from error
        match self._objective:
            case "binary":
                probabilities = np.column_stack([1 - values, values])
            case "multiclass" | "multiclassova":
                probabilities = values
            case _:
                return {PREDICT: values}
        return {PREDICT: probabilities.argmax(axis=1).astype(np.int64), PREDICT_PROBA: probabilities}

    def _outputs(self) -> tuple[Tensor, ...]:
        if self._objective not in ("binary", "multiclass", "multiclassova"):
            return (Tensor(PREDICT, "FP64"),)
        classes = max(2, self._booster.num_model_per_iteration())
        return Tensor(PREDICT, "INT64"), Tensor(PREDICT_PROBA, "FP64", (-1, classes))


def load(model_dir: Path) -> LightgbmModel:
    """Load the model. Raises ModelLoadError."""
    return LightgbmModel(lightgbm.Booster(model_file=str(find_file(model_dir, "model.txt"))))
