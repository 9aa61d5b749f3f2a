"""Minimum powers and steps: the repair of the relaxed plan beside two mixed-integer solvers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.instances import Load, fleet_problem
from models.units import amps_to_kw
from scheduler.holdable import unholdable
from scheduler.problem import Problem
from scheduler.repair import gap_to, repaired
from scheduler.solution import Solution
from scheduler.solvers import cpsat, flow, minimum
from scheduler.verify import verify

COLUMNS = ("rule", "sessions", "load", "hand", "cpu_ms", "gap", "lost_kwh", "unholdable_entries")

_ALL = 2**31 - 1
TIME_S = 20.0
_DC_KW = 20.0
_DC_SHARE = 0.3


def with_minimum(problem: Problem, *, whole_amps: bool) -> Problem:
    """The published fleet as piles are: 6 A single-phase (7.36 kW) and three-phase (11.04 kW), DC
    piles that take 30 to 100 %; whole amps where asked.
    """
    fleet = problem.fleet
    three = (fleet.max_kw > amps_to_kw(32, 230, 1)) & (fleet.max_kw < _DC_KW)
    direct = fleet.max_kw >= _DC_KW
    most = np.where(three, amps_to_kw(16, 230, 3), fleet.max_kw)
    amp = np.where(three, amps_to_kw(1, 230, 3), amps_to_kw(1, 230, 1))
    return dataclasses.replace(
        problem,
        fleet=dataclasses.replace(
            fleet,
            max_kw=most,
            min_kw=np.where(direct, _DC_SHARE * most, 6.0 * amp),
            step_kw=np.where(direct, 0.0, amp) if whole_amps else np.zeros(fleet.n),
        ),
    )


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """CPU time, gap to the relaxed optimum, and energy lost, by size and load."""
    sizes = (50, 200) if quick else (50, 200, 1_000, 5_000)
    loads: tuple[Load, ...] = ("congested",) if quick else ("congested", "short")
    rows = []
    for n in sizes:
        for load in loads:
            for whole_amps in (False, True):
                rule = "minimum and whole amps" if whole_amps else "minimum"
                progress(f"{n} sessions, {load}, {rule}")
                problem = with_minimum(fleet_problem(n, load=load, seed=1), whole_amps=whole_amps)
                limit_s = 4.0 if quick else TIME_S
                rows += _rows(problem, {"rule": rule, "sessions": n, "load": load}, limit_s)
    return {"time_limit_s": 4.0 if quick else TIME_S, "rows": rows}


def _rows(problem: Problem, about: dict[str, Any], limit_s: float) -> list[dict[str, Any]]:
    relaxed = flow.solve(problem, work_limit=_ALL)
    began = time.process_time()
    held = repaired(problem, relaxed)
    out = [about | _row(problem, relaxed, held, "repair", time.process_time() - began)]
    if problem.fleet.n > 1_000:
        return out
    started = dataclasses.replace(problem, running_kwh=held.energy_kwh)
    hands: dict[str, Callable[[], Solution]] = {
        "HiGHS MILP": lambda: minimum.search(started, nodes=_ALL, time_s=limit_s),
        "CP-SAT": lambda: cpsat.search(started, work=_ALL, time_s=limit_s),
    }
    for hand, solve in hands.items():
        began = time.process_time()
        answer = solve()
        took = time.process_time() - began
        out.append(about | _row(problem, relaxed, answer, hand, took))
    return out


def _row(
    problem: Problem, relaxed: Solution, answer: Solution, hand: str, took_s: float
) -> dict[str, Any]:
    return {
        "hand": hand,
        "cpu_ms": 1000.0 * took_s,
        "gap": gap_to(problem, answer.energy_kwh, relaxed),
        "cost": answer.cost(problem),
        "lost_kwh": float(relaxed.energy_kwh.sum() - answer.energy_kwh.sum()),
        "unholdable_entries": int(unholdable(problem, answer.energy_kwh).sum()),
        "verified": verify(problem, answer).ok,
        "threads": 1,
    }
