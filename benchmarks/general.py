"""The general path: plans made anew from the running one after an event, beside HiGHS cold."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.events import Event, cut, goes_on, halves, leaves, plugs_in
from benchmarks.instances import fleet_problem
from benchmarks.latency import host
from benchmarks.microgrids import around
from scheduler.cascade import load_solver
from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution
from scheduler.solvers import general
from scheduler.verify import verify

COLUMNS = (
    "sessions",
    "feature",
    "cold_cpu_ms",
    "cold_by",
    "warm_cpu_ms_p50",
    "warm_cpu_ms_p99",
    "times",
    "changed_sessions_p50",
    "apart_from_highs",
)
_ALL = 10**9
_EVENTS: tuple[Event, ...] = (halves, leaves, plugs_in, cut)


@dataclass(frozen=True)
class Case:
    """One row.

    Parameters
    ----------
    sessions : int
        Size of the fleet.
    giving : float
        Share of its vehicles that give back, 0 to 1.
    events : int
        One after another.
    cold : bool
        Whether HiGHS solves the whole program from nothing; where that takes hours the first
        plan is a fleet's alone, and the same moves take it to the optimum.
    """

    sessions: int
    giving: float
    events: int
    cold: bool = True

    @property
    def feature(self) -> str:
        """Its name in the table."""
        share = {0.0: "", 0.25: "; a quarter gives", 1.0: "; all give"}[self.giving]
        return f"storage, PV, peak{share}"


def cases(quick: bool) -> list[Case]:
    """The rows."""
    found = [Case(200, 0.25, 8), Case(200, 1.0, 8), Case(1_000, 0.0, 8)]
    if quick:
        return found
    return [
        Case(200, 0.25, 40),
        Case(200, 1.0, 40),
        Case(1_000, 0.0, 100),
        Case(1_000, 1.0, 100),
        Case(5_000, 0.25, 40),
        Case(20_000, 0.0, 12),
        Case(20_000, 1.0, 8, cold=False),
    ]


def row(case: Case) -> dict[str, Any]:
    """One fleet: cold, then after each of a chain of events; building and verifying count."""
    fleet = fleet_problem(case.sessions)
    problem = around(fleet, giving_share=case.giving)
    general.forget()
    if not case.cold:
        alone = flow_plan(fleet)
        problem = dataclasses.replace(problem, running_kwh=alone)
    answer, cold_s = _timed(problem)
    rng = np.random.default_rng(0)
    warm, moved, apart = [], [], []
    for k in range(case.events):
        after = goes_on(problem, answer.energy_kwh, _EVENTS[k % len(_EVENTS)](problem, rng))
        found, took = _timed(after)
        if k >= len(_EVENTS):
            warm.append(1e3 * took)
        running = after.running_kwh
        assert running is not None
        other = np.abs(found.energy_kwh - running) > 1e-4
        moved.append(np.unique(after.entry_session[other]).size)
        if case.cold and k in (0, case.events - 1):
            afresh = general.solve(dataclasses.replace(after, running_kwh=None), work_limit=_ALL)
            apart.append(abs(_money(after, found) / _money(after, afresh) - 1.0))
        problem, answer = after, found
    middle = float(np.median(warm))
    return {
        "solver": "general",
        "sessions": case.sessions,
        "feature": case.feature,
        "cold_cpu_ms": 1e3 * cold_s,
        "cold_by": "HiGHS" if case.cold else "moves from the fleet's own plan",
        "warm_cpu_ms_p50": middle,
        "warm_cpu_ms_p99": float(np.quantile(warm, 0.99)),
        "times": 1e3 * cold_s / middle,
        "changed_sessions_p50": float(np.median(moved)),
        "apart_from_highs": max(apart, default=None),
    }


def flow_plan(problem: Problem) -> FloatArray:
    """The plan of a fleet alone, kWh by entry."""
    return load_solver("flow")(problem, work_limit=2**31 - 1).energy_kwh


def _timed(problem: Problem) -> tuple[Solution, float]:
    """An answer, and the CPU seconds that it and its verification took."""
    began = time.process_time()
    answer = general.solve(problem, work_limit=_ALL)
    verdict = verify(problem, answer)
    took = time.process_time() - began
    if not verdict.ok:
        raise RuntimeError(str(verdict))
    return answer, took


def _money(problem: Problem, answer: Solution) -> float:
    return answer.cost(problem) + answer.peak_cost(problem) - answer.stored_value(problem)


def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Rows by size and feature."""
    rows = []
    for case in cases(quick):
        tell(f"{case.sessions} sessions, {case.feature}")
        rows.append(row(case))
    return {"host": host(), "rows": rows}
