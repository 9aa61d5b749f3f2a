"""Recorded sessions: ACN CSV, ACN JSON, and a plain CSV with named columns.

ACN-Data: Lee, Li and Low, "ACN-Data: Analysis and Applications of an Open EV Charging Dataset",
e-Energy 2019. Its CSV export fills in what drivers did not say (``claimed`` false): such numbers
are no words of a driver and are left out. Its JSON keeps every edit of a request; the first one
is taken, since later ones were not known at plug-in.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from adapters.data.files import LegalIds, Rows, read_text
from adapters.data.recorded import ReplaySession
from models.errors import DataError

Format = Literal["auto", "acn-csv", "acn-json", "csv"]
FORMATS: tuple[Format, ...] = ("auto", "acn-csv", "acn-json", "csv")

_ACN_REQUESTED, _ACN_DELIVERED = "requested_energy (kWh)", "delivered_energy (kWh)"
_ACN_TIME = "%a, %d %b %Y %H:%M:%S GMT"
COLUMNS = (
    "session",
    "pile",
    "arrival",
    "departure",
    "delivered_kwh",
    "stated_departure",
    "stated_kwh",
    "battery_kwh",
    "soc",
    "source_id",
    "announced_h",
)
"""Columns of the plain CSV; the first five are needed."""


def read_sessions(
    path: str | Path, fmt: Format = "auto", *, zone: ZoneInfo | None = None
) -> list[ReplaySession]:
    """The sessions of a file, by arrival, then id.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.json``, each also gzipped (``.gz``).
    fmt : {"auto", "acn-csv", "acn-json", "csv"}
        ``auto`` looks at the name and the columns.
    zone : ZoneInfo, optional
        Zone of instants without offset in a plain CSV; without it they are refused.

    Raises
    ------
    DataError
        If the file cannot be read, or a row is no session; the message names the line.
    """
    file = Path(path)
    text = read_text(file)
    kind = _guess(file, text) if fmt == "auto" else fmt
    if kind == "acn-json":
        sessions = _acn_json(text, file.name)
    elif kind == "acn-csv":
        sessions = _acn_csv(Rows(text, file.name))
    elif kind == "csv":
        sessions = _plain_csv(Rows(text, file.name), zone)
    else:
        raise DataError(f"{fmt!r} is no format", fix=f"one of {', '.join(FORMATS)}")
    if not sessions:
        raise DataError("holds no session", where=file.name)
    return sorted(sessions, key=lambda s: (s.arrival, s.id))


def write_sessions(sessions: Iterable[ReplaySession]) -> str:
    """Sessions as the plain CSV that :func:`read_sessions` reads back unchanged."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for s in sessions:
        writer.writerow(
            [
                s.id,
                s.pile,
                s.arrival.isoformat(),
                s.departure.isoformat(),
                repr(s.delivered_kwh),
                "" if s.stated_departure is None else s.stated_departure.isoformat(),
                "" if s.stated_kwh is None else repr(s.stated_kwh),
                "" if s.battery_kwh is None else repr(s.battery_kwh),
                "" if s.soc is None else repr(s.soc),
                s.source_id,
                repr(s.announced_h),
            ]
        )
    return out.getvalue()


def _guess(file: Path, text: str) -> Format:
    name = file.name.removesuffix(".gz")
    if name.endswith(".json") or text.lstrip()[:1] in ("[", "{"):
        return "acn-json"
    head = text.split("\n", 1)[0]
    return "acn-csv" if _ACN_DELIVERED in head else "csv"


def _foreign(source: str, legal: str) -> str:
    return "" if source == legal else source


def _instant(value: str, where: str, zone: ZoneInfo | None = None) -> datetime:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise DataError(
            f"{value!r} is no instant", where=where, fix="as in 2026-07-01T08:00:00+08:00"
        ) from None
    if instant.tzinfo is None:
        if zone is None:
            raise DataError(
                f"{value!r} has no offset", where=where, fix="name the file's time zone"
            )
        instant = instant.replace(tzinfo=zone)
    return instant.astimezone(UTC)


def _later(stated: datetime | None, arrival: datetime) -> datetime | None:
    """A stated departure, None where it lies before the arrival: such a word says nothing."""
    return stated if stated is not None and stated > arrival else None


def _acn_csv(rows: Rows) -> list[ReplaySession]:
    rows.need("arrival", "departure", _ACN_DELIVERED, "station_id", "session_id")
    ids, piles = _Once(), LegalIds()
    out = []
    for row in rows:
        source = row.text("session_id")
        arrival = _instant(row.text("arrival"), row.where)
        claimed = row.optional("claimed") == "True"
        asked = row.optional_number(_ACN_REQUESTED) if claimed else None
        leaves = row.optional("estimated_departure") if claimed else None
        legal = ids(source, row.where)
        out.append(
            _session(
                row.where,
                id=legal,
                pile=piles(row.text("station_id")),
                arrival=arrival,
                departure=_instant(row.text("departure"), row.where),
                delivered_kwh=row.number(_ACN_DELIVERED),
                stated_departure=_later(_instant(leaves, row.where) if leaves else None, arrival),
                # A request of 0 kWh is a form left empty, not a driver who wants nothing.
                stated_kwh=asked or None,
                source_id=_foreign(source, legal),
            )
        )
    return out


def _acn_json(text: str, source_name: str) -> list[ReplaySession]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"is no JSON: {error}", where=source_name) from error
    items = data.get("_items") if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise DataError("is no list of sessions", where=source_name)
    ids, piles = _Once(), LegalIds()
    out = []
    for i, item in enumerate(items):
        where = f"{source_name} session {i}"
        try:
            source = str(item["sessionID"])
            arrival = _acn_instant(item["connectionTime"], where)
            words = (item.get("userInputs") or [None])[0]
            asked = None if words is None else float(words["kWhRequested"])
            leaves = None if words is None else _acn_instant(words["requestedDeparture"], where)
            legal = ids(source, where)
            out.append(
                _session(
                    where,
                    id=legal,
                    pile=piles(str(item["stationID"])),
                    arrival=arrival,
                    departure=_acn_instant(item["disconnectTime"], where),
                    delivered_kwh=float(item["kWhDelivered"]),
                    stated_departure=_later(leaves, arrival),
                    stated_kwh=asked or None,
                    source_id=_foreign(source, legal),
                )
            )
        except KeyError as error:
            raise DataError(f"lacks {error.args[0]!r}", where=where) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(f"is no session: {error}", where=where) from error
    return out


def _acn_instant(value: Any, where: str) -> datetime:
    try:
        # The portal writes RFC 1123 in GMT; the format is fixed, since guesses read months wrong.
        return datetime.strptime(value, _ACN_TIME).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        raise DataError(f"{value!r} is no instant of the portal", where=where) from None


def _plain_csv(rows: Rows, zone: ZoneInfo | None) -> list[ReplaySession]:
    rows.need(*COLUMNS[:5])
    ids, piles = _Once(), LegalIds()
    out = []
    for row in rows:
        source = row.text("session")
        legal = ids(source, row.where)
        arrival = _instant(row.text("arrival"), row.where, zone)
        leaves = row.optional("stated_departure")
        stated = None if leaves is None else _instant(leaves, row.where, zone)
        out.append(
            _session(
                row.where,
                id=legal,
                pile=piles(row.text("pile")),
                arrival=arrival,
                departure=_instant(row.text("departure"), row.where, zone),
                delivered_kwh=row.number("delivered_kwh"),
                stated_departure=_later(stated, arrival),
                stated_kwh=row.optional_number("stated_kwh"),
                battery_kwh=row.optional_number("battery_kwh"),
                soc=row.optional_number("soc"),
                source_id=row.optional("source_id") or _foreign(source, legal),
                announced_h=row.optional_number("announced_h") or 0.0,
            )
        )
    return out


class _Once:
    """Legal ids of sessions; a foreign id that comes twice is refused."""

    def __init__(self) -> None:
        self._legal = LegalIds()
        self._seen: set[str] = set()

    def __call__(self, source: str, where: str) -> str:
        if source in self._seen:
            raise DataError(f"the session {source!r} comes twice", where=where)
        self._seen.add(source)
        return self._legal(source)


def _session(where: str, **fields: Any) -> ReplaySession:
    build: Callable[..., ReplaySession] = ReplaySession
    try:
        return build(**fields)
    except DataError as error:
        raise DataError(error.what, where=f"{where}, {error.where}", fix=error.fix) from error
