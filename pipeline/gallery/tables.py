"""Tables that people write: CSV in UTF-8 or as spreadsheets save it, with each row's line for messages."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.errors import InputError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEPARATORS = (",", ";", "\t", "|")


class Row(NamedTuple):
    """A row's line in the file, from 1 on, and its cells by column, stripped; "" where the row is shorter."""

    line: int
    cells: Mapping[str, str]


def read_table(data: bytes, where: str, needed: Sequence[str]) -> tuple[list[str], list[Row]]:
    """Reads a table with a header.

    Args:
      data: the file's bytes. A byte order mark, spaces around cells, and semicolons or tabs in place of commas do no
        harm.
      where: its name, for messages.
      needed: columns that it must have, in lower case.

    Returns:
      The names of the columns, in lower case, and the rows that hold anything.

    Raises:
      InputError: it is in no encoding that is known, lacks a column, or a line is not as the header says.
    """
    text = _decode(data, where)
    separator = max(_SEPARATORS, key=lambda each: _fits(text, each, needed))
    lines = _lines(text, separator, where)
    _, first = next(lines, (1, []))
    header = [cell.strip().lower() for cell in first]
    if missing := [column for column in needed if column not in header]:
        raise InputError(
            f"{where} has no column {missing[0]} (columns found: {', '.join(filter(None, header)) or 'none'}). Its "
            f"first line names the columns: {', '.join(needed)}."
        )
    rows = []
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
            raise InputError(
                f"{where}, line {line}: {len(cells)} cells, and the header has {len(header)}. A name with a comma "
                f'must stand in quotes ("Brueghel, Jan"). The line begins with {", ".join(cells)[:60]!r}.'
            )
        padded = [*cells, *[""] * (len(header) - len(cells))]
        rows.append(Row(line, {column: cell.strip() for column, cell in zip(header, padded, strict=False)}))
    return header, rows


def _decode(data: bytes, where: str) -> str:
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{where} is not UTF-8 (line {line}: {error.reason}). Save it as UTF-8: in a spreadsheet, as “CSV UTF-8”."
        ) from error


def _fits(text: str, separator: str, needed: Sequence[str]) -> tuple[int, int]:
    """How well a header is read with a separator: needed columns found, columns in all."""
    header = [cell.strip().strip('"').lower() for cell in text.lstrip().partition("\n")[0].split(separator)]
    return sum(column in header for column in needed), len(header)


def _lines(text: str, separator: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each record."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{where}, line {line}: {error}. A quote within a cell is written twice, and a cell that begins with "
                "one must end with one."
            ) from error
