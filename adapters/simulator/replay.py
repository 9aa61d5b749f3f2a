"""Sessions as they happened, with the driver's own words where they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from adapters.data.recorded import ReplaySession
from adapters.simulator.estimate import Estimate, Estimator
from adapters.simulator.vehicle import Vehicle, full_kwh
from models.battery import Battery
from models.errors import InvalidValueError
from models.session import Request
from models.site import Site

Words = Literal["truth", "stated", "stated_departure", "stated_energy"]
"""What a request says: all truth, all as the driver said, or one word of the driver's alone."""

TAPER_SOC = 0.8
"""Where a replayed battery begins to taper, when only its capacity is known."""


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
