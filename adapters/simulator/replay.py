"""Sessions as they happened, with the driver's own words where they are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from adapters.simulator.estimate import Estimate, Estimator
from adapters.simulator.vehicle import Vehicle, full_kwh
from models.battery import Battery
from models.errors import DataError, InvalidValueError
from models.session import Request
from models.site import Site

Words = Literal["truth", "stated", "stated_departure", "stated_energy"]
"""What a request says: all truth, all as the driver said, or one word of the driver's alone."""

TAPER_SOC = 0.8
"""Where a replayed battery begins to taper, when only its capacity is known."""


@dataclass(frozen=True)
class ReplaySession:
    """One recorded session.

    Parameters
    ----------
    id : str
        Unique, a legal id.
    pile : str
        Id of the pile it happened at.
    arrival, departure : datetime
        When the vehicle was plugged in and out; aware, departure after arrival.
    delivered_kwh : float
        What it took, kWh >= 0: in a replay it takes at most this.
    stated_departure : datetime or None
        When the driver said to leave; None: no word.
    stated_kwh : float or None
        What the driver asked for, kWh >= 0; None: no word.
    battery_kwh, soc : float or None
        Capacity, kWh > 0, and state of charge at plug-in, a fraction, where they are known: the
        replayed vehicle then tapers.
    source_id : str
        The id in the source, where it was not legal here.
    announced_h : float
        How long before its arrival its request is said, h >= 0: a timetable knows ahead.
    """

    id: str
    pile: str
    arrival: datetime
    departure: datetime
    delivered_kwh: float
    stated_departure: datetime | None = None
    stated_kwh: float | None = None
    battery_kwh: float | None = None
    soc: float | None = None
    source_id: str = ""
    announced_h: float = 0.0

    def __post_init__(self) -> None:
        where = f"session {self.id}"
        for name in ("arrival", "departure", "stated_departure"):
            instant = getattr(self, name)
            if instant is not None and instant.tzinfo is None:
                raise DataError("the instant has no offset", where=f"{where}.{name}")
        if self.departure <= self.arrival:
            raise DataError(
                f"leaves {self.departure.isoformat()}, not after its arrival "
                f"{self.arrival.isoformat()}",
                where=where,
            )
        if not self.announced_h >= 0:
            raise DataError("is announced after it came", where=f"{where}.announced_h")
        for name in ("delivered_kwh", "stated_kwh"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise DataError(f"{value} kWh is no energy", where=f"{where}.{name}")


@dataclass(frozen=True)
class Replay:
    """A stretch of recorded sessions, made ready for the virtual depot.

    Parameters
    ----------
    vehicles : tuple of Vehicle
        Every session that arrives in the stretch, with its truth and its words.
    capped : int
        Sessions whose recorded energy is beyond pile power x stay; the truth is cut to that.
    capped_kwh : float
        Energy cut off.
    waited, left_out : int
        Rule for a car that comes while another still stands at its pile: it waits until the
        other has left, and where it would itself have left by then, it is left out.
    estimated : int
        Sessions of which a word is missing that the request needs, so an estimate stands for it.
    """

    vehicles: tuple[Vehicle, ...]
    capped: int
    capped_kwh: float
    waited: int
    left_out: int
    estimated: int


def prepare(
    site: Site,
    sessions: Sequence[ReplaySession],
    start: datetime,
    end: datetime,
    *,
    words: Words,
    estimator: Estimator | None = None,
) -> Replay:
    """Vehicles and requests of the sessions that arrive in [start, end).

    Parameters
    ----------
    site : Site
        Its piles must have the sessions' ids.
    sessions : sequence of ReplaySession
        Earlier ones than ``start`` teach the estimator, and are not replayed.
    start, end : datetime
        Aware.
    words : Words
        What requests say.
    estimator : Estimator, optional
        Stands in for missing words; a fresh one unless given.
    """
    estimator = Estimator() if estimator is None else estimator
    vehicles: list[Vehicle] = []
    capped = waited = left_out = estimated = 0
    capped_kwh = 0.0
    free_at: dict[str, datetime] = {}
    for session in sorted(sessions, key=lambda s: (s.arrival, s.id)):
        if session.arrival >= end:
            break
        pile = site.pile_by_id.get(session.pile)
        if pile is None:
            raise InvalidValueError(
                f"{session.pile!r} is no pile of site {site.name}",
                where=f"session {session.id}",
                fix="write the site from the same file: valleyfill site from-sessions",
            )
        estimator.pass_to(session.arrival)
        guess = estimator.estimate(session.arrival)
        estimator.learn_later(session.arrival, session.departure, session.delivered_kwh)
        if session.arrival < start:
            continue
        until = free_at.get(session.pile)
        if until is not None and until > session.arrival:
            if session.departure <= until:
                left_out += 1
                continue
            waited += 1
            session = replace(session, arrival=until)
        free_at[session.pile] = session.departure
        stay_h = (session.departure - session.arrival).total_seconds() / 3600.0
        truth = min(session.delivered_kwh, pile.max_kw * stay_h)
        if truth < session.delivered_kwh - 1e-9:
            capped += 1
            capped_kwh += session.delivered_kwh - truth
        if truth <= 0:
            left_out += 1
            continue
        battery, stored = _battery(session, truth, pile.max_kw)
        request, missing = _request(session, truth, words, guess, stored)
        estimated += missing
        vehicles.append(
            Vehicle(
                takes_kwh=truth,
                session=session.id,
                pile=session.pile,
                arrival_s=session.arrival.timestamp(),
                departure_s=session.departure.timestamp(),
                battery=battery,
                stored_kwh=stored,
                words=((session.arrival.timestamp() - 3600.0 * session.announced_h, request),),
                says_soc=session.battery_kwh is not None,
            )
        )
    return Replay(tuple(vehicles), capped, capped_kwh, waited, left_out, estimated)


def _battery(session: ReplaySession, truth_kwh: float, pile_kw: float) -> tuple[Battery, float]:
    """A battery, and what it stores at plug-in; one of which nothing is known has no taper."""
    if session.battery_kwh is None:
        return Battery(truth_kwh, pile_kw, taper_soc=1.0), 0.0
    battery = Battery(session.battery_kwh, pile_kw, taper_soc=TAPER_SOC)
    if session.soc is not None:
        return battery, min(session.soc * session.battery_kwh, full_kwh(battery))
    return battery, max(full_kwh(battery) - truth_kwh, 0.0)


def _request(
    session: ReplaySession, truth_kwh: float, words: Words, guess: Estimate, stored_kwh: float
) -> tuple[Request, bool]:
    """What is said at plug-in, and whether an estimate had to stand in for a word."""
    departure, energy = session.departure, truth_kwh
    missing = False
    if words in ("stated", "stated_departure"):
        said = session.stated_departure
        if said is None or said <= session.arrival:
            missing, said = True, session.arrival + guess.stay
        departure = said
    if words in ("stated", "stated_energy"):
        asked = session.stated_kwh
        if not asked:
            missing, asked = True, guess.energy_kwh
        energy = asked
    soc = None
    if session.battery_kwh is not None:
        soc = stored_kwh / session.battery_kwh
        energy = min(energy, session.battery_kwh - stored_kwh)
    return Request(
        session=session.id,
        pile=session.pile,
        arrival=session.arrival,
        departure=departure,
        energy_kwh=energy,
        battery_kwh=session.battery_kwh,
        soc=soc,
    ), missing
