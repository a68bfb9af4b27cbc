"""XGBoost: `model.json` or `model.ubj`, as `Booster.save_model` writes them."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from modelops.server.files import find_file
from modelops.server.predictor import PREDICT, PREDICT_PROBA, InvalidRequestError, Signature, Tensor, input_tensors

_LOG_PREFIX = re.compile(r"^\[[\d:]+\] \S+:\d+: ")
"""Time and C++ source line with which XGBoost's messages begin."""


class XgboostModel:
    """Booster. With a classification objective, outputs are the class and its probabilities."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster
        learner = json.loads(booster.save_config())["learner"]
        self._objective = learner["objective"]["name"]
        self._classes = max(2, int(learner["learner_model_param"]["num_class"]))
        columns = tuple(booster.feature_names or ())
        types = booster.feature_types or []
        self._categorical = frozenset(name for name, kind in zip(columns, types, strict=False) if kind == "c")
        width = booster.num_features()
        inputs = input_tensors(columns, width, self._categorical)
        self.signature = Signature(inputs, self._outputs(), columns, width)

    def predict(self, table: Any) -> dict[str, Any]:
        """Return values, or for a classification objective the class.

        Probabilities are added if the objective gives them. Raises InvalidRequestError.
        """
        if self._categorical:
            table = table.astype(dict.fromkeys(self._categorical, "category"))
        try:
            data = xgboost.DMatrix(table, enable_categorical=bool(self._categorical))
            values = self._booster.predict(data)
        except xgboost.core.XGBoostError as error:
            raise InvalidRequestError(_one_line(error)) from error
        except (ValueError, TypeError) as error:
            raise InvalidRequestError(str(error)) from error
        match self._objective:
            case "binary:logistic":
                probabilities = np.column_stack([1 - values, values])
            case "multi:softprob":
                probabilities = values
            case "multi:softmax" | "binary:hinge":
                return {PREDICT: values.astype(np.int64)}
            case _:
                return {PREDICT: values}
        return {PREDICT: probabilities.argmax(axis=1).astype(np.int64), PREDICT_PROBA: probabilities}

    def _outputs(self) -> tuple[Tensor, ...]:
        match self._objective:
            case "binary:logistic" | "multi:softprob":
                return Tensor(PREDICT, "INT64"), Tensor(PREDICT_PROBA, "FP32", (-1, self._classes))
            case "multi:softmax" | "binary:hinge":
                return (Tensor(PREDICT, "INT64"),)
            case _:
                return (Tensor(PREDICT, "FP32"),)


def load(model_dir: Path) -> XgboostModel:
    """Load the model. Raises ModelLoadError, and XGBoostError for a file that is not a model."""
    file = find_file(model_dir, "model.json", "model.ubj")
    try:
        booster = xgboost.Booster(model_file=file)
    except xgboost.core.XGBoostError as error:
        raise xgboost.core.XGBoostError(_one_line(error)) from error
    return XgboostModel(booster)


def _one_line(error: xgboost.core.XGBoostError) -> str:
    """Return the error in one line, without time and addresses, which would change the status at each restart."""
    message, _, _ = str(error).partition("Stack trace:")
    return _LOG_PREFIX.sub("", " ".join(message.split()))
