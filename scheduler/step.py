"""One rolling step, as a list of its passes: control now, plan when there is news."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import repeat
from operator import attrgetter

import numpy as np

from models.events import Solved
from models.site import Site
from models.units import ENERGY_EPSILON_KWH, POWER_EPSILON_KW
from scheduler import report
from scheduler.base_rise import window_s
from scheduler.demand_response import weigh
from scheduler.draft import Draft
from scheduler.effects import Solve
from scheduler.flexibility import offered
from scheduler.owed import off_plan
from scheduler.plan_arrays import plan_of
from scheduler.planning import build_problem
from scheduler.pricing import Pricing
from scheduler.problem import FloatArray, Problem
from scheduler.since_reading import since_reading_kwh
from scheduler.solution import Solution, given_kwh
from scheduler.solver_words import reason_zh
from scheduler.state import UNKNOWN_PILE, SiteState, changed
from scheduler.telling import Telling
from scheduler.timers import SOLVER_RETRY_S, planning_ails, solver_deadline_s


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


REQUEST, DELIVERED_KWH = attrgetter("request"), attrgetter("delivered_kwh")
PILE = attrgetter("pile")
PROMISED_KWH, SHORT_KWH = attrgetter("promised_kwh"), attrgetter("short_kwh")
ENERGY_KWH, DEPARTURE_S = attrgetter("energy_kwh"), attrgetter("departure_s")

FAR_STEP_S = 60.0
"""After such a step nothing is forgotten for a while that may be in force again tomorrow."""

CLOCK_STEP_S = 5.0
"""Wall and monotonic clock apart by more than this: the wall clock was set."""


MANY = 50
"""So many setpoints changed in one drain go out before the next problem is put together."""


def plan_if_wanted(draft: Draft, site: Site, pricing: Pricing) -> Problem | None:
    """Ask for a plan when there is news and none is being made."""
    mono_s: float = draft.get("mono_s")
    asked: float = draft.get("solving_mono_s")
    if draft.slot_turned and not draft.news and (site.has_assets or off_plan(draft, site)):
        draft.news = True
    if draft.news and not draft.get("plan_wanted"):
        draft.put("plan_wanted", True)
    if draft.get("solving") is not None:
        if mono_s - asked < solver_deadline_s(site):
            return None
        plan_failed(draft, site, "no answer in time")
    if not draft.get("plan_wanted") or draft.moved >= MANY:
        return None
    if planning_ails(draft, site) and mono_s - asked < SOLVER_RETRY_S:
        return None
    draft.put("plan_wanted", False)
    problem = build_problem(draft, site, pricing)
    if problem.fleet.n == 0:
        report.unplanned(draft, site, set())
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
        f"求解进程无结果（{reason_zh(reason)}），继续执行上一计划",
    )


def take_plan(
    draft: Draft, problem: Problem, answer: Solved, site: Site, pricing: Pricing
) -> Telling | None:
    """A solver's answer becomes the running plan, and promises are given from it; what is to be
    told of it, session by session. None: it was no plan.
    """
    energy = answer.planned_kwh
    lowest = -math.inf if problem.microgrid is not None else -POWER_EPSILON_KW
    if energy.size != int(problem.offsets[-1]) or not bool(
        np.all(np.isfinite(energy) & (energy >= lowest))
    ):
        plan_failed(draft, site, "an answer that is no plan")
        return None
    draft.put("solver_lost", False)
    plan = plan_of(problem, answer)
    draft.put("plan", plan)
    weigh(draft, problem, plan, site)
    _promise(draft, site, problem, energy, plan.end_s)
    _tell_flexibility(draft, site, problem, answer)
    periods, currency = pricing.named(draft, problem.horizon)
    telling = Telling(problem, answer, plan, draft.sessions, periods=periods, currency=currency)
    draft.put("told", 0)
    telling.totals(draft, site)
    if answer.lost:
        _by_rule(draft, site, answer.lost)
    return telling


def _promise(
    draft: Draft, site: Site, problem: Problem, energy_kwh: FloatArray, end_s: int
) -> None:
    """What a plan that ends at ``end_s`` promises each session, and what it ends short of."""
    fleet, ids = problem.fleet, problem.fleet.ids
    known = list(map(draft.sessions.get, ids))
    at = np.flatnonzero(np.fromiter(map(bool, known), np.bool_, len(known)))
    records = [record for record in known if record is not None]
    n, requests = len(records), list(map(REQUEST, records))
    asked = np.fromiter(map(ENERGY_KWH, requests), np.float64, n)
    leaves_s = np.fromiter(map(DEPARTURE_S, requests), np.float64, n)
    delivered = np.fromiter(map(DELIVERED_KWH, records), np.float64, n)
    piles = list(map(draft.piles.get, map(PILE, requests), repeat(UNKNOWN_PILE)))
    drawn = since_reading_kwh(piles, records, site, draft.get("mono_s"))
    # One that was never promised anything is not a number.
    before = np.array(list(map(PROMISED_KWH, records)), dtype=np.float64)
    short_before = np.fromiter(map(SHORT_KWH, records), np.float64, n)
    planned = given_kwh(problem, energy_kwh)[at]
    owed = fleet.energy_kwh[at]
    most = problem.most_kwh[at]
    # What the car will likely not take is not planned; it must fit the stay all the same.
    short = np.maximum(owed - planned, 0.0)
    unlikely = asked - delivered - drawn - owed
    short += np.maximum(unlikely - np.maximum(most - planned - short, 0.0), 0.0)
    counts = (delivered < asked - ENERGY_EPSILON_KWH) & (leaves_s < end_s + 1)
    short = np.where(counts, short, 0.0)
    promised = asked - short
    moved = np.isnan(before) | (np.abs(before - promised) > ENERGY_EPSILON_KWH)
    moved |= np.abs(short_before - short) > ENERGY_EPSILON_KWH
    own = draft.own("sessions")
    for k in np.flatnonzero(moved).tolist():
        own[ids[at[k]]] = changed(
            records[k], promised_kwh=float(promised[k]), short_kwh=float(short[k])
        )


def _by_rule(draft: Draft, site: Site, reason: str) -> None:
    """The plan came from the one that stands in for a lost process; a better one is asked for."""
    draft.put("plan_wanted", True)
    report.raise_alert(
        draft,
        "solver_lost",
        site.name,
        f"{reason}; the last plan shifted, or least laxity, serves until a solver answers",
        f"求解进程暂不可用（{reason_zh(reason)}）；在求解恢复前按上一计划顺延或最小松弛度充电",
    )


def _tell_flexibility(draft: Draft, site: Site, problem: Problem, answer: Solved) -> None:
    """What the site could do beside its new plan, where storage or PV is in it."""
    if problem.microgrid is None or answer.assets_kw is None:
        return
    shape = (problem.microgrid.n_assets, problem.horizon.n)
    told = Solution(
        answer.planned_kwh,
        "feasible",
        answer.rung,
        answer.gap,
        answer.work,
        np.asarray(answer.assets_kw, dtype=np.float64).reshape(shape),
    )
    found = offered(problem, told, draft.get("now"), stands_s=window_s(site))
    if found is not None:
        draft.emit(found)
