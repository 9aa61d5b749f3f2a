"""Even power where the price is even: steps in the flow beside the quadratic program."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.instances import fleet_problem
from scheduler.problem import Problem
from scheduler.smooth import Smooth
from scheduler.solution import drawn_kwh
from scheduler.solvers import cvx, flow

COLUMNS = ("sessions", "hand", "cpu_ms", "above_least", "peak_kw", "dearer")

_ALL = 2**31 - 1
_ROUNDS = 5
STEPS = (10, 20, 64)


def in_steps(problem: Problem, steps: int) -> Problem:
    """The published fleet, to be evened out in so many steps up to its connection's limit."""
    step_kw = float(problem.cap_kw[0].max()) / steps
    nothing = np.zeros(problem.horizon.n, dtype=np.int64)
    return dataclasses.replace(problem, smooth=Smooth(step_kw, steps, nothing))


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """CPU time, sum of squares above the least, peak and money, by size and hand."""
    rows: list[dict[str, Any]] = []
    for n in (50, 200) if quick else (50, 200, 1_000, 5_000):
        progress(f"{n} sessions")
        rows += _rows(fleet_problem(n, load="congested", seed=1))
    return {"rows": rows}


def _rows(problem: Problem) -> list[dict[str, Any]]:
    plain = flow.solve(problem, work_limit=_ALL)
    plans = [("early, as without it", *_timed(problem))]
    plans += [(f"flow in {k} steps", *_timed(in_steps(problem, k))) for k in STEPS]
    asked = in_steps(problem, STEPS[-1])
    smooth = asked.smooth
    assert smooth is not None
    if problem.entry_slot.size <= cvx.EVEN_ENTRIES:
        began = time.thread_time()
        program = cvx.Evening(asked, smooth)
        energy = program.of(plain.energy_kwh)
        plans.append(("cvxpy, Clarabel", energy, time.thread_time() - began))
        began = time.thread_time()
        energy = program.of(plain.energy_kwh)
        plans.append(("the same again, parameters set", energy, time.thread_time() - began))
    slot_h, price = problem.horizon.slot_h, problem.buy_per_kwh[problem.entry_slot]
    squares = [smooth.square(problem.entry_slot, slot_h, e) for _, e, _ in plans]
    least, cost = min(squares), float(price @ plain.energy_kwh)
    return [
        {
            "sessions": problem.fleet.n,
            "hand": hand,
            "cpu_ms": 1000.0 * took_s,
            "above_least": square / least - 1.0,
            "peak_kw": _peak_kw(problem, energy),
            "dearer": float(price @ energy) / cost - 1.0,
            "threads": 1,
        }
        for (hand, energy, took_s), square in zip(plans, squares, strict=True)
    ]


def _timed(problem: Problem) -> tuple[np.ndarray, float]:
    """The flow's plan and the median of its CPU time, s."""
    took = []
    for _ in range(_ROUNDS):
        began = time.thread_time()
        answer = flow.solve(problem, work_limit=_ALL)
        took.append(time.thread_time() - began)
    return answer.energy_kwh, float(np.median(took))


def _peak_kw(problem: Problem, energy_kwh: np.ndarray) -> float:
    return float((drawn_kwh(problem, energy_kwh) / problem.horizon.slot_h).max())
