"""Interface of a loaded model, the same for all formats."""

from dataclasses import dataclass
from typing import Any, Protocol

PREDICT = "predict"
PREDICT_PROBA = "predict_proba"


@dataclass(frozen=True)
class Tensor:
    """Tensor of a model's inputs or outputs, as in the protocol's metadata. A size of -1 means any size."""

    name: str
    datatype: str
    shape: tuple[int, ...] = (-1,)

    def to_json(self) -> dict[str, Any]:
        """Return the tensor in the format of the protocol's metadata."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a model."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    columns: tuple[str, ...] = ()
    """Names of the features in the model's order. Empty: the model does not store them."""
    width: int | None = None
    """Number of features. None: the model does not store it."""


def input_tensors(
    columns: tuple[str, ...], width: int | None, text: frozenset[str] = frozenset()
) -> tuple[Tensor, ...]:
    """Return the inputs of a tabular model: one per column if the model stores names, otherwise one tensor of rows."""
    if columns:
        return tuple(Tensor(name, "BYTES" if name in text else "FP64") for name in columns)
    return (Tensor("input", "FP64", (-1, -1 if width is None else width)),)


class InvalidRequestError(Exception):
    """The model rejects the values. The message is one sentence with the reason."""


class Predictor(Protocol):
    """Loaded model."""

    @property
    def signature(self) -> Signature:
        """Inputs and outputs of the model."""
        ...

    def predict(self, table: Any) -> dict[str, Any]:
        """Return the outputs by name, each a NumPy array with one row per row of the table.

        The table is a DataFrame with the model's columns in its order if the model stores their names, otherwise a
        NumPy array.

        Raises:
            InvalidRequestError: The model rejects the values.
        """
        ...
