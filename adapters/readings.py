"""Readings of lifetime registers from CSV files: the site's meter, and the piles by session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from adapters.data.files import Row, Rows, read_text
from models.errors import DataError, ValleyfillError
from models.horizon import epoch_s
from tariffs.metered import Metered


@dataclass(frozen=True, eq=False)
class SessionReadings:
    """One session's meter: its id, pile and fleet (or none), and the energy between readings."""

    session: str
    pile: str
    fleet: str
    metered: Metered


def read_meter(path: Path) -> Metered:
    """The site's meter: columns ``at``, ``import_kwh``, optional ``export_kwh`` and
    ``reactive_kvarh``, lifetime registers, instants with offset.

    Raises
    ------
    DataError
        With the line.
    """
    rows = Rows(read_text(path), path.name)
    rows.need("at", "import_kwh")
    return _metered(list(rows), path.name)


def read_session_meters(path: Path) -> list[SessionReadings]:
    """The piles' meters: as :func:`read_meter`, with ``session``, ``pile``, perhaps ``fleet``.

    Raises
    ------
    DataError
        With the line; a session with a single reading is one.
    """
    rows = Rows(read_text(path), path.name)
    rows.need("session", "pile", "at", "import_kwh")
    by_session: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        key = (row.text("session"), row.text("pile"), row.optional("fleet") or "")
        by_session.setdefault(key, []).append(row)
    return [
        SessionReadings(*key, _metered(own, f"{path.name}, session {key[0]}"))
        for key, own in by_session.items()
    ]


def _metered(rows: list[Row], where: str) -> Metered:
    readings = sorted(
        (
            _instant(row),
            row.number("import_kwh"),
            row.optional_number("export_kwh"),
            row.optional_number("reactive_kvarh"),
        )
        for row in rows
    )
    at = np.array([r[0] for r in readings], dtype=np.int64)
    columns = [
        np.array([np.nan if r[k] is None else r[k] for r in readings], dtype=np.float64)
        for k in (1, 2, 3)
    ]
    told = [column if bool(np.any(np.isfinite(column))) else None for column in columns]
    if told[0] is None or bool(np.any(np.diff(at) <= 0)):
        raise DataError("two readings carry one instant, or there is none", where=where)
    try:
        return Metered.from_registers(at, told[0], told[1], told[2])
    except ValleyfillError as error:
        raise DataError(error.what, where=where, fix=error.fix) from error


def _instant(row: Row) -> int:
    try:
        return epoch_s(datetime.fromisoformat(row.text("at")))
    except (ValueError, ValleyfillError) as error:
        raise DataError(f"no instant with offset: {error}", where=row.where) from error
