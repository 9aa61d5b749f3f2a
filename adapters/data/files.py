"""Opening data files: plain or gzipped, always UTF-8; and legal ids for foreign ones."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from models.errors import DataError
from models.ids import legal_id


def read_text(path: Path) -> str:
    """The text of a file, gunzipped where its name ends in ``.gz``.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        return raw.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot be read: {reason}", where=str(path)) from error


class Rows:
    """The rows of a CSV file by column name, each knowing its line.

    Parameters
    ----------
    text : str
        The file.
    source : str
        Its name, for messages.
    """

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        reader = csv.reader(text.splitlines())
        self.columns = [c.strip() for c in next(reader, [])]
        self._reader = reader

    def need(self, *names: str) -> None:
        """Refuse a file that lacks a column, naming the nearest one it has."""
        for name in names:
            if name not in self.columns:
                close = get_close_matches(name, self.columns, n=1)
                raise DataError(
                    f"has no column {name!r}",
                    where=self.source,
                    fix=f"is it {close[0]!r}?" if close else f"it has: {', '.join(self.columns)}",
                )

    def __iter__(self) -> Iterator[Row]:
        for cells in self._reader:
            if not cells:
                continue
            where = f"{self.source} line {self._reader.line_num}"
            if len(cells) != len(self.columns):
                raise DataError(
                    f"has {len(cells)} cells, the head names {len(self.columns)}", where=where
                )
            yield Row(dict(zip(self.columns, (c.strip() for c in cells), strict=True)), where)


class Row:
    """One row: cells by column name."""

    def __init__(self, cells: dict[str, str], where: str) -> None:
        self.cells = cells
        self.where = where

    def text(self, column: str) -> str:
        """A cell that must hold something."""
        value = self.cells[column]
        if not value:
            raise DataError(f"the cell {column!r} is empty", where=self.where)
        return value

    def optional(self, column: str) -> str | None:
        """A cell, None where it is empty or the file has no such column."""
        return self.cells.get(column) or None

    def number(self, column: str) -> float:
        """A number."""
        value = self.text(column)
        try:
            return float(value)
        except ValueError:
            raise DataError(f"{value!r} in {column!r} is no number", where=self.where) from None

    def optional_number(self, column: str) -> float | None:
        """A number, None where the cell is empty or the file has no such column."""
        return None if self.optional(column) is None else self.number(column)


class LegalIds:
    """Legal, unique ids for foreign ones, the same for the same foreign id."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._taken: set[str] = set()

    def __call__(self, source_id: str) -> str:
        """The legal id; two foreign ids never share one."""
        if source_id not in self._of:
            base = candidate = legal_id(source_id)
            count = 2
            while candidate in self._taken:
                tail = f"-{count}"
                candidate, count = base[: 64 - len(tail)] + tail, count + 1
            self._taken.add(candidate)
            self._of[source_id] = candidate
        return self._of[source_id]
