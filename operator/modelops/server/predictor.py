"""What a loaded model can do, whatever it was written with."""

from dataclasses import dataclass
from typing import Any, Protocol

PREDICT = "predict"
PREDICT_PROBA = "predict_proba"


@dataclass(frozen=True)
class Tensor:
    """A tensor that a model takes or gives, as the protocol's metadata has it. -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...] = (-1,)

    def wire(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    columns: tuple[str, ...] = ()
    """The names of its features in its own order. Empty where it does not know them."""
    width: int | None = None
    """How many features it takes. None where it does not know."""


def takes(columns: tuple[str, ...], width: int | None, text: frozenset[str] = frozenset()) -> tuple[Tensor, ...]:
    """The inputs of a model of tables: a column each where it knows their names, otherwise one tensor of all."""
    if columns:
        return tuple(Tensor(name, "BYTES" if name in text else "FP64") for name in columns)
    return (Tensor("input", "FP64", (-1, -1 if width is None else width)),)


class InvalidRequestError(Exception):
    """The model does not take these values: one sentence that says why."""


class Predictor(Protocol):
    """A loaded model."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        ...

    def predict(self, table: Any) -> dict[str, Any]:
        """The outputs by name, each a NumPy array with a row for each row of the table: a DataFrame with the model's
        columns in its order where it knows their names, otherwise an array. Raises InvalidRequestError.
        """
        ...
