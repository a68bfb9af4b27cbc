"""XGBoost: `model.json` or `model.ubj`, as `save_model` writes them."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from modelops.server.files import find
from modelops.server.predictor import PREDICT, PREDICT_PROBA, InvalidRequestError, Signature, Tensor, takes

_AT = re.compile(r"^\[[\d:]+\] \S+:\d+: ")
"""The time and the line of C++ with which XGBoost begins what it says."""


class XgboostModel:
    """A booster, with classes where its objective has them."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster
        learner = json.loads(booster.save_config())["learner"]
        self._objective = learner["objective"]["name"]
        self._classes = max(2, int(learner["learner_model_param"]["num_class"]))
        columns = tuple(booster.feature_names or ())
        types = booster.feature_types or []
        self._categorical = frozenset(name for name, kind in zip(columns, types, strict=False) if kind == "c")
        width = booster.num_features()
        inputs = takes(columns, width, self._categorical)
        self.signature = Signature(inputs, self._outputs(), columns, width)

    def predict(self, table: Any) -> dict[str, Any]:
        """Values; with a classifying objective the class, and the probabilities where the objective gives them."""
        if self._categorical:
            table = table.astype(dict.fromkeys(self._categorical, "category"))
        try:
            data = xgboost.DMatrix(table, enable_categorical=bool(self._categorical))
            values = self._booster.predict(data)
        except xgboost.core.XGBoostError as error:
            raise InvalidRequestError(_said(error)) from error
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
    """Load the model. Raises ModelLoadError, and XGBoostError for a file that is no model."""
    file = find(model_dir, "model.json", "model.ubj")
    try:
        booster = xgboost.Booster(model_file=file)
    except xgboost.core.XGBoostError as error:
        raise xgboost.core.XGBoostError(_said(error)) from error
    return XgboostModel(booster)


def _said(error: xgboost.core.XGBoostError) -> str:
    """In one line, without time and addresses: they differ each time, and a status would change with every restart."""
    said, _, _ = str(error).partition("Stack trace:")
    return _AT.sub("", " ".join(said.split()))
