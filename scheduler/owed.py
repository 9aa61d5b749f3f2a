"""What sessions still need, and the fleet that a problem is asked to serve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.horizon import epoch_s
from models.session import GiveBack
from models.site import Site
from models.units import ENERGY_EPSILON_KWH, SECONDS_PER_HOUR
from scheduler.draft import Draft
from scheduler.learned import likely_energy
from scheduler.problem import Fleet
from scheduler.since_reading import since_reading_kwh, with_drawn
from scheduler.state import UNKNOWN_PILE, SessionRecord
from scheduler.taper import TAPER_SOC, stored_kwh
from scheduler.view import ordered

OVERSTAY = timedelta(minutes=30)
"""A vehicle still there after its stated departure is planned to leave in so long. It is planned
anew after half of it, so that power goes on where one plan ends and the next begins."""

PLAN_KEPT_S = 3600
"""A plan older than this is made anew at the next slot, so that its window moves on."""

BEYOND_SHARE = 0.5
BEYOND_LEAST_KWH = 2.0
"""A vehicle that may have more than it asked for is offered so much more at a time."""

BEYOND_TRIED_KWH = 0.5
"""And so much to one that stopped at what it asked for, until it has taken half of it: most have
stopped by themselves, and what is kept for them at cheap hours sends others to dear ones
(docs/decisions/0028)."""

DEVIATION_KWH = 0.1
DEVIATION_SHARE = 0.02
"""A session is off the plan when it needs this much more or less than the plan still gives."""


@dataclass(frozen=True)
class Owed:
    """What one session still needs, as the planner sees it.

    ``rated_kw`` is what pile and vehicle are rated for, ``max_kw`` what it was seen to take;
    ``beyond``: it has all that was asked for, and would likely take more.
    """

    session: str
    record: SessionRecord
    energy_kwh: float
    max_kw: float
    rated_kw: float
    start_s: int
    end_s: int
    beyond: bool = False


def owed_sessions(draft: Draft, site: Site, now: datetime, until_s: int) -> list[Owed]:
    """The sessions that want energy inside a window, in the order they came.

    A vehicle that overstays is served on: its departure is taken as half an hour away.
    A vehicle that was seen to take less than it was given counts with what it took.
    """
    now_s = epoch_s(now)
    likely = likely_energy(draft.get("history"))
    orders, piles, plates = draft.get("overrides"), draft.piles, site.pile_by_id
    out: list[Owed] = []
    records = list(draft.sessions.values())
    at = [piles.get(record.request.pile, UNKNOWN_PILE) for record in records]
    drawn = since_reading_kwh(at, records, site, draft.get("mono_s")).tolist()
    for session, known, pile, drawn_kwh in zip(draft.sessions, records, at, drawn, strict=True):
        record = with_drawn(known, drawn_kwh)
        request = record.request
        total = request.energy_kwh
        if not request.is_measured:
            total = likely.total_kwh(total, record.delivered_kwh)
        energy = total - record.delivered_kwh
        gives = may_give(site, record) is not None
        if record.state == "ended":
            continue
        beyond = energy <= ENERGY_EPSILON_KWH and site.beyond_request == "spare" and not gives
        if beyond and record.state != "announced":
            energy = _beyond_kwh(record)
        if not gives and (energy <= ENERGY_EPSILON_KWH or record.state == "full"):
            continue
        energy = max(energy, 0.0)
        if pile.fault is not None or (orders and not in_service(draft, request.pile, now)):
            continue
        announced = record.state == "announced"
        start = max(now_s, math.floor(request.arrival_s)) if announced else now_s
        end = math.floor(request.departure_s)
        if end <= now_s:
            if record.state == "announced":
                continue
            end = epoch_s(now + OVERSTAY)
        end = min(end, until_s)
        if start >= end:
            continue
        nameplate = plates[request.pile]
        most = nameplate.max_kw
        if request.max_kw is not None:
            most = min(most, request.max_kw)
        rated = most
        if pile.learned_kw is not None and not gives:
            most = min(most, pile.learned_kw)
        if most <= 0:
            continue
        out.append(Owed(session, record, energy, most, rated, start, end, beyond))
    return out


def _beyond_kwh(record: SessionRecord) -> float:
    """What a vehicle is offered that has all it asked for, kWh: a share of it at a time."""
    request = record.request
    share = max(BEYOND_SHARE * request.energy_kwh, BEYOND_LEAST_KWH)
    extra = max(record.delivered_kwh - request.energy_kwh, 0.0)
    if record.state != "charging" and extra < 0.5 * BEYOND_TRIED_KWH:
        return BEYOND_TRIED_KWH
    return share - extra % share


def may_give(site: Site, record: SessionRecord) -> GiveBack | None:
    """What a session's driver consents to give back, where rule, pile and battery allow it."""
    said = record.request.v2g
    if said is None or not said.consent or site.v2g is None or record.state == "announced":
        return None
    if site.pile_by_id[record.request.pile].discharge_kw <= 0 or stored_kwh(record) is None:
        return None
    return said


def off_plan(draft: Draft, site: Site) -> bool:
    """True when what sessions still need is no longer what the running plan gives them.

    A turn of the slot is no news by itself: the same plan goes on, and its window only moves.
    """
    now: datetime = draft.get("now")
    plan = draft.plan
    now_s = epoch_s(now)
    window_s = int(site.horizon.hours * SECONDS_PER_HOUR)
    if plan is None or now_s - plan.made_s >= PLAN_KEPT_S:
        return True
    for owed in owed_sessions(draft, site, now, now_s + window_s):
        part = plan.sessions.get(owed.session)
        if part is None:
            return True
        ahead = part.energy_between(now_s, plan.end_s) + owed.record.short_kwh
        if abs(ahead - owed.energy_kwh) > max(DEVIATION_KWH, DEVIATION_SHARE * owed.energy_kwh):
            return True
    return False


def in_service(draft: Draft, pile: str, now: datetime) -> bool:
    """False while an operator has taken the pile out of service."""
    override = draft.get("overrides").get(pile)
    return not (
        override is not None
        and override.kind == "out_of_service"
        and (override.until is None or now < override.until)
    )


@dataclass(frozen=True, eq=False)
class Plates:
    """Nameplates as columns of a fleet, and each pile's row."""

    index: dict[str, int]
    node: NDArray[np.int64]
    min_kw: NDArray[np.float64]
    step_kw: NDArray[np.float64]
    count_factor: NDArray[np.float64]
    phases: NDArray[np.int64]
    amps_per_kw: NDArray[np.float64]


@lru_cache(maxsize=16)
def plates_of(site: Site) -> Plates:
    piles, tolerance = site.piles, site.voltage_tolerance
    bits = [sum(1 << (p - 1) for p in pile.phases) if pile.current == "ac" else 7 for pile in piles]
    return Plates(
        index={pile.id: k for k, pile in enumerate(piles)},
        node=np.array([site.pile_node[pile.id] for pile in piles], dtype=np.int64),
        min_kw=np.array([pile.min_kw for pile in piles], dtype=np.float64),
        step_kw=np.array([pile.step_kw for pile in piles], dtype=np.float64),
        count_factor=np.array([p.count_factor(tolerance) for p in piles], dtype=np.float64),
        phases=np.array(bits, dtype=np.int64),
        amps_per_kw=np.array([pile.amps_per_kw for pile in piles], dtype=np.float64),
    )


def fleet_of(draft: Draft, site: Site, owed: list[Owed]) -> Fleet:
    """The columns of a problem's fleet."""
    plates = plates_of(site)
    at = np.array([plates.index[o.record.request.pile] for o in owed], dtype=np.int64)
    taper, room = np.full(len(owed), math.inf), np.full(len(owed), math.inf)
    for i, o in enumerate(owed):
        if o.record.request.battery_kwh is not None:
            taper[i], room[i] = taper_of(o.record, o.energy_kwh, o.rated_kw)
    asked = [o.record.request.energy_kwh for o in owed]
    promised = [
        min(max((o.record.promised_kwh or 0.0) - o.record.delivered_kwh, 0.0), o.energy_kwh)
        for o in owed
    ]
    most = np.array([o.max_kw for o in owed], dtype=np.float64)
    least = np.array([o.record.request.min_kw or 0.0 for o in owed], dtype=np.float64)
    at_once = ordered(draft, site, "charge_now")
    now_mode = [o.record.request.mode == "now" or o.record.request.pile in at_once for o in owed]
    return Fleet(
        ids=tuple(o.session for o in owed),
        node=plates.node[at],
        start_s=np.array([o.start_s for o in owed], dtype=np.int64),
        end_s=np.array([o.end_s for o in owed], dtype=np.int64),
        max_kw=most,
        min_kw=np.minimum(np.maximum(plates.min_kw[at], least), most),
        step_kw=plates.step_kw[at],
        energy_kwh=np.array([o.energy_kwh for o in owed], dtype=np.float64),
        asked_kwh=np.array(asked, dtype=np.float64),
        promised_kwh=np.array(promised, dtype=np.float64),
        priority=np.array(
            [0 if o.beyond else o.record.request.priority for o in owed], dtype=np.int64
        ),
        count_factor=plates.count_factor[at],
        taper_per_h=taper,
        taper_room_kwh=room,
        phases=plates.phases[at],
        amps_per_kw=plates.amps_per_kw[at],
        earliest=np.array(now_mode, dtype=bool),
    )


def taper_of(record: SessionRecord, energy_kwh: float, rated_kw: float) -> tuple[float, float]:
    """Taper constant (1/h) and room (kWh); inf where the battery is not known."""
    battery, stored = record.request.battery_kwh, stored_kwh(record)
    if battery is None or stored is None:
        return math.inf, math.inf
    return rated_kw / (battery * (1 - TAPER_SOC)), max(battery - stored, energy_kwh)
