"""Register readings in the store: sampled each quarter hour, kept for so long, read for bills."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from adapters.store.schema import refuse_newer
from models.errors import StoreError
from models.events import Event, NodeMeasured, PileMeasured, Received, Stamp
from models.horizon import epoch_s
from models.site import Site
from models.units import SECONDS_PER_HOUR
from scheduler.state import SiteState
from tariffs.metered import Metered

EVERY_S = 900
"""Between readings: every demand interval in use is a whole number of these, or slides in one."""

NEAR_S = 120.0
"""Two readings no further apart than this tell the register on the edge between them."""

WITH_KVARH = 4
"""The version of a store from which on it keeps all that a bill reads."""

NODES_KEPT = timedelta(days=800)
PILES_KEPT = timedelta(days=100)
"""Retention: two years of the site's meters, a quarter of the piles' sessions."""


_Row = tuple[int, float, float | None, float | None]


@dataclass(frozen=True)
class Reading:
    """Lifetime registers of one meter at one instant.

    Parameters
    ----------
    meter : str
        Id of a node or a pile.
    session : str
        Whose energy the pile's register counts; empty for a node.
    at_s : int
        Epoch seconds.
    import_kwh, export_kwh : float
        Registers; ``export_kwh`` is nan where the meter has none.
    reactive_kvarh : float
        Reactive energy since the reading before, both directions added up (力调电费 counts
        either), kvarh >= 0; nan where it is not known for all of that time.
    """

    meter: str
    session: str
    at_s: int
    import_kwh: float
    export_kwh: float
    reactive_kvarh: float = math.nan


@dataclass(frozen=True)
class _Heard:
    """The last word of a meter; ``kvarh`` is what came since the reading that was kept last."""

    at: float
    stamp: Stamp
    reading: Reading
    kvar: float
    kvarh: float
    kept: bool


class Sampler:
    """Picks, from all telemetry, the readings that a bill needs: edges, and a session's ends."""

    def __init__(self) -> None:
        self._last: dict[str, _Heard] = {}

    def take(self, events: Iterable[Event], state: SiteState) -> list[Reading]:
        """The readings to be kept of what was just heard.

        Parameters
        ----------
        events : iterable of Event
            Telemetry among them; what is older than what was heard, or of no meter of the site,
            is passed over.
        state : SiteState
            After the events: whose vehicle stands at each pile.
        """
        found: list[Reading] = []
        for event in events:
            if isinstance(event, PileMeasured) and event.pile in state.piles:
                session = state.pile_session.get(event.pile, "")
                reading = Reading(event.pile, session, 0, event.energy_kwh, math.nan)
                kept = self._hear(event, reading)
                found += [r for r in kept if r.session]
            elif isinstance(event, NodeMeasured) and event.node in state.nodes:
                if event.import_kwh is None:
                    continue
                exported = math.nan if event.export_kwh is None else event.export_kwh
                reading = Reading(event.node, "", 0, event.import_kwh, exported)
                kvar = math.nan if event.reactive_kvar is None else abs(event.reactive_kvar)
                found += self._hear(event, reading, kvar)
        return found

    def _hear(self, event: Received, reading: Reading, kvar: float = math.nan) -> list[Reading]:
        at, meter, session = event.now.timestamp(), reading.meter, reading.session
        registers = (reading.import_kwh, reading.export_kwh)
        here = replace(reading, at_s=int(at))
        before = self._last.get(meter)
        if before is not None and event.stamp <= before.stamp:
            return []
        if before is None:
            self._last[meter] = _Heard(at, event.stamp, here, kvar, 0.0, kept=True)
            return [here]
        lasted = at - before.at
        near = lasted <= NEAR_S
        grown = (before.kvar + kvar) / 2.0 * lasted / SECONDS_PER_HOUR if near else math.nan
        edge = int(at) // EVERY_S * EVERY_S
        found: list[Reading] = []
        if before.reading.session != session:
            # The register at the change is the last of the one and the first of the other.
            if before.reading.session:
                found.append(replace(here, session=before.reading.session))
            found.append(here)
        elif before.at < edge and near:
            share = (edge - before.at) / lasted
            old = (before.reading.import_kwh, before.reading.export_kwh)
            drawn, fed = (a + (b - a) * share for a, b in zip(old, registers, strict=True))
            kvarh = before.kvarh + grown * share
            found.append(Reading(meter, session, edge, drawn, fed, kvarh))
            self._last[meter] = _Heard(
                at, event.stamp, here, kvar, grown * (1.0 - share), kept=False
            )
            return found
        elif before.at < edge:
            if not before.kept:
                found.append(replace(before.reading, reactive_kvarh=before.kvarh))
            found.append(here)
        kept = bool(found)
        kvarh = 0.0 if kept else before.kvarh + grown
        self._last[meter] = _Heard(at, event.stamp, here, kvar, kvarh, kept)
        return found


def write_readings(base: sqlite3.Connection, readings: Iterable[Reading]) -> None:
    """Keep readings; one of the same instant is written anew."""
    base.executemany(
        "INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                r.meter,
                r.session,
                r.at_s,
                r.import_kwh,
                _told(r.export_kwh),
                _told(r.reactive_kvarh),
            )
            for r in readings
        ],
    )


def _told(value: float) -> float | None:
    return None if math.isnan(value) else value


def forget_readings(base: sqlite3.Connection, now: datetime) -> None:
    """Let go of what is older than its retention."""
    for condition, kept in (("session = ''", NODES_KEPT), ("session != ''", PILES_KEPT)):
        base.execute(f"DELETE FROM readings WHERE {condition} AND at_s < ?", (epoch_s(now - kept),))


def open_to_read(path: Path) -> sqlite3.Connection:
    """A store to read from, also while its daemon writes.

    Raises
    ------
    StoreError
        If there is none, or it keeps no readings yet.
    """
    if not path.is_file():
        raise StoreError("is not there", where=str(path), fix="name the meter with --registers")
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (version,) = base.execute("PRAGMA user_version").fetchone()
    refuse_newer(version, path)
    if version < WITH_KVARH:
        base.close()
        raise StoreError(
            "was written by an older daemon",
            where=str(path),
            fix="start this one's daemon once, or --registers",
        )
    return base


def site_metered(path: Path, site: Site, start_s: int, end_s: int) -> Metered:
    """The meter at the root, from the readings around [start_s, end_s).

    Where it told no registers and the site has no base load, the piles together are the meter.

    Raises
    ------
    StoreError
        If there are no two readings.
    """
    with closing(open_to_read(path)) as base:
        rows = _rows(base, site.network.ids[0], start_s, end_s)
        if len(rows) >= 2:
            return _metered(rows)
        if site.base_load == "none":
            found = sessions_metered(path, start_s, end_s)
            if found:
                return together([m for _, _, m in found])
    raise StoreError(
        f"has no readings of {site.network.ids[0]!r} in the month",
        where=str(path),
        fix="let the meter tell import_kwh, or name a file with --registers",
    )


def sessions_metered(path: Path, start_s: int, end_s: int) -> list[tuple[str, str, Metered]]:
    """Session, pile and readings of every session that a reading in [start_s, end_s) names."""
    with closing(open_to_read(path)) as base:
        names = base.execute(
            "SELECT DISTINCT meter, session FROM readings "
            "WHERE session != '' AND at_s >= ? AND at_s < ? ORDER BY session",
            (start_s, end_s + EVERY_S),
        ).fetchall()
        found = []
        for meter, session in names:
            rows = base.execute(
                "SELECT at_s, import_kwh, export_kwh, reactive_kvarh FROM readings "
                "WHERE meter = ? AND session = ? ORDER BY at_s",
                (meter, session),
            ).fetchall()
            if len(rows) >= 2:
                found.append((str(session), str(meter), _metered(rows)))
    return found


def together(meters: Sequence[Metered]) -> Metered:
    """Several meters as one, cut at every instant that one of them was read."""
    knots = np.unique(np.concatenate([c for m in meters for c in (m.starts_s, m.ends_s)]))
    sums = []
    for name in ("import_kwh", "export_kwh"):
        total = np.zeros(knots.size)
        for m in meters:
            at = np.append(m.starts_s, m.ends_s[-1])
            total += np.interp(knots, at, np.append(0.0, np.cumsum(getattr(m, name))))
        sums.append(np.maximum(np.diff(total), 0.0))
    return Metered(knots[:-1], knots[1:], sums[0], sums[1])


def _rows(base: sqlite3.Connection, meter: str, start_s: int, end_s: int) -> list[_Row]:
    """The readings inside, and the nearest before and after."""
    return base.execute(
        "SELECT at_s, import_kwh, export_kwh, reactive_kvarh FROM readings "
        "WHERE meter = :m AND session = '' "
        "AND at_s >= coalesce((SELECT max(at_s) FROM readings WHERE meter = :m AND session = '' "
        "AND at_s <= :lo), :lo) "
        "AND at_s <= coalesce((SELECT min(at_s) FROM readings WHERE meter = :m AND session = '' "
        "AND at_s >= :hi), :hi) ORDER BY at_s",
        {"m": meter, "lo": start_s, "hi": end_s},
    ).fetchall()


def _metered(rows: Sequence[_Row]) -> Metered:
    at, imported, exported, reactive = (
        np.array([math.nan if v is None else v for v in column], dtype=np.float64)
        for column in zip(*rows, strict=True)
    )
    fed = None if bool(np.any(np.isnan(exported))) else exported
    found = Metered.from_registers(at.astype(np.int64), imported, fed)
    if bool(np.all(np.isnan(reactive[1:]))):
        return found
    return replace(found, reactive_kvarh=reactive[1:])
