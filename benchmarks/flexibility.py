"""Published flexibility taken at its word, a hundred times at random instants.

The site runs by its own forecasts and the drivers' words. At a random instant somebody takes one
slot of what it published last, up or down, as a mandatory series of one slot; from there the days
go on twice, and the meter says whether it was delivered. Beside it stands what the general program
could have given in that slot with the truth about load, sun and the sessions that are there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.simulate import RUNGS
from benchmarks.microgrid import registers_of
from benchmarks.microgrid_case import CASES, ZONE, Case, depot_of, read_case
from benchmarks.microgrid_forecasts import forecasts
from models.events import DemandCalled, ForecastPushed
from models.horizon import UTC, instant_of
from models.site_rules import ResponseRule
from scheduler.calls import CallTerm
from scheduler.cascade import load_solver
from scheduler.draft import Draft
from scheduler.effects import Effect, FlexibilityOffered
from scheduler.engine import Engine
from scheduler.planning import build_problem
from scheduler.pricing import Pricing, no_books
from scheduler.state import SiteState

FIRST_DAY, DAYS = datetime(2019, 5, 14, tzinfo=ZONE), 3
SEED = 7
LEAST_KW = 5.0
"""Less is no offer that anybody takes."""

TELEMETRY_S = 60.0
"""As meters and piles speak; what they said last counts until they speak again."""

AHEAD = 8
"""The slot taken begins within so many quarter hours."""

DELIVERED = 0.98
"""Of what was taken, by meter."""

PAY = 1000.0


@dataclass(frozen=True)
class Moment:
    """One instant of the run: the depot and the engine as they stood, and the last offer."""

    at_s: float
    depot: VirtualDepot
    state: SiteState
    offer: FlexibilityOffered


def trial(
    data: Path,
    *,
    times: int = 100,
    first_day: datetime = FIRST_DAY,
    seed: int = SEED,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Take what was published, so many times.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    times : int
        Instants.
    first_day : datetime
        The first of three days.
    seed : int
        Of the instants and of what is taken.
    tell : callable
        Told what is being done.
    """
    case = read_case(data, CASES[0], first_day, first_day + timedelta(days=DAYS))
    site = replace(case.site, response=ResponseRule(), telemetry_period_s=TELEMETRY_S)
    case = replace(case, site=site)
    rng = np.random.default_rng(seed)
    span = case.end.timestamp() - case.start.timestamp()
    wanted = np.sort(case.start.timestamp() + rng.uniform(0.05, 0.93, times) * span)
    tell(f"{DAYS} days, {times} instants")
    rows = []
    for number, moment in enumerate(_moments(case, wanted)):
        row = _taken(case, moment, rng)
        if row is not None:
            rows.append(row)
        if number % 20 == 19:
            tell(f"{number + 1} instants")
    offered = sum(r["offered_kw"] for r in rows)
    attainable = sum(r["attainable_kw"] for r in rows)
    failed = [r for r in rows if not r["kept"]]
    return {
        "first_day": f"{first_day:%Y-%m-%d}",
        "seed": seed,
        "taken": len(rows),
        "delivered": len(rows) - len(failed),
        "offered_kwh": round(offered / 4.0, 1),
        "attainable_kwh": round(attainable / 4.0, 1),
        "share_of_attainable": round(offered / max(attainable, 1e-9), 4),
        "by_direction": {
            name: {
                "taken": sum(r["direction"] == name for r in rows),
                "share_of_attainable": round(
                    sum(r["offered_kw"] for r in rows if r["direction"] == name)
                    / max(sum(r["attainable_kw"] for r in rows if r["direction"] == name), 1e-9),
                    4,
                ),
            }
            for name in ("up", "down")
        },
        "exceeded_s": max((r["exceeded_s"] for r in rows), default=0),
        "failed": failed,
    }


def _moments(case: Case, wanted: np.ndarray) -> list[Moment]:
    """The run once through, copied at each of the instants."""
    depot = depot_of(case, case.told, forecasts(case, truth=False, banded=True))
    found: list[Moment] = []
    last: list[FlexibilityOffered] = []

    def watch(_: float, effect: Effect) -> None:
        if isinstance(effect, FlexibilityOffered):
            last[:] = [effect]

    def after(at: float, state: SiteState) -> None:
        while len(found) < wanted.size and at >= wanted[len(found)]:
            found.append(Moment(at, copy.deepcopy(depot), state, last[0]))

    run(
        Engine(case.site, case.tariff),
        depot,
        until_s=case.end.timestamp(),
        solve=cascade_of(*RUNGS),
        watch=watch,
        after=after,
    )
    return found


def _taken(case: Case, moment: Moment, rng: np.random.Generator) -> dict[str, Any] | None:
    """One slot of the offer is taken; None where nothing worth taking was offered."""
    at = moment.at_s
    ahead = [s for s in moment.offer.slots if s.start.timestamp() > at + 1.0][:AHEAD]
    sizes = [(s, d, getattr(s, f"{d}_kw")) for s in ahead for d in ("up", "down")]
    sizes = [x for x in sizes if x[2] >= LEAST_KW and x[0].start.timestamp() % 900 == 0]
    if not sizes:
        return None
    slot, direction, size = sizes[int(rng.integers(len(sizes)))]
    start, end = slot.start, slot.start + timedelta(minutes=15)
    sign = 1.0 if direction == "up" else -1.0
    target = slot.plan_kw + sign * size
    now = instant_of(int(at))
    called = DemandCalled(
        now=now,
        mono_s=at - moment.depot.start_s,
        stamp=(1, 1),
        issued_at=now,
        event="taken",
        start=start,
        end=end,
        kind="follow",
        power_kw=target,
        mandatory=True,
    )
    attainable = _attainable_kw(case, moment, slot.start, slot.plan_kw, sign)
    engine = Engine(case.site, case.tariff)
    state, _, _ = engine.receive(moment.state, [called])
    trace = run(
        engine,
        moment.depot,
        until_s=end.timestamp() + 1.0,
        solve=cascade_of(*RUNGS),
        state=replace(state, plan_wanted=True),
    )
    metered = registers_of(trace, start.timestamp(), end.timestamp())
    drawn = float((metered.import_kwh - metered.export_kwh)[0]) * 4.0
    given = sign * (drawn - slot.plan_kw)
    return {
        "at": now.astimezone(ZONE).isoformat(),
        "slot": start.astimezone(ZONE).isoformat(),
        "direction": direction,
        "offered_kw": round(size, 2),
        "given_kw": round(given, 2),
        "attainable_kw": round(max(attainable, 0.0), 2),
        "kept": given >= DELIVERED * size,
        "exceeded_s": trace.verdicts[0].judged_s,
    }


def _attainable_kw(
    case: Case, moment: Moment, start: datetime, level_kw: float, sign: float
) -> float:
    """How far from the plan the truth could have gone in that slot, kW."""
    state = _told_the_truth(case, moment)
    problem = build_problem(Draft(state), case.site, Pricing(case.site, case.tariff, no_books))
    assert problem.microgrid is not None
    edges = problem.horizon.edges_s
    inside = (edges[:-1] >= start.timestamp()) & (edges[1:] <= start.timestamp() + 900.0)
    level = np.where(inside, level_kw, np.nan)
    endless = np.full(problem.horizon.n, np.inf)
    over, under = (-PAY, PAY) if sign > 0 else (PAY, -PAY)
    term = CallTerm("most", level, over, endless, under, endless)
    wanted = replace(problem, microgrid=replace(problem.microgrid, calls=(term,)))
    answer = load_solver("general")(wanted, work_limit=2_000_000)
    reached = answer.root_kw(wanted)[inside]
    weight = np.diff(edges)[inside]
    return sign * (float(np.average(reached, weights=weight)) - level_kw)


def _told_the_truth(case: Case, moment: Moment) -> SiteState:
    """The state with true forecasts, and the true departure and energy of who is there."""
    state = moment.state
    true = {v.session: v for v in case.vehicles}
    sessions = {}
    for name, record in state.sessions.items():
        vehicle = true.get(name)
        if vehicle is None or not vehicle.words:
            continue
        request = vehicle.words[0][1]
        sessions[name] = replace(record, request=request)
    forecast = {}
    for name, series in (("base-transformer", case.base), ("pv-pv", case.sun)):
        k = series.at(moment.at_s)
        forecast[name] = ForecastPushed(
            now=state.now,
            mono_s=state.mono_s,
            stamp=(1, 1),
            issued_at=state.now,
            series=name,
            start=instant_of(int(series.starts_s(k, 1)[0])).astimezone(UTC),
            slot_minutes=series.step_s // 60,
            values=tuple(series.values_kw[k : k + 120].tolist()),
        )
    return replace(state, sessions=sessions, forecasts=forecast)
