"""How much a plan changes: without news (nothing should), and after one driver's change."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.instances import fleet_problem
from benchmarks.latency import one_event
from scheduler.cascade import load_solver, run_cascade
from scheduler.problem import Problem

_ALL = 2**31 - 1
_SAME_KWH = 1e-6


def sessions_changed(problem: Problem, before: np.ndarray, after: np.ndarray) -> int:
    """Sessions whose plan differs anywhere."""
    moved = np.abs(after - before) > _SAME_KWH
    return int(np.unique(problem.entry_session[moved]).size)


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Sessions whose plan changes, for the flow and for HiGHS, told the running plan."""
    rows = []
    for n in (50, 200) if quick else (50, 200, 1_000):
        for solver in ("flow", "highs"):
            progress(f"{solver}, {n} sessions")
            rows.append(_row(n, solver, events=10 if quick else 25))
    return {"rows": rows}


def _row(n: int, solver: str, events: int) -> dict[str, Any]:
    problem = fleet_problem(n, load="congested", seed=2)
    rungs = [(solver, load_solver(solver))]
    plan = run_cascade(problem, rungs, _ALL).energy_kwh
    same = dataclasses.replace(problem, running_kwh=plan)
    again = run_cascade(same, rungs, _ALL).energy_kwh
    changed = []
    for seed in range(events):
        after = one_event(problem, seed)
        after = dataclasses.replace(after, running_kwh=plan)
        answer = run_cascade(after, rungs, _ALL).energy_kwh
        changed.append(sessions_changed(problem, plan, answer))
    return {
        "solver": solver,
        "sessions": n,
        "changed_without_news": sessions_changed(problem, plan, again),
        "changed_per_event_p50": float(np.median(changed)),
        "changed_per_event_max": int(max(changed)),
        "events": events,
    }
