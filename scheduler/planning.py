"""From the state to a problem."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from models.calendar_rules import envelope_kw
from models.horizon import Horizon, epoch_s, instant_of
from models.limits import call_edges, limit_edges
from models.site import Site
from scheduler.asset_planning import with_microgrid
from scheduler.budget import base_phases_a, phase_room_a
from scheduler.calls import terms_of
from scheduler.demand import peak_prices
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.fleet_at_once import plain_fleet_of
from scheduler.owed import Owed, fleet_of, owed_sessions
from scheduler.plan_arrays import going_on, running_kwh
from scheduler.planned_phases import as_wired, switchable
from scheduler.pricing import Pricing
from scheduler.problem import FloatArray, ImbalanceLimit, PhaseLimit, Problem
from scheduler.smooth import smooth_of
from scheduler.state import UNKNOWN_PILE
from scheduler.stays import waited_for
from scheduler.switching import clock_of, switching_terms
from scheduler.switching_terms import SwitchingTerms
from scheduler.view import base_now_kw, limit_now_kw, margin_of, silent_sums_kw


def build_problem(draft: Draft, site: Site, pricing: Pricing) -> Problem:
    """The planning problem of this moment."""
    now: datetime = draft.get("now")
    window_end = now + timedelta(hours=site.horizon.hours)
    pushed = [r.pushed for of_node in draft.get("limits").values() for r in of_node.values()]
    calls = [c.called for c in draft.get("calls").values()]
    edges = {*limit_edges(pushed, now, window_end), *call_edges(calls, now, window_end)}
    horizon, prices = pricing.window(draft, tuple(sorted(edges)), window_end)
    limit, ahead = _limits_and_base(draft, site, horizon)
    cap_kw = _left(limit, ahead)
    microgrid = site.has_assets or bool(terms_of(draft.get("calls"), horizon))
    owed: list[Owed] = []
    fleet = None
    if not (microgrid or site.departures == "learned" or fixed(site).ruled or switchable(site)):
        fleet = plain_fleet_of(draft, site, now, horizon.end_s)
    if fleet is None:
        owed = owed_sessions(draft, site, now, horizon.end_s)
        if site.departures == "learned":
            buy = np.asarray(prices.buy_per_kwh, dtype=np.float64)
            owed = waited_for(owed, draft, site, horizon, buy, cap_kw)
        fleet = as_wired(draft, site, owed, fleet_of(draft, site, owed))
    problem = Problem(
        horizon=horizon,
        node_ids=site.network.ids,
        parent=np.array(site.network.parents, dtype=np.int64),
        cap_kw=cap_kw,
        fleet=fleet,
        buy_per_kwh=np.asarray(prices.buy_per_kwh, dtype=np.float64),
        sell_per_kwh=np.asarray(prices.sell_per_kwh, dtype=np.float64),
        surplus_kw=np.zeros(horizon.n),
        phase_limits=_phase_limits(draft, site, horizon),
        switching=_switching(draft, site, owed, horizon),
        imbalances=_imbalances(draft, site),
        smooth=smooth_of(site, ahead[0]),
    )
    plan = draft.plan
    terms = pricing.window_terms(draft, window_end)
    if microgrid:
        problem = with_microgrid(draft, site, problem, owed, limit, ahead, terms)
        return problem if plan is None else going_on(problem, plan)
    if not fleet.n:
        return problem
    if terms:
        base = base_ahead(
            draft,
            site,
            0,
            horizon,
            [instant_of(s) for s in horizon.edges_s[:-1]],
            now,
            draft.get("mono_s"),
        )
        object.__setattr__(problem, "peaks", peak_prices(draft, problem, base, terms))
    if plan is None:
        return problem
    object.__setattr__(problem, "running_kwh", running_kwh(problem, plan))
    return problem


def _switching(
    draft: Draft, site: Site, owed: list[Owed], horizon: Horizon
) -> SwitchingTerms | None:
    if not fixed(site).ruled:
        return None
    names = [o.record.request.pile for o in owed]
    plates = [site.pile_by_id[name] for name in names]
    piles = [draft.piles.get(name, UNKNOWN_PILE) for name in names]
    return switching_terms(
        plates, piles, horizon, clock_of(draft.get("now"), draft.get("mono_s"), site.zone)
    )


def _left(limit: FloatArray, base: FloatArray) -> FloatArray:
    """Power left for sessions at each node and slot, kW >= 0.

    A meter that has never spoken leaves nothing, also where nothing limits the node.
    """
    known = np.isfinite(base).all(axis=1, keepdims=True)
    left = np.where(known, limit - np.where(known, base, 0.0), 0.0)
    return np.asarray(np.maximum(left, 0.0), dtype=np.float64)


def _limits_and_base(draft: Draft, site: Site, horizon: Horizon) -> tuple[FloatArray, FloatArray]:
    """By node and slot, kW: the limit less margin and silent piles; the base load, inf where a
    meter has never spoken.
    """
    now, mono_s = draft.get("now"), draft.get("mono_s")
    m = len(site.network.nodes)
    counted = silent_sums_kw(draft, site)
    caps, bases = np.empty((m, horizon.n)), np.empty((m, horizon.n))
    limits = draft.get("limits")
    moves = site.base_load == "envelope" or limits or draft.get("calls") or draft.get("overrides")
    moves = moves or any(node.thermal is not None for node in site.network.nodes)
    starts = [instant_of(s) for s in horizon.edges_s[:-1]] if moves else []
    starts[:1] = [now]
    limit: float | FloatArray
    for v, node in enumerate(site.network.nodes):
        steps = limits.get(node.id) or node.id in draft.get("overrides") or node.thermal
        if steps or (v == 0 and draft.get("calls")):
            limit = np.array([limit_now_kw(draft, site, v, at) for at in starts])
        else:
            limit = limit_now_kw(draft, site, v, now)
        if v == 0 and draft.get("island") is not None:
            limit = 0.0
        bases[v] = base_ahead(draft, site, v, horizon, starts, now, mono_s)
        caps[v] = limit - margin_of(draft, site, v) - counted[v]
    return caps, bases


def base_ahead(
    draft: Draft,
    site: Site,
    v: int,
    horizon: Horizon,
    starts: list[datetime],
    now: datetime,
    mono_s: float,
) -> FloatArray:
    """Base load of a node in each slot, kW: a forecast that was sent, else what is there now."""
    if site.base_load == "envelope":
        if v:
            return np.zeros(horizon.n)
        return np.array([envelope_kw(site.envelope, at, site.zone) for at in starts])
    ahead = np.full(horizon.n, base_now_kw(draft, site, v, now, mono_s))
    sent = draft.get("forecasts").get(f"base-{site.network.ids[v]}")
    if sent is None or site.base_load == "none":
        return ahead
    step = sent.slot_minutes * 60
    begin = epoch_s(sent.start)
    known = horizon.step_values(
        begin + step * np.arange(len(sent.values) + 1),
        np.append(np.asarray(sent.values, dtype=np.float64), np.nan),
        math.nan,
    )
    forecast = np.where(np.isnan(known), ahead, known)
    forecast[0] = max(forecast[0], ahead[0])
    return forecast


def _phase_limits(draft: Draft, site: Site, horizon: Horizon) -> tuple[PhaseLimit, ...]:
    out = []
    for v, node in enumerate(site.network.nodes):
        room = phase_room_a(draft, site, v)
        if node.limit_a is None or room is None:
            continue
        for phase, amps in enumerate(room):
            cap = np.full(horizon.n, min(max(amps, 0.0), node.limit_a[phase]))
            out.append(PhaseLimit(node=v, phase=phase, cap_a=cap))
    return tuple(out)


def _imbalances(draft: Draft, site: Site) -> tuple[ImbalanceLimit, ...]:
    return tuple(
        ImbalanceLimit(v, node.imbalance_a, np.array(base_phases_a(draft, site, v)))
        for v, node in enumerate(site.network.nodes)
        if node.imbalance_a is not None
    )
