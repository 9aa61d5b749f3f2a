"""Demand charges in the plan: the month's peak so far, the interval that runs, what must come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from models.events import ForecastPushed
from models.horizon import FloatArray, epoch_s
from models.site import Site
from scheduler.asset_state import sun_kw
from scheduler.draft import Draft
from scheduler.drawn import Drawn, counted, key_of, month_key
from scheduler.peak import PeakPrice
from scheduler.problem import Problem
from scheduler.solution import drawn_kwh
from scheduler.state import NodeState
from scheduler.view import Picture, base_now_kw, meter_talks
from tariffs.demand import DemandTerm
from tariffs.demand_room import unavoidable_peak_kw
from tariffs.demand_rows import demand_rows

PEAK_SERIES = "peak"
"""``forecast/peak-{root}`` says what a month's peak will reach however well it is steered."""

INSURED_SHARE = 0.3
"""Of a peak's price: how likely what may come unforeseen is taken to be in a month."""

FORECAST_SHARE = 0.8
"""The forecast of a month's unavoidable peak, as a share of the peak of the month before, which
was steered too: see docs/decisions/0007-forecast-of-the-peak.md. A share below 1 forgets a peak
that will not come again; one that must come again is reached anyway."""


def site_kw(draft: Draft, site: Site, picture: Picture) -> float:
    """Power at the root now, kW: by its meter, else base load and piles together.

    What storages and piles have told since the meter spoke is in it: a meter that speaks once a
    quarter hour would else make a quarter hour of what was there for a second.
    """
    mono_s: float = draft.get("mono_s")
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    if node is not None and meter_talks(node, site, mono_s):
        if node.load_kw is not None:
            return node.load_kw - sun_kw(draft, site, 0) + picture.talking_kw[0]
        return node.power_kw
    base = base_now_kw(draft, site, 0, draft.get("now"), mono_s)
    return picture.talking_kw[0] + (base if math.isfinite(base) else 0.0)


def steady_kw(draft: Draft, site: Site, picture: Picture) -> float:
    """Power at the root that no talking pile or storage draws, kW; negative while the sun gives
    more, 0 where it is not known.
    """
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    if (
        node is not None
        and node.load_kw is not None
        and meter_talks(node, site, draft.get("mono_s"))
    ):
        # The kernel counts the highest of the last readings; money is counted by the last.
        return node.load_kw - sun_kw(draft, site, 0) + picture.silent_kw[0]
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
    insured_kw: FloatArray | None = None,
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
    insured_kw : ndarray, shape (T,), optional
        What may come unforeseen, kW >= 0: at :data:`INSURED_SHARE` of the price room is kept for
        it under each peak, by prices of their own, so that no other slot may rise for it.

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
    root = problem.node_ids[0]
    for term in terms:
        if not term.tiers:
            continue
        number = numbers[term.month_start_s] = numbers.get(term.month_start_s, -1) + 1
        said = said_peak_kw(draft.get("forecasts").get(f"{PEAK_SERIES}-{root}"), term, now_s)
        reached = _reached_kw(drawn, key_of(number, term), term, now_s, said)
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
        if m and insured_kw is not None:
            found.append(_insured(found[-1], rows.weight * insured_kw[rows.slot]))
    return tuple(found)


def _insured(peak: PeakPrice, more_kw: FloatArray) -> PeakPrice:
    """The same peak at a share of its price, with what may come unforeseen in each entry, kW."""
    more = np.bincount(peak.row, weights=more_kw, minlength=peak.offset_kw.size)
    return replace(
        peak,
        offset_kw=peak.offset_kw + more,
        tiers=tuple((at, INSURED_SHARE * price) for at, price in peak.tiers),
        insures=True,
    )


def _reached_kw(
    drawn: Drawn | None, key: str, term: DemandTerm, now_s: int, said_kw: float
) -> float:
    """The month's peak so far, or what it will likely reach however well it is steered, kW.

    ``said_kw`` is what a forecaster says of the latter, nan where nobody does.
    """
    if math.isfinite(said_kw):
        same = drawn is not None and drawn.month_s == term.month_start_s
        return max(drawn.peaks_kw.get(key, 0.0) if drawn is not None and same else 0.0, said_kw)
    if drawn is None:
        return 0.0
    if term.month_start_s > now_s:
        return FORECAST_SHARE * drawn.peaks_kw.get(key, 0.0)
    if drawn.month_s != term.month_start_s:
        return 0.0
    forecast = FORECAST_SHARE * drawn.before_kw.get(key, 0.0)
    return max(drawn.peaks_kw.get(key, 0.0), forecast)


def said_peak_kw(sent: ForecastPushed | None, term: DemandTerm, now_s: int) -> float:
    """What a forecaster says that a month's peak will reach however well it is steered, kW.

    The value at the later of now and the month's begin; nan where the series says nothing of it.
    """
    if sent is None:
        return math.nan
    begun_s = max(term.month_start_s, now_s) - epoch_s(sent.start)
    slot = begun_s // (60 * sent.slot_minutes)
    return sent.values[slot] if 0 <= slot < len(sent.values) else math.nan


def peak_unforeseen(draft: Draft, site: Site) -> bool:
    """Whether a site with storage begins a month's peak at nothing: a price on it, and neither a
    forecast of it nor a month before.
    """
    drawn: Drawn | None = draft.get("drawn")
    if not site.storages or drawn is None or drawn.before_kw:
        return False
    sent: ForecastPushed | None = draft.get("forecasts").get(f"{PEAK_SERIES}-{site.network.ids[0]}")
    if sent is None:
        return True
    slot = (epoch_s(draft.get("now")) - epoch_s(sent.start)) // (60 * sent.slot_minutes)
    return not 0 <= slot < len(sent.values)


def aims_of(
    problem: Problem, energy_kwh: FloatArray, connection_kw: Sequence[float]
) -> tuple[tuple[float, ...], tuple[tuple[str, float], ...]]:
    """What dispatch needs to hold a plan's peaks: power at the root by slot, the highest means.

    Parameters
    ----------
    problem : Problem
    energy_kwh : ndarray, shape (E,)
        Of the plan.
    connection_kw : sequence of float
        Power at the root by slot with storage and PV, kW; empty without a microgrid.
    """
    if not problem.peaks:
        return (), ()
    if problem.microgrid is not None:
        if not connection_kw:
            return (), ()
        bought = np.maximum(np.asarray(connection_kw, dtype=np.float64), 0.0)
        return tuple(connection_kw), _aims(problem, bought)
    slot_kw = drawn_kwh(problem, energy_kwh) / problem.horizon.slot_h
    return tuple((slot_kw + problem.peaks[0].base_kw).tolist()), _aims(problem, slot_kw)


def _aims(problem: Problem, slot_kw: FloatArray) -> tuple[tuple[str, float], ...]:
    return tuple((p.term, p.aim_kw(slot_kw)) for p in problem.peaks if not p.insures)


def _without_room_kw(problem: Problem) -> FloatArray:
    """Power by slot that sessions draw whatever the plan, since the rest of their stay is full."""
    session = problem.entry_session
    spare = (problem.most_kwh - problem.fleet.energy_kwh)[session]
    forced = np.maximum(problem.upper_kwh - np.maximum(spare, 0.0), 0.0)
    by_slot = np.bincount(problem.entry_slot, weights=forced, minlength=problem.horizon.n)
    return np.asarray(by_slot / problem.horizon.slot_h, dtype=np.float64)
