"""Violations that the worker finds in small objects of any format."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]

from modelops.api.contract.reports import Violations
from modelops.api.types import Schema
from modelops.worker.quality.schema_validation import SchemaValidator
from modelops.worker.tabular.readers import MalformedRows, UnreadableObjectError, read_batches

FormatType = Literal["csv", "jsonl", "parquet"]


def violations_of(
    directory: Path,
    columns: Sequence[Mapping[str, Any]],
    *objects: tuple[str, bytes],
    kind: FormatType = "csv",
    protected: Sequence[str] = (),
) -> Violations | None:
    """Validate objects, each a name and its content, against the columns of a schema, as the worker does."""
    scratch = Path(tempfile.mkdtemp(dir=directory))
    schema = Schema.model_validate({"columns": list(columns), "protected": list(protected)})
    validator = SchemaValidator(schema, scratch)
    for name, content in objects:
        file = directory / "object"
        file.write_bytes(content)
        malformed = MalformedRows()
        try:
            for batch in read_batches(file, name, kind, malformed):
                validator.add(name, batch)
            validator.end_object(name)
        except UnreadableObjectError as error:
            validator.abandon_object(name)
            validator.add_file_violation(str(error))
        if malformed.count:
            validator.add_file_violation(malformed.first, malformed.count)
    return validator.result()


def total_of(violations: Violations | None) -> int:
    """Return the number of violations."""
    return violations.total if violations is not None else 0


def encode_column(kind: FormatType, values: Sequence[Any], directory: Path, *, name: str = "v") -> bytes:
    """Encode an object with one column, and a second column beside it so that a row of a missing value is a row."""
    if kind == "csv":
        texts = ["" if value is None else str(value).lower() if value is True else str(value) for value in values]
        return f"{name},w\n{''.join(f'{text},0{chr(10)}' for text in texts)}".encode()
    if kind == "jsonl":
        return "".join(json.dumps({name: value, "w": 0}) + "\n" for value in values).encode()
    parquet.write_table(pa.table({name: values, "w": [0] * len(values)}), directory / "encoded")
    return (directory / "encoded").read_bytes()
