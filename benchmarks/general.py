"""The general path: a plan made anew after one event, beside HiGHS from nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.instances import fleet_problem
from benchmarks.microgrids import around, one_changed
from scheduler.problem import Problem
from scheduler.solvers import general
from scheduler.verify import verify

COLUMNS = (
    "sessions",
    "feature",
    "cold_cpu_ms",
    "warm_cpu_ms_p50",
    "times",
    "changed_sessions_p50",
    "warm_work_p50",
)


def row(problem: Problem, feature: str, *, events: int) -> dict[str, Any]:
    """One fleet: cold, then after each of some events, building and verifying included in both."""
    general.forget()
    began = time.process_time()
    last = general.solve(problem, work_limit=10**9)
    if not verify(problem, last).ok:
        raise AssertionError(str(verify(problem, last)))
    cold = time.process_time() - began
    warm, work, moved = [], [], []
    for k in range(events):
        problem = one_changed(problem, seed=k)
        began = time.process_time()
        answer = general.solve(problem, work_limit=10**9)
        if not verify(problem, answer).ok:
            raise AssertionError(str(verify(problem, answer)))
        warm.append(time.process_time() - began)
        work.append(answer.work)
        apart = np.abs(answer.energy_kwh - last.energy_kwh) > 1e-4
        moved.append(np.unique(problem.entry_session[apart]).size)
        last = answer
    middle = float(np.median(warm))
    return {
        "sessions": problem.fleet.n,
        "feature": feature,
        "cold_cpu_ms": 1e3 * cold,
        "warm_cpu_ms_p50": 1e3 * middle,
        "warm_cpu_ms_p99": 1e3 * float(np.quantile(warm, 0.99)),
        "times": cold / middle,
        "changed_sessions_p50": float(np.median(moved)),
        "warm_work_p50": float(np.median(work)),
    }


def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Rows by size and feature."""
    sizes: tuple[tuple[int, float, str], ...] = (
        (200, 0.25, "storage, PV, peak; a quarter gives"),
        (200, 1.0, "storage, PV, peak; all give"),
        (1_000, 0.0, "storage, PV, peak"),
    )
    if not quick:
        sizes += (
            (1_000, 1.0, "storage, PV, peak; all give"),
            (5_000, 0.25, "storage, PV, peak; a quarter gives"),
        )
    rows = []
    for n, share, feature in sizes:
        tell(f"{n} sessions, {feature}")
        problem = around(fleet_problem(n), giving_share=share)
        rows.append(row(problem, feature, events=5 if quick else 15))
    return {"rows": rows}
