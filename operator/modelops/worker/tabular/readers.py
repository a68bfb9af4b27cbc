"""Read a CSV, JSON Lines or Parquet file in batches, in memory that does not grow with the file."""

import codecs
import json
import re
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as csv  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]

from modelops.worker.runtime.unicode_text import is_utf8
from modelops.worker.tabular.column_values import ColumnValues, from_csv, from_json, from_parquet

BLOCK_BYTES = 2 << 20
"""Size of one read of a text file, and so the longest row of a CSV. Arrow reads up to 32 blocks ahead."""
_BATCH_ROWS = 8192
_MAX_LINE_BYTES = 16 << 20
_MAX_SKIPPED_ROWS = 10_000
_QUOTED = re.compile(r"['\"].*['\"]")
"""What a message of Arrow quotes may be a value of the data."""
_FORMAT_NAMES = {"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}


class UnreadableObjectError(Exception):
    """A file, or the rest of a file, does not have the declared format."""


class Batch(NamedTuple):
    """Some rows of a file. `row_number` maps an index in the batch to the row in the file: from 1, without a header."""

    rows: int
    columns: dict[str, ColumnValues]
    row_number: Callable[[int], int]


@dataclass
class MalformedRows:
    """Rows that do not have the file's structure: their number, and a sentence about the first."""

    count: int = 0
    first: str = ""
    skipped: list[int] = field(default_factory=list)
    """Numbers of skipped CSV rows in ascending order, so that later rows keep their own numbers."""

    def add(self, sentence: str) -> None:
        """Count one row."""
        self.first = self.first or sentence
        self.count += 1


def read_batches(
    file: Path, name: str, kind: Literal["csv", "jsonl", "parquet"], malformed: MalformedRows
) -> Iterator[Batch]:
    """Yield the rows of `file`; skip rows that do not fit, and count them in `malformed`.

    Args:
        file: file to read.
        name: object's name in messages. A name that ends in `.gz` marks a compressed file.
        kind: format of the file.
        malformed: receives the skipped rows.

    Raises:
        UnreadableObjectError: the file, or its rest, does not have the format.
        OSError: the file cannot be read.
    """
    try:
        if kind == "parquet":
            yield from _parquet(file)
            return
        with _open(file, name) as content:
            yield from _csv(file, content, name, malformed) if kind == "csv" else _jsonl(content, name, malformed)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = _QUOTED.sub("…", " ".join(str(error).split()))[:120]
        raise UnreadableObjectError(f"{name} is not a readable {_FORMAT_NAMES[kind]} file: {reason}") from error


def _csv(file: Path, content: Any, name: str, malformed: MalformedRows) -> Iterator[Batch]:
    _require_utf8(file, name)
    names = _header(file, name)
    yield Batch(0, {column: from_csv(pa.array([], pa.string())) for column in names}, _row_numbers(0, []))
    seen: dict[str, int] = {}
    for number, column in enumerate(names, start=1):
        if column in seen:
            # The name is not quoted: in a file without a header it is a value.
            malformed.add(f"{name} has the same name for column {seen[column]} and column {number}")
        seen[column] = number
    reader = csv.open_csv(
        content,
        # One thread: only then does Arrow know the number of a row that does not fit.
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=_skip_ragged(name, malformed)),
        # Everything as text: inference per block breaks on a column whose type changes further down.
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    before = 0
    for batch in reader:
        columns = {column: from_csv(batch.column(index)) for index, column in reversed(list(enumerate(names)))}
        yield Batch(batch.num_rows, {name: columns[name] for name in names}, _row_numbers(before, malformed.skipped))
        before += batch.num_rows


def _require_utf8(file: Path, name: str) -> None:
    """Check the whole file first: Arrow drops a row that does not fit without a report if the row is not UTF-8."""
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    with _open(file, name) as content:
        while block := content.read(BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise UnreadableObjectError(
                    f"{name} is not a readable CSV file: invalid UTF-8 near byte {before + error.start}"
                ) from error
            before += len(block)


def _open(file: Path, name: str) -> Any:
    return pa.input_stream(str(file), compression="gzip" if name.endswith(".gz") else None)


def _header(file: Path, name: str) -> list[str]:
    with _open(file, name) as content:
        options = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
        read_options = csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
        names: list[str] = csv.open_csv(content, read_options=read_options, parse_options=options).schema.names
        return names


def _skip_ragged(name: str, malformed: MalformedRows) -> Callable[[Any], str]:
    """Build Arrow's handler of rows that have more or fewer fields than the header."""

    def skip(row: Any) -> str:
        number = (row.number or 1) - 1
        malformed.add(f"{name} row {number} has {row.actual_columns} fields, the header has {row.expected_columns}")
        if len(malformed.skipped) < _MAX_SKIPPED_ROWS:
            insort(malformed.skipped, number)
        return "skip"

    return skip


def _row_numbers(before: int, skipped: list[int]) -> Callable[[int], int]:
    """Build a Batch's `row_number` for a batch that follows `before` rows which were not skipped."""

    def number(index: int) -> int:
        row = before + index + 1
        for gap in skipped:
            if gap > row:
                break
            row += 1
        return row

    return number


def _jsonl(content: BinaryIO, name: str, malformed: MalformedRows) -> Iterator[Batch]:
    rows = _json_rows(content, name, malformed)
    while batch := list(islice(rows, _BATCH_ROWS)):
        names = dict.fromkeys(key for _, row in batch for key in row)
        columns = {key: from_json([row.get(key) for _, row in batch]) for key in names}
        lines = [line for line, _ in batch]
        yield Batch(len(batch), columns, lines.__getitem__)


def _json_rows(content: BinaryIO, name: str, malformed: MalformedRows) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 0
    for text in _lines(content, name):
        line += 1
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            malformed.add(f"{name} row {line} is not a JSON object")
        elif not all(map(is_utf8, row)):
            malformed.add(f"{name} row {line} has a key that is not valid Unicode")
        else:
            yield line, row


def _lines(content: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines, none longer than the limit, which Arrow's streams do not have."""
    rest = b""
    while block := content.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > _MAX_LINE_BYTES:
            raise UnreadableObjectError(f"{name} has a line longer than {_MAX_LINE_BYTES >> 20} MiB")
    if rest:
        yield rest


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _parquet(file: Path) -> Iterator[Batch]:
    before = 0
    with parquet.ParquetFile(file) as content:
        empty = content.schema_arrow.empty_table()
        yield Batch(
            0,
            {name: from_parquet(empty.column(name).combine_chunks()) for name in dict.fromkeys(empty.column_names)},
            _row_numbers(0, []),
        )
        for batch in content.iter_batches(batch_size=_BATCH_ROWS):
            columns = {name: from_parquet(batch.column(index)) for index, name in enumerate(batch.schema.names)}
            yield Batch(batch.num_rows, columns, _row_numbers(before, []))
            before += batch.num_rows
