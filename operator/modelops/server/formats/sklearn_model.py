"""scikit-learn: `model.joblib` or `model.pkl`, any object with `predict`.

Both files are pickles, which run as code: see the docstring of `modelops.server`.
"""

import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
from sklearn.compose import ColumnTransformer  # type: ignore[import-untyped]
from sklearn.exceptions import NotFittedError  # type: ignore[import-untyped]
from sklearn.pipeline import Pipeline  # type: ignore[import-untyped]

from modelops.server.files import ModelLoadError, find_file
from modelops.server.predictor import PREDICT, PREDICT_PROBA, InvalidRequestError, Signature, Tensor, input_tensors
from modelops.server.tensors import datatype_of

_NOT_A_PICKLE = (pickle.UnpicklingError, EOFError, IndexError, KeyError, struct.error)
"""Errors of unpickling bytes that are not a pickle, or are truncated. Alone, `KeyError: 60` explains nothing."""


class SklearnModel:
    """Estimator, or pipeline of them."""

    def __init__(self, model: Any) -> None:
        self._model = model
        classes = getattr(model, "classes_", None)
        # With several outputs, each has its own classes, and no single matrix holds their probabilities.
        self._has_probabilities = hasattr(model, "predict_proba") and not isinstance(classes, list)
        columns = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
        width = getattr(model, "n_features_in_", None)
        outputs = [Tensor(PREDICT, "FP64" if classes is None or isinstance(classes, list) else datatype_of(classes))]
        if self._has_probabilities:
            outputs.append(Tensor(PREDICT_PROBA, "FP64", (-1, -1 if classes is None else len(classes))))
        text = frozenset(_text_columns(model))
        self.signature = Signature(input_tensors(columns, width, text), tuple(outputs), columns, width)

    def predict(self, table: Any) -> dict[str, Any]:
        """Return labels or values, and probabilities if the model has them. Raises InvalidRequestError."""
        try:
            if not self._has_probabilities:
                return {PREDICT: self._model.predict(table)}
            model, transformed = self._transformed(table)
            outputs = {PREDICT: model.predict(transformed), PREDICT_PROBA: model.predict_proba(transformed)}
        except NotFittedError:
            raise
        except (ValueError, TypeError) as error:
            raise InvalidRequestError(str(error)) from error
        return outputs

    def _transformed(self, table: Any) -> tuple[Any, Any]:
        """Return a pipeline's last step, and the table transformed by the others once for both outputs."""
        if isinstance(self._model, Pipeline) and len(self._model) > 1:
            return self._model[-1], self._model[:-1].transform(table)
        return self._model, table


def load(model_dir: Path) -> SklearnModel:
    """Load the model. Raises ModelLoadError, UnpicklingError, and any error that the pickle raises when it runs."""
    file = find_file(model_dir, "model.joblib", "model.pkl")
    try:
        model = joblib.load(file)
    except _NOT_A_PICKLE as error:
        cause = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise pickle.UnpicklingError(f"{file.name} is not a pickle, or is truncated ({cause})") from error
    return as_model(model, file)


def as_model(content: Any, file: Path) -> SklearnModel:
    """Return the content of a file as a model. Raises ModelLoadError for anything without `predict`."""
    if not callable(getattr(content, "predict", None)):
        raise ModelLoadError(f"{file} holds a {type(content).__name__}, which has no predict")
    return SklearnModel(content)


def _text_columns(model: Any) -> Iterator[str]:
    """Yield the columns that the first step of a pipeline encodes from text."""
    first = model.steps[0][1] if isinstance(model, Pipeline) and model.steps else model
    if not isinstance(first, ColumnTransformer):
        return
    for _, encoder, columns in getattr(first, "transformers_", ()):
        steps = [step for _, step in encoder.steps] if isinstance(encoder, Pipeline) else [encoder]
        for step in steps:
            for column, categories in zip(columns, getattr(step, "categories_", ()), strict=False):
                if isinstance(column, str) and datatype_of(categories) == "BYTES":
                    yield column
