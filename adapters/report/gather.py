"""What the store knows of a stretch of time: sessions, energy, alerts, answers to limits."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import numpy as np

from adapters.config import SiteFile
from adapters.exceeding import KIND, exceeded_s
from adapters.journal import SESSION_FULL
from adapters.readings import SessionReadings
from adapters.store.codec import unpack_event
from adapters.store.flows import Flowed, Key, read_flows
from adapters.store.readings import sessions_metered
from adapters.store.steps import reading_store
from models.errors import DataError
from models.events import DemandCalled, Event, LimitPushed, SessionRequested
from models.horizon import epoch_s, instant_of
from models.session import Request
from tariffs.metered import Metered


@dataclass(frozen=True)
class SessionLine:
    """One session as the meter saw it, beside what was asked.

    Parameters
    ----------
    session, pile, node : str
    arrival, departure : datetime or None
        As asked; None where the journal no longer holds the request.
    asked_kwh : float or None
    delivered_kwh : float
        Up to the departure, kWh.
    waited_h : float
        From the first reading to the first kWh, h.
    charging_h, there_h : float
        With power, and metered at all, h.
    metered : Metered
    took_all : bool
        The vehicle was found full by its departure and has drawn nothing since.
    may_give : bool
        Its driver consents that it gives back.
    """

    session: str
    pile: str
    node: str
    arrival: datetime | None
    departure: datetime | None
    asked_kwh: float | None
    delivered_kwh: float
    waited_h: float
    charging_h: float
    there_h: float
    metered: Metered
    took_all: bool
    may_give: bool

    @property
    def served(self) -> float | None:
        """Delivered over asked, at most 1; None where it is not known what was asked."""
        if not self.asked_kwh:
            return None
        return min(self.delivered_kwh / self.asked_kwh, 1.0)


@dataclass(frozen=True)
class Stretch:
    """Everything a report is made of.

    ``exceeded_s``: seconds that meters stood above a limit, each node for itself. ``known_until``:
    the end, or the last that the store tells of where that was before.
    """

    file: SiteFile
    start: datetime
    end: datetime
    sessions: tuple[SessionLine, ...]
    readings: tuple[SessionReadings, ...]
    told: tuple[dict[str, Any], ...]
    rungs: dict[str, int]
    pushed: tuple[LimitPushed, ...]
    calls: tuple[DemandCalled, ...]
    flows: dict[Key, Flowed]
    exceeded_s: float
    known_until: datetime


E = TypeVar("E", bound=Event)

TOPS_UP_KWH = 0.1
"""Up to this a vehicle that was found full still counts as having drawn nothing since."""

DRAWS_KW = 0.1
"""Mean power from which a stretch between two readings counts as charging."""


def gather(file: SiteFile, start: datetime, end: datetime) -> Stretch:
    """Read a stretch of time from the store.

    Raises
    ------
    StoreError
        If there is no store, or another version wrote it.
    DataError
        If no session was metered in the stretch.
    """
    reading_store(file.store_path).close()
    found = [
        (s, p, m)
        for s, p, m in sessions_metered(file.store_path, epoch_s(start), epoch_s(end))
        if p in file.site.pile_by_id
    ]
    if not found:
        raise DataError(
            f"no session was metered from {start:%Y-%m-%d} to {end:%Y-%m-%d}",
            where=str(file.store_path),
            fix=_kept(file),
        )
    asked = {e.request.session: e.request for e in _journalled(file, SessionRequested)}
    told, rungs = _told(file, start, end)
    known_until = min(_newest(file) or end, end)
    full = {t["about"]: t["at"] for t in told if t["kind"] == SESSION_FULL}
    return Stretch(
        file=file,
        start=start,
        end=end,
        sessions=tuple(_line(file, s, p, m, asked.get(s), full.get(s)) for s, p, m in found),
        readings=tuple(SessionReadings(s, p, "", m) for s, p, m in found),
        told=told,
        rungs=rungs,
        pushed=tuple(e for e in _journalled(file, LimitPushed) if e.now < end),
        calls=tuple(e for e in _journalled(file, DemandCalled) if e.now < end),
        flows=_flows(file, start, end),
        exceeded_s=_exceeded_s(file, start, known_until),
        known_until=known_until,
    )


def _kept(file: SiteFile) -> str:
    """What stretch could be reported, for one that cannot."""
    with closing(reading_store(file.store_path)) as base:
        first, last = base.execute(
            "SELECT min(at_s), max(at_s) FROM readings WHERE session != ''"
        ).fetchone()
    if first is None:
        return "none is kept yet: each is read every quarter hour"
    days = [f"{instant_of(s).astimezone(file.site.zone):%Y-%m-%d %H:%M}" for s in (first, last)]
    return f"readings are kept from {days[0]} to {days[1]}"


def _line(
    file: SiteFile,
    session: str,
    pile: str,
    metered: Metered,
    request: Request | None,
    full_at: datetime | None,
) -> SessionLine:
    hours = (metered.ends_s - metered.starts_s) / 3600.0
    draws = metered.import_kw > DRAWS_KW
    first = int(np.argmax(draws)) if bool(draws.any()) else metered.starts_s.size
    before = metered
    if request is not None and epoch_s(request.departure) < int(metered.ends_s[-1]):
        before = metered.between(int(metered.starts_s[0]), epoch_s(request.departure))
    return SessionLine(
        session=session,
        pile=pile,
        node=file.site.pile_by_id[pile].node,
        arrival=None if request is None else request.arrival,
        departure=None if request is None else request.departure,
        asked_kwh=None if request is None else request.energy_kwh,
        delivered_kwh=float(before.import_kwh.sum()),
        waited_h=float(hours[:first].sum()),
        charging_h=float(hours[draws].sum()),
        there_h=float(hours.sum()),
        metered=metered,
        took_all=full_at is not None
        and (request is None or full_at <= request.departure)
        and float(metered.import_kwh[metered.starts_s >= epoch_s(full_at)].sum()) < TOPS_UP_KWH,
        may_give=request is not None and request.v2g is not None and request.v2g.consent,
    )


def _journalled(file: SiteFile, kind: type[E]) -> list[E]:
    """The events of one kind that the journal still holds, oldest first."""
    out = []
    with closing(reading_store(file.store_path)) as base:
        rows = base.execute(
            "SELECT kind, body FROM journal WHERE kind = ? ORDER BY id", (kind.__name__,)
        )
        for name, body in rows:
            event = unpack_event(name, body)
            assert isinstance(event, kind)
            out.append(event)
    return out


def _flows(file: SiteFile, start: datetime, end: datetime) -> dict[Key, Flowed]:
    with closing(reading_store(file.store_path)) as base:
        return read_flows(base, epoch_s(start), epoch_s(end))


def _newest(file: SiteFile) -> datetime | None:
    """When the daemon last wrote its state."""
    with closing(reading_store(file.store_path)) as base:
        row = base.execute("SELECT at FROM snapshots ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else datetime.fromisoformat(row[0])


def _exceeded_s(file: SiteFile, start: datetime, end: datetime) -> float:
    with closing(reading_store(file.store_path)) as base:
        # An excess may have begun before, or be over only later.
        rows = base.execute("SELECT at, about, body FROM told WHERE kind = ?", (KIND,))
        found = [(datetime.fromisoformat(at), about, _body(body)) for at, about, body in rows]
    return exceeded_s(found, end, start)


def _told(
    file: SiteFile, start: datetime, end: datetime
) -> tuple[tuple[dict[str, Any], ...], dict[str, int]]:
    with closing(reading_store(file.store_path)) as base:
        told = tuple(
            {"at": datetime.fromisoformat(at), "kind": kind, "about": about, **_body(body)}
            for at, kind, about, body in base.execute(
                "SELECT at, kind, about, body FROM told ORDER BY id"
            )
            if start <= datetime.fromisoformat(at) < end
        )
        rungs = {
            str(rung): int(n)
            for rung, n in base.execute("SELECT rung, count(*) FROM steps GROUP BY rung")
        }
    return told, rungs


def _body(body: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(body)
    return {k: v for k, v in found.items() if k != "kind"}
