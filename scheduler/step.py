"""One rolling step, as a list of its passes: control now, plan when there is news."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from models.events import Solved
from models.site import Site
from models.units import ENERGY_EPSILON_KWH, POWER_EPSILON_KW
from scheduler import report
from scheduler.asset_control import settle_assets, show_assets
from scheduler.asset_planning import has_assets
from scheduler.base_load import measure_base
from scheduler.demand_hold import hold, room_now_kw
from scheduler.dispatch import wants
from scheduler.draft import Draft
from scheduler.effects import Solve
from scheduler.fixed import FixedPile, fixed
from scheduler.flexibility import offered
from scheduler.owed import off_plan
from scheduler.plan_arrays import plan_of
from scheduler.planning import build_problem
from scheduler.pricing import Pricing
from scheduler.problem import Problem
from scheduler.safety import Outlet, enforce, plenty
from scheduler.sending import send
from scheduler.solution import Solution, given_kwh
from scheduler.state import PileState, SessionRecord, SiteState, changed
from scheduler.timers import RISE_GAP_S, SOLVER_RETRY_S, solver_deadline_s
from scheduler.unused import learn_unused
from scheduler.view import SETTLED_S, Picture, budget_now, held_kw, in_emergency, lease_runs, look
from tariffs.demand import DemandTerm

LAXITY_STEP_H = 0.25
"""Vehicles whose laxity differs by less keep their turn: pauses are few (I6)."""

EXCESS_SHARE = 0.005
"""Of a pile's power: a reading so much above its setpoint is within its meter's error."""


def pass_time(state: SiteState, draft: Draft, now: datetime, mono_s: float) -> None:
    """Set both clocks. When the wall clock stepped, everything that hangs on it is looked at
    anew; the monotonic clock never goes back, and facts taken in earlier do not turn time.
    """
    if mono_s < state.mono_s:
        return
    draft.put("now", now)
    draft.put("mono_s", mono_s)
    stepped_s = (now - state.now).total_seconds() - (mono_s - state.mono_s)
    if abs(stepped_s) > CLOCK_STEP_S:
        draft.put("next_slot_s", 0)
        draft.put("next_limit_edge_s", 0.0)
        draft.put("next_session_edge_s", 0.0)
        draft.news = True
    if abs(stepped_s) > FAR_STEP_S:
        draft.put("clock_set_mono_s", mono_s)


FAR_STEP_S = 60.0
"""After such a step nothing is forgotten for a while that may be in force again tomorrow."""

CLOCK_STEP_S = 5.0
"""Wall and monotonic clock apart by more than this: the wall clock was set."""


def control(draft: Draft, site: Site, terms: Sequence[DemandTerm] = ()) -> Picture:
    """Setpoints of this drain: what the plan wants under its peak, after the safety kernel."""
    now: datetime = draft.get("now")
    mono_s: float = draft.get("mono_s")
    picture = look(draft, site)
    measure_base(draft, site, picture)
    learn_unused(draft, site, mono_s)
    wanted = wants(draft, site, now)
    if terms:
        wanted = hold(draft, site, wanted, room_now_kw(draft, site, picture, terms))
    may_rise = mono_s >= draft.get("hold_until_mono_s")
    stopping = bool(draft.get("emergencies"))
    known, silent, lease_s = fixed(site).piles, picture.silent, site.lease_s
    names: list[str] = []
    outlets: list[Outlet] = []
    for name, pile in draft.piles.items():
        one = known[name]
        if name in silent:
            if pile.sent:
                names.append(name)
                outlets.append(_outlet(one, pile, 0.0, 0.0, 0.0, may_rise=False))
            continue
        stopped = stopping and in_emergency(draft, site, one.path)
        floor = 0.0
        if pile.power_kw > pile.wanted_kw or not pile.sent:
            floor = floor_kw(pile, one, mono_s, lease_s)
            if floor:
                picture.floors[name] = floor
        fell = pile.before_kw > pile.wanted_kw and mono_s - pile.changed_mono_s < RISE_GAP_S
        names.append(name)
        outlets.append(
            _outlet(
                one,
                pile,
                0.0 if stopped else wanted.get(name, 0.0),
                held_kw(pile, one.pile, mono_s, lease_s, one.factor),
                floor,
                may_rise=may_rise and not stopped and not fell,
            )
        )
    budget = budget_now(draft, site, picture)
    assets = has_assets(site)
    if assets:
        shown = show_assets(draft, site, names, outlets, wanted, budget)
    order: Sequence[int] = range(len(outlets))
    if not plenty(outlets, budget):
        order = [*_order(draft, names, now), *range(len(names), len(outlets))]
    powers = enforce(outlets, order, budget)
    if assets:
        powers = settle_assets(draft, site, names, powers, shown)
    send(draft, site, names, powers, silent)
    return picture


def _outlet(
    one: FixedPile,
    pile: PileState,
    want_kw: float,
    held_kw: float,
    floor_kw: float,
    *,
    may_rise: bool,
) -> Outlet:
    plate = one.pile
    return Outlet(
        one.path,
        want_kw,
        held_kw,
        pile.wanted_kw if pile.sent else 0.0,
        plate.min_kw,
        plate.max_kw,
        plate.step_kw,
        one.factor,
        one.phases,
        one.amps_per_kw,
        may_rise,
        floor_kw,
    )


def floor_kw(pile: PileState, one: FixedPile, mono_s: float, lease_s: float) -> float:
    """What a pile draws whatever it was told, as a setpoint, kW; 0 while it obeys.

    A reading taken before the pile had its declared time to respond is held against what it
    was told before.
    """
    if pile.power_kw <= 0.0:
        return 0.0
    allowed = pile.wanted_kw if pile.sent else 0.0
    if pile.measured_mono_s < pile.changed_mono_s + one.pile.response_s + SETTLED_S:
        allowed = max(allowed, pile.before_kw)
    if allowed < one.pile.fallback_kw and not lease_runs(pile, mono_s, lease_s):
        allowed = one.pile.fallback_kw
    if pile.power_kw <= allowed * one.factor + EXCESS_SHARE * one.pile.max_kw:
        return 0.0
    return pile.power_kw / one.factor


def _order(draft: Draft, names: list[str], now: datetime) -> list[int]:
    """Who is served first under a shortage: priority, then least laxity, then who charges."""
    pile_session: dict[str, str] = draft.get("pile_session")
    sessions, piles = draft.sessions, draft.piles
    at, floor = now.timestamp(), math.floor
    keys: list[tuple[int, int, bool, int]] = []
    for k, name in enumerate(names):
        session = pile_session.get(name)
        if session is None:
            keys.append((10, 0, False, k))
            continue
        record = sessions[session]
        request = record.request
        idle = piles[name].wanted_kw <= 0.0
        owed_kwh = request.energy_kwh - record.delivered_kwh
        if owed_kwh <= ENERGY_EPSILON_KWH:
            # More than was asked for comes after everybody's request.
            keys.append((1, 0, idle, k))
            continue
        left_h = (request.departure_s - at) / 3600.0
        laxity_h = left_h - owed_kwh / TYPICAL_KW
        keys.append((-request.priority, floor(laxity_h / LAXITY_STEP_H), idle, k))
    keys.sort()
    return [key[3] for key in keys]


TYPICAL_KW = 7.0
"""Power by which laxity is judged: that of the usual AC pile."""


MANY = 50
"""So many setpoints changed in one drain go out before the next problem is put together."""


def plan_if_wanted(draft: Draft, site: Site, pricing: Pricing) -> Problem | None:
    """Ask for a plan when there is news and none is being made."""
    mono_s: float = draft.get("mono_s")
    asked: float = draft.get("solving_mono_s")
    if draft.slot_turned and not draft.news and (has_assets(site) or off_plan(draft, site)):
        draft.news = True
    if draft.news and not draft.get("plan_wanted"):
        draft.put("plan_wanted", True)
    if draft.get("solving") is not None:
        if mono_s - asked < solver_deadline_s(site):
            return None
        plan_failed(draft, site, "no answer in time")
    if not draft.get("plan_wanted") or draft.moved >= MANY:
        return None
    if draft.get("solver_lost") and mono_s - asked < SOLVER_RETRY_S:
        return None
    draft.put("plan_wanted", False)
    problem = build_problem(draft, site, pricing)
    if problem.fleet.n == 0:
        report.unplanned(draft, set())
        if problem.microgrid is None:
            return None
    draft.put("solving", problem.digest)
    draft.put("solving_mono_s", mono_s)
    draft.emit(Solve(problem=problem, now=draft.get("now")))
    return problem


def plan_failed(draft: Draft, site: Site, reason: str) -> None:
    """No plan came: the last one goes on, urgency serves the rest, and it is tried again."""
    draft.put("solving", None)
    draft.put("solver_lost", True)
    draft.put("plan_wanted", True)
    report.raise_alert(
        draft,
        "solver_lost",
        site.name,
        f"the solving process gave no answer ({reason}); the last plan goes on",
        f"求解进程无结果({reason}),继续执行上一计划",
    )


def take_plan(draft: Draft, problem: Problem, answer: Solved, site: Site, pricing: Pricing) -> None:
    """A solver's answer becomes the running plan, and promises are given from it."""
    energy = np.asarray(answer.energy_kwh, dtype=np.float64)
    lowest = -math.inf if problem.microgrid is not None else -POWER_EPSILON_KW
    if energy.size != int(problem.offsets[-1]) or not bool(
        np.all(np.isfinite(energy) & (energy >= lowest))
    ):
        plan_failed(draft, site, "an answer that is no plan")
        return
    draft.put("solver_lost", False)
    plan = plan_of(problem, answer)
    draft.put("plan", plan)
    sessions = draft.own("sessions")
    n, of = problem.fleet.n, problem.entry_session
    planned = given_kwh(problem, energy).tolist()
    most = np.bincount(of, weights=problem.upper_kwh, minlength=n).tolist()
    owing = problem.fleet.energy_kwh.tolist()
    for i, session in enumerate(problem.fleet.ids):
        record: SessionRecord | None = sessions.get(session)
        if record is None:
            continue
        asked = record.request.energy_kwh
        owed = owing[i]
        short = 0.0
        met = record.delivered_kwh >= asked - ENERGY_EPSILON_KWH
        if not met and record.request.departure_s < plan.end_s + 1:
            # What the car will likely not take is not planned; it must fit the stay all the same.
            unlikely = asked - record.delivered_kwh - owed
            short = max(owed - planned[i], 0.0)
            short += max(unlikely - max(most[i] - planned[i] - short, 0.0), 0.0)
        if record.promised_kwh != asked - short or record.short_kwh != short:
            sessions[session] = changed(record, promised_kwh=asked - short, short_kwh=short)
    _tell_flexibility(draft, problem, answer)
    periods, currency = pricing.named(draft, problem.horizon)
    report.planned(draft, problem, answer, plan, site, periods=periods, currency=currency)


def _tell_flexibility(draft: Draft, problem: Problem, answer: Solved) -> None:
    """What the site could do beside its new plan, where storage or PV is in it."""
    if problem.microgrid is None or answer.assets_kw is None:
        return
    shape = (problem.microgrid.n_assets, problem.horizon.n)
    told = Solution(
        np.asarray(answer.energy_kwh, dtype=np.float64),
        "feasible",
        answer.rung,
        answer.gap,
        answer.work,
        np.asarray(answer.assets_kw, dtype=np.float64).reshape(shape),
    )
    found = offered(problem, told, draft.get("now"))
    if found is not None:
        draft.emit(found)
