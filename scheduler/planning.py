"""From the state to a problem, and from a solver's answer back to a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from models.calendar_rules import envelope_kw
from models.events import Solved
from models.horizon import Horizon, epoch_s, instant_of
from models.limits import call_edges, limit_edges
from models.plan import Plan, SessionPlan
from models.site import Site
from models.units import ENERGY_EPSILON_KWH, SECONDS_PER_HOUR
from scheduler.demand import aims_of, peak_prices
from scheduler.draft import Draft
from scheduler.learned import LikelyEnergy
from scheduler.pricing import Pricing
from scheduler.problem import Fleet, FloatArray, PhaseLimit, Problem
from scheduler.state import PileState, SessionRecord
from scheduler.taper import TAPER_SOC, stored_kwh
from scheduler.view import base_now_kw, limit_now_kw, look, margin_of, phase_room_a

OVERSTAY = timedelta(minutes=15)
"""A vehicle still there after its stated departure is planned to leave in so long."""

PLAN_KEPT_S = 3600
"""A plan older than this is made anew at the next slot, so that its window moves on."""

DEVIATION_KWH = 0.1
DEVIATION_SHARE = 0.02
"""A session is off the plan when it needs this much more or less than the plan still gives."""


@dataclass(frozen=True)
class Owed:
    """What one session still needs, as the planner sees it.

    ``rated_kw`` is what pile and vehicle are rated for, ``max_kw`` what it was seen to take.
    """

    session: str
    record: SessionRecord
    energy_kwh: float
    max_kw: float
    rated_kw: float
    start_s: int
    end_s: int


def owed_sessions(draft: Draft, site: Site, now: datetime, until_s: int) -> list[Owed]:
    """The sessions that want energy inside a window, in the order they came.

    A vehicle that overstays is served on: its departure is taken as a quarter of an hour away.
    A vehicle that was seen to take less than it was given counts with what it took.
    """
    now_s = epoch_s(now)
    likely = LikelyEnergy(draft.get("history"))
    out: list[Owed] = []
    for session, record in draft.sessions.items():
        request = record.request
        pile = draft.piles.get(request.pile, PileState())
        total = request.energy_kwh
        if not request.is_measured:
            total = likely.total_kwh(total, record.delivered_kwh)
        energy = total - record.delivered_kwh
        if energy <= ENERGY_EPSILON_KWH or record.state in ("full", "ended"):
            continue
        if pile.fault is not None or not in_service(draft, request.pile, now):
            continue
        start = max(now_s, epoch_s(request.arrival) if record.state == "announced" else now_s)
        end = epoch_s(request.departure)
        if end <= now_s:
            if record.state == "announced":
                continue
            end = epoch_s(now + OVERSTAY)
        end = min(end, until_s)
        if start >= end:
            continue
        nameplate = site.pile_by_id[request.pile]
        most = nameplate.max_kw
        if request.max_kw is not None:
            most = min(most, request.max_kw)
        rated = most
        if pile.learned_kw is not None:
            most = min(most, pile.learned_kw)
        if most <= 0:
            continue
        out.append(Owed(session, record, energy, most, rated, start, end))
    return out


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


def build_problem(draft: Draft, site: Site, pricing: Pricing) -> Problem:
    """The planning problem of this moment."""
    now: datetime = draft.get("now")
    window_end = now + timedelta(hours=site.horizon.hours)
    pushed = [r.pushed for of_node in draft.get("limits").values() for r in of_node.values()]
    calls = [c.called for c in draft.get("calls").values()]
    edges = {*limit_edges(pushed, now, window_end), *call_edges(calls, now, window_end)}
    horizon, prices = pricing.window(draft, tuple(sorted(edges)), window_end)
    owed = owed_sessions(draft, site, now, horizon.end_s)
    fleet = _fleet(draft, site, owed)
    problem = Problem(
        horizon=horizon,
        node_ids=site.network.ids,
        parent=np.array(site.network.parents, dtype=np.int64),
        cap_kw=_caps(draft, site, horizon),
        fleet=fleet,
        buy_per_kwh=np.asarray(prices.buy_per_kwh, dtype=np.float64),
        sell_per_kwh=np.asarray(prices.sell_per_kwh, dtype=np.float64),
        surplus_kw=np.zeros(horizon.n),
        phase_limits=_phase_limits(draft, site, horizon),
    )
    plan = draft.plan
    if not fleet.n:
        return problem
    terms = pricing.window_terms(draft, window_end)
    if terms:
        base = _base_ahead(
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
    object.__setattr__(problem, "running_kwh", _running(problem, plan))
    return problem


def _fleet(draft: Draft, site: Site, owed: list[Owed]) -> Fleet:
    tolerance = site.voltage_tolerance
    piles = [site.pile_by_id[o.record.request.pile] for o in owed]
    taper, room, phases = [], [], []
    for o, pile in zip(owed, piles, strict=True):
        k, r = _taper(o)
        taper.append(k)
        room.append(r)
        phases.append(sum(1 << (p - 1) for p in pile.phases) if pile.current == "ac" else 7)
    asked = [o.record.request.energy_kwh for o in owed]
    promised = [
        min(max((o.record.promised_kwh or 0.0) - o.record.delivered_kwh, 0.0), o.energy_kwh)
        for o in owed
    ]
    now_mode = [_wants_now(draft, o) for o in owed]
    return Fleet(
        ids=tuple(o.session for o in owed),
        node=np.array([site.pile_node[p.id] for p in piles], dtype=np.int64),
        start_s=np.array([o.start_s for o in owed], dtype=np.int64),
        end_s=np.array([o.end_s for o in owed], dtype=np.int64),
        max_kw=np.array([o.max_kw for o in owed], dtype=np.float64),
        min_kw=np.array(
            [
                min(p.min_kw, o.max_kw)
                if o.record.request.min_kw is None
                else min(max(p.min_kw, o.record.request.min_kw), o.max_kw)
                for o, p in zip(owed, piles, strict=True)
            ],
            dtype=np.float64,
        ),
        energy_kwh=np.array([o.energy_kwh for o in owed], dtype=np.float64),
        asked_kwh=np.array(asked, dtype=np.float64),
        promised_kwh=np.array(promised, dtype=np.float64),
        priority=np.array([o.record.request.priority for o in owed], dtype=np.int64),
        count_factor=np.array([p.count_factor(tolerance) for p in piles], dtype=np.float64),
        taper_per_h=np.array(taper, dtype=np.float64),
        taper_room_kwh=np.array(room, dtype=np.float64),
        phases=np.array(phases, dtype=np.int64),
        amps_per_kw=np.array([p.amps_per_kw for p in piles], dtype=np.float64),
        earliest=np.array(now_mode, dtype=bool),
    )


def _wants_now(draft: Draft, o: Owed) -> bool:
    if o.record.request.mode == "now":
        return True
    override = draft.get("overrides").get(o.record.request.pile)
    if override is None or override.kind != "charge_now":
        return False
    return override.until is None or draft.get("now") < override.until


def _taper(o: Owed) -> tuple[float, float]:
    """Taper constant (1/h) and room (kWh); inf where the battery is not known."""
    request = o.record.request
    if request.battery_kwh is None:
        return math.inf, math.inf
    stored = stored_kwh(o.record)
    if stored is None:
        return math.inf, math.inf
    room = max(request.battery_kwh - stored, o.energy_kwh)
    return o.rated_kw / (request.battery_kwh * (1 - TAPER_SOC)), room


def _caps(draft: Draft, site: Site, horizon: Horizon) -> FloatArray:
    """Power left for sessions at each node and slot, kW >= 0."""
    now, mono_s = draft.get("now"), draft.get("mono_s")
    m = len(site.network.nodes)
    counted = look(draft, site).silent_kw
    caps = np.empty((m, horizon.n))
    limits = draft.get("limits")
    starts = [instant_of(s) for s in horizon.edges_s[:-1]]
    starts[0] = now
    for v, node in enumerate(site.network.nodes):
        steps = limits.get(node.id) or node.id in draft.get("overrides")
        if steps or (v == 0 and draft.get("calls")):
            limit = np.array([limit_now_kw(draft, site, v, at) for at in starts])
        else:
            limit = np.full(horizon.n, limit_now_kw(draft, site, v, now))
        base = _base_ahead(draft, site, v, horizon, starts, now, mono_s)
        if np.isinf(base).any():
            # A meter that has never spoken leaves nothing, also where nothing limits the node.
            caps[v] = 0.0
            continue
        caps[v] = np.maximum(limit - base - margin_of(draft, site, v) - counted[v], 0.0)
    return caps


def _base_ahead(
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


def _running(problem: Problem, plan: Plan) -> FloatArray:
    """The running plan on the problem's slots, kWh of each ragged entry."""
    out = np.zeros(int(problem.offsets[-1]))
    edges = problem.horizon.edges_s
    for i, session in enumerate(problem.fleet.ids):
        part = plan.sessions.get(session)
        if part is None or not part.power_kw:
            continue
        knots = np.asarray(part.starts_s, dtype=np.float64)
        energy = np.asarray(part.power_kw) * np.diff(knots) / SECONDS_PER_HOUR
        cumulative = np.concatenate([[0.0], np.cumsum(energy)])
        lo, hi = int(problem.first[i]), int(problem.last[i])
        own = np.clip(edges[lo : hi + 1], problem.fleet.start_s[i], problem.fleet.end_s[i]).astype(
            np.float64
        )
        out[problem.offsets[i] : problem.offsets[i + 1]] = np.diff(
            np.interp(own, knots, cumulative)
        )
    return out


def plan_of(problem: Problem, answer: Solved) -> Plan:
    """The plan that a solver's answer means."""
    energy = np.asarray(answer.energy_kwh, dtype=np.float64)
    seconds = problem.entry_s
    power = np.divide(
        energy * SECONDS_PER_HOUR, seconds, out=np.zeros_like(energy), where=seconds > 0
    )
    edges = problem.horizon.edges_s
    sessions: dict[str, SessionPlan] = {}
    for i, session in enumerate(problem.fleet.ids):
        lo, hi = int(problem.offsets[i]), int(problem.offsets[i + 1])
        first, last = int(problem.first[i]), int(problem.last[i])
        own = np.clip(edges[first : last + 1], problem.fleet.start_s[i], problem.fleet.end_s[i])
        sessions[session] = SessionPlan(
            starts_s=tuple(own.tolist()), power_kw=tuple(power[lo:hi].tolist())
        )
    site_kw, aims = aims_of(problem, energy)
    return Plan(
        digest=problem.digest,
        made_s=problem.horizon.start_s,
        end_s=problem.horizon.end_s,
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        edges_s=tuple(edges.tolist()),
        sessions=sessions,
        site_kw=site_kw,
        aims=aims,
    )
