"""Read a data file of any of the three formats in batches, in memory that does not grow with the file."""

import codecs
import json
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
from modelops.worker.tabular.column_values import Cells, from_array, from_text, from_values

BLOCK_BYTES = 2 << 20
"""How much of a text file is read at once, and so the longest row of a CSV. Arrow reads up to 32 blocks ahead."""
_BATCH_ROWS = 8192
_LONGEST_LINE_BYTES = 16 << 20
_MOST_SKIPPED_ROWS = 10_000
_ENGLISH = {"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}


class UnreadableObjectError(Exception):
    """A file, or the rest of one, that is not in its format."""


class Batch(NamedTuple):
    """Some rows. `row_number` tells an index in them as people count: from 1 on, without a CSV's header."""

    rows: int
    columns: dict[str, Cells]
    row_number: Callable[[int], int]


@dataclass
class Faults:
    """Rows that are not like the rest: how many, and the first one in words."""

    count: int = 0
    first: str = ""
    skipped: list[int] = field(default_factory=list)
    """The numbers of skipped CSV rows, so that those after them keep their own."""

    def add(self, sentence: str) -> None:
        """Count one."""
        self.first = self.first or sentence
        self.count += 1


def read(file: Path, name: str, kind: Literal["csv", "jsonl", "parquet"], faults: Faults) -> Iterator[Batch]:
    """The rows of `file`. `name` is what messages call it, and its end says whether it is compressed (`.gz`).

    Rows that do not fit are skipped and counted in `faults`. Raises UnreadableObjectError.
    """
    try:
        if kind == "parquet":
            yield from _parquet(file)
            return
        with _open(file, name) as content:
            yield from _csv(file, content, name, faults) if kind == "csv" else _jsonl(content, name, faults)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())[:120]
        raise UnreadableObjectError(f"{name} is no readable {_ENGLISH[kind]} file: {reason}") from error


def _csv(file: Path, content: Any, name: str, faults: Faults) -> Iterator[Batch]:
    _check_text(file, name)
    names = _header(file, name)
    yield Batch(0, {column: from_text(pa.array([], pa.string())) for column in names}, _numbers_after(0, []))
    seen: set[str] = set()
    for column in names:
        if column in seen:
            faults.add(f'{name} has more than one column "{column}"')
        seen.add(column)
    reader = csv.open_csv(
        content,
        # One thread: only then does a row that does not fit know its number.
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=_ragged(name, faults)),
        # Everything as text: inference per block breaks on a column whose type changes further down.
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    before = 0
    for batch in reader:
        columns = {column: from_text(batch.column(index)) for index, column in reversed(list(enumerate(names)))}
        yield Batch(batch.num_rows, {name: columns[name] for name in names}, _numbers_after(before, faults.skipped))
        before += batch.num_rows


def _check_text(file: Path, name: str) -> None:
    """Arrow would drop a row that does not fit without a word when it is no UTF-8: look at the whole file first."""
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    with _open(file, name) as content:
        while block := content.read(BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise UnreadableObjectError(
                    f"{name} is no readable CSV file: near byte {before + error.start} it is no UTF-8"
                ) from error
            before += len(block)


def _open(file: Path, name: str) -> Any:
    return pa.input_stream(str(file), compression="gzip" if name.endswith(".gz") else None)


def _header(file: Path, name: str) -> list[str]:
    with _open(file, name) as content:
        options = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
        read_options = csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
        return csv.open_csv(content, read_options=read_options, parse_options=options).schema.names


def _ragged(name: str, faults: Faults) -> Callable[[Any], str]:
    def skip(row: Any) -> str:
        number = (row.number or 1) - 1
        faults.add(f"{name} row {number} has {row.actual_columns} fields, its header {row.expected_columns}")
        if len(faults.skipped) < _MOST_SKIPPED_ROWS:
            insort(faults.skipped, number)
        return "skip"

    return skip


def _numbers_after(before: int, skipped: list[int]) -> Callable[[int], int]:
    def number(index: int) -> int:
        row = before + index + 1
        for gap in skipped:
            if gap > row:
                break
            row += 1
        return row

    return number


def _jsonl(content: BinaryIO, name: str, faults: Faults) -> Iterator[Batch]:
    rows = _json_rows(content, name, faults)
    while batch := list(islice(rows, _BATCH_ROWS)):
        names = dict.fromkeys(key for _, row in batch for key in row)
        columns = {key: from_values([row.get(key) for _, row in batch]) for key in names}
        lines = [line for line, _ in batch]
        yield Batch(len(batch), columns, lines.__getitem__)


def _json_rows(content: BinaryIO, name: str, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
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
            faults.add(f"{name} row {line} is no JSON object")
        elif not all(map(is_utf8, row)):
            faults.add(f"{name} row {line} has a key that is no Unicode text")
        else:
            yield line, row


def _lines(content: BinaryIO, name: str) -> Iterator[bytes]:
    """Line by line with a bound, which Arrow's streams do not have."""
    rest = b""
    while block := content.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_LINE_BYTES:
            raise UnreadableObjectError(f"{name} has a line longer than {_LONGEST_LINE_BYTES >> 20} MiB")
    if rest:
        yield rest


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _parquet(file: Path) -> Iterator[Batch]:
    before = 0
    with parquet.ParquetFile(file) as content:
        empty = content.schema_arrow.empty_table()
        yield Batch(
            0,
            {name: from_array(empty.column(name).combine_chunks()) for name in dict.fromkeys(empty.column_names)},
            _numbers_after(0, []),
        )
        for batch in content.iter_batches(batch_size=_BATCH_ROWS):
            columns = {name: from_array(batch.column(index)) for index, name in enumerate(batch.schema.names)}
            yield Batch(batch.num_rows, columns, _numbers_after(before, []))
            before += batch.num_rows
