"""Demand charges in the plan: the month's peak so far, the interval that runs, what must come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from models.horizon import FloatArray, epoch_s
from models.site import Site
from scheduler.draft import Draft
from scheduler.drawn import Drawn, counted, key_of, month_key
from scheduler.peak import PeakPrice
from scheduler.problem import Problem
from scheduler.state import NodeState
from scheduler.view import Picture, base_now_kw, meter_talks
from tariffs.demand import DemandTerm
from tariffs.demand_room import unavoidable_peak_kw
from tariffs.demand_rows import demand_rows

FORECAST_SHARE = 0.8
"""The forecast of a month's unavoidable peak, as a share of the peak of the month before, which
was steered too: see docs/decisions/0007-forecast-of-the-peak.md. A share below 1 forgets a peak
that will not come again; one that must come again is reached anyway."""


def site_kw(draft: Draft, site: Site, picture: Picture) -> float:
    """Power at the root now, kW: by its meter, else base load and piles together."""
    mono_s: float = draft.get("mono_s")
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    if node is not None and meter_talks(node, site, mono_s):
        return node.power_kw
    base = base_now_kw(draft, site, 0, draft.get("now"), mono_s)
    return picture.talking_kw[0] + (base if math.isfinite(base) else 0.0)


def steady_kw(draft: Draft, site: Site, picture: Picture) -> float:
    """Power at the root that no talking pile draws, kW; negative while the sun gives more, 0 where
    it is not known.
    """
    base = base_now_kw(draft, site, 0, draft.get("now"), draft.get("mono_s"))
    return (base if math.isfinite(base) else 0.0) + picture.silent_kw[0]


def record(draft: Draft, site: Site, picture: Picture, terms: Sequence[DemandTerm]) -> None:
    """Count what is drawn, as long as the tariff has a price on its peak."""
    before: Drawn | None = draft.get("drawn")
    if not terms:
        if before is not None:
            draft.put("drawn", None)
        return
    now: datetime = draft.get("now")
    power = site_kw(draft, site, picture)
    after = counted(before, now.timestamp(), power, terms, site.zone)
    if after is not before:
        draft.put("drawn", after)


def peak_prices(
    draft: Draft,
    problem: Problem,
    base_kw: FloatArray,
    terms: Sequence[DemandTerm],
    *,
    beside: bool = True,
) -> tuple[PeakPrice, ...]:
    """The demand terms of a problem's window.

    Parameters
    ----------
    draft : Draft
        Knows the month's peaks and the interval that runs.
    problem : Problem
        Its horizon and its sessions.
    base_kw : ndarray, shape (T,)
        Power at the root that no session draws, kW.
    terms : sequence of DemandTerm
        Of every month that the window touches, in order.
    beside : bool
        False: the base load tells only what cannot be avoided, and the problem counts it itself
        (a microgrid's peaks are those of what is bought).

    Notes
    -----
    Up to the highest of the month's peak so far, what comes whatever the plan, and the forecast
    of the month's unavoidable peak, power costs nothing.
    """
    drawn: Drawn | None = draft.get("drawn")
    horizon = problem.horizon
    base = np.maximum(np.where(np.isfinite(base_kw), base_kw, 0.0), 0.0)
    unavoidable = base + _without_room_kw(problem)
    now_s = epoch_s(draft.get("now"))
    none = np.zeros(0, dtype=np.int64)
    past = (none, none, np.zeros(0))
    if drawn is not None:
        past = drawn.stretches(horizon.start_s)
    found = []
    numbers: dict[int, int] = {}
    for term in terms:
        if not term.tiers:
            continue
        number = numbers[term.month_start_s] = numbers.get(term.month_start_s, -1) + 1
        reached = _reached_kw(drawn, key_of(number, term), term, now_s)
        floor = max(reached, unavoidable_peak_kw(term, horizon, unavoidable))
        rows = demand_rows(
            term,
            horizon,
            floor_kw=floor,
            past_starts_s=past[0],
            past_ends_s=past[1],
            past_kw=past[2],
        )
        m = rows.offset_kw.size
        counted = base if beside else np.zeros_like(base)
        extra = np.bincount(rows.row, weights=rows.weight * counted[rows.slot], minlength=m)
        if m:
            found.append(
                PeakPrice(
                    rows.row,
                    rows.slot,
                    rows.weight,
                    rows.offset_kw + extra,
                    rows.prices,
                    counted,
                    month_key(number, term),
                )
            )
    return tuple(found)


def _reached_kw(drawn: Drawn | None, key: str, term: DemandTerm, now_s: int) -> float:
    """The month's peak so far, or what it will likely reach however well it is steered, kW."""
    if drawn is None:
        return 0.0
    if term.month_start_s > now_s:
        return FORECAST_SHARE * drawn.peaks_kw.get(key, 0.0)
    if drawn.month_s != term.month_start_s:
        return 0.0
    forecast = FORECAST_SHARE * drawn.before_kw.get(key, 0.0)
    return max(drawn.peaks_kw.get(key, 0.0), forecast)


def aims_of(
    problem: Problem, energy_kwh: FloatArray
) -> tuple[tuple[float, ...], tuple[tuple[str, float], ...]]:
    """What dispatch needs to hold a plan's peaks: power at the root by slot, the highest means."""
    if not problem.peaks or problem.microgrid is not None:
        return (), ()
    by_slot = np.bincount(problem.entry_slot, weights=energy_kwh, minlength=problem.horizon.n)
    slot_kw = by_slot / problem.horizon.slot_h
    aims = tuple((peak.term, peak.aim_kw(slot_kw)) for peak in problem.peaks)
    return tuple((slot_kw + problem.peaks[0].base_kw).tolist()), aims


def _without_room_kw(problem: Problem) -> FloatArray:
    """Power by slot that sessions draw whatever the plan, since the rest of their stay is full."""
    session = problem.entry_session
    most = np.bincount(session, weights=problem.upper_kwh, minlength=problem.fleet.n)
    spare = (most - problem.fleet.energy_kwh)[session]
    forced = np.maximum(problem.upper_kwh - np.maximum(spare, 0.0), 0.0)
    by_slot = np.bincount(problem.entry_slot, weights=forced, minlength=problem.horizon.n)
    return np.asarray(by_slot / problem.horizon.slot_h, dtype=np.float64)
