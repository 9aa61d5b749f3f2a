"""How long a plan takes: size, load, tariff shape and feature, ours and the general solvers."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.events import Event, cut, halves, leaves, plugs_in
from benchmarks.instances import SHAPES, Load, Shape, fleet_problem
from scheduler.cascade import load_again, load_solver
from scheduler.problem import Problem
from scheduler.solvers.flow_kernel.run import Run
from scheduler.verify import verify

_ALL = 2**31 - 1
_FLOWS = ("flow", "flow_fair")


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Parameters
    ----------
    solver : str
        File in ``scheduler/solvers/``.
    sessions : int
        Size.
    load, shape : str
        As in :func:`benchmarks.instances.fleet_problem`.
    feature : str
        ``plain``, ``partial first slot``, ``flat tree``, ``surplus``, ``one event``, one of
        :data:`DAYS` or one of :data:`EVENTS`.
    repeats : int
        Times measured after one that is not.
    """

    solver: str
    sessions: int
    load: Load = "congested"
    shape: Shape = "five-level"
    feature: str = "plain"
    repeats: int = 15


def cases(quick: bool) -> Iterator[Case]:
    """The rows: the flow in every direction, the general solvers where they finish."""
    sizes = (50, 200, 1_000) if quick else (50, 200, 1_000, 5_000, 20_000)
    loads: tuple[Load, ...] = ("light", "medium", "congested", "short")
    for n in sizes:
        for load in loads:
            yield Case("flow", n, load, repeats=_repeats(n, quick))
    for shape in SHAPES:
        for n in sizes[-2:]:
            yield Case("flow", n, shape=shape, repeats=_repeats(n, quick))
    for feature in ("partial first slot", "flat tree", "surplus", "one event", *DAYS):
        for n in sizes[-2:]:
            yield Case("flow", n, feature=feature, repeats=_repeats(n, quick))
    for feature in EVENTS:
        for n in sizes[-3:]:
            yield Case("flow", n, feature=feature, repeats=_event_repeats(n, quick))
    for n in sizes:
        yield Case("flow_fair", n, "short", repeats=_repeats(n, quick))
        large = n > 1_000
        yield Case("greedy", n, repeats=1 if large else 3)
        yield Case("highs", n, repeats=1 if large else 3)
        yield Case("mincost", n, repeats=1 if large else 3)


DAYS = {"day of 23 hours": 23, "day of 25 hours": 25, "three days": 72}
"""Horizons of another length, hours: clocks change, or the plan looks further."""

EVENTS: dict[str, Event] = {
    "mended: energy halved": halves,
    "mended: early leave": leaves,
    "mended: plug-in": plugs_in,
    "mended: limit cut": cut,
}
"""One event after another, each mended from what the solve before left."""


def _event_repeats(n: int, quick: bool) -> int:
    return (10 if quick else 25) if n > 1_000 else (25 if quick else 101)


def _repeats(n: int, quick: bool) -> int:
    return (5 if quick else 15) if n > 1_000 else (15 if quick else 101)


def problem_for(case: Case) -> Problem:
    """The instance of a row."""
    late = 7 if case.feature == "partial first slot" else 0
    problem = fleet_problem(
        case.sessions,
        load=case.load,
        shape=case.shape,
        seed=1,
        late_minutes=late,
        hours=DAYS.get(case.feature, 24),
    )
    if case.feature == "flat tree":
        fleet = dataclasses.replace(problem.fleet, node=np.zeros(problem.fleet.n, dtype=np.int64))
        return dataclasses.replace(
            problem,
            fleet=fleet,
            node_ids=problem.node_ids[:1],
            parent=problem.parent[:1],
            cap_kw=problem.cap_kw[:1],
        )
    if case.feature == "surplus":
        hour = np.arange(problem.horizon.n) / 4 + 6
        sun = np.maximum(np.sin((hour - 6) / 13 * np.pi), 0.0) * (hour < 19)
        surplus = np.round(2.0 * case.sessions * sun, 3)
        return dataclasses.replace(
            problem, surplus_kw=surplus, sell_per_kwh=np.full(hour.size, 0.2)
        )
    return problem


def one_event(problem: Problem, seed: int) -> Problem:
    """The problem with its own plan running, after one driver halved what is owed."""
    plan = load_solver("flow")(problem, work_limit=_ALL).energy_kwh
    i = int(np.random.default_rng(seed).integers(problem.fleet.n))
    energy = problem.fleet.energy_kwh.copy()
    energy[i] = round(energy[i] / 2, 2)
    fleet = dataclasses.replace(problem.fleet, energy_kwh=energy, asked_kwh=energy)
    return dataclasses.replace(problem, fleet=fleet, running_kwh=plan)


def measure_events(case: Case) -> dict[str, Any]:
    """Time a chain of events; ``full_...`` are the same problems solved afresh."""
    again, afresh = load_again(case.solver), load_solver(case.solver)
    if again is None:
        raise ValueError(f"{case.solver} remembers nothing")
    rng, problem = np.random.default_rng(1), problem_for(case)
    first = problem
    _, memory = again(problem, None, work_limit=_ALL)
    times: dict[str, list[float]] = {"wall": [], "cpu": [], "full": []}
    for _ in range(case.repeats + 2):
        problem = EVENTS[case.feature](problem, rng)
        begun, begun_cpu = time.perf_counter(), time.process_time()
        answer, memory = again(problem, memory, work_limit=_ALL)
        times["cpu"].append(1e3 * (time.process_time() - begun_cpu))
        times["wall"].append(1e3 * (time.perf_counter() - begun))
        fresh = dataclasses.replace(problem)
        begun_cpu = time.process_time()
        afresh(fresh, work_limit=_ALL)
        times["full"].append(1e3 * (time.process_time() - begun_cpu))
    if not verify(problem, answer).ok:
        raise RuntimeError(f"{case}: {verify(problem, answer)}")
    wall, cpu, full = times["wall"][2:], times["cpu"][2:], times["full"][2:]
    return {
        "solver": case.solver,
        "sessions": first.fleet.n,
        "slots": first.horizon.n,
        "load": case.load,
        "shape": case.shape,
        "feature": case.feature,
        "solve_ms_p50": float(np.median(wall)),
        "solve_cpu_ms_p50": float(np.median(cpu)),
        "solve_ms_p99": float(np.quantile(wall, 0.99)),
        "solve_cpu_ms_p99": float(np.quantile(cpu, 0.99)),
        "full_cpu_ms_p50": float(np.median(full)),
        "full_cpu_ms_p99": float(np.quantile(full, 0.99)),
        "times_faster": float(np.median(full) / np.median(cpu)),
        "repeats": len(cpu),
        "cost": answer.cost(problem),
        "short_kwh": float(answer.short_kwh(problem).sum()),
        "status": answer.status,
    }


def _built_ms(problem: Problem) -> float:
    """What a problem takes until it stands in the kernel's arrays, which ``solve_ms`` contains."""
    problem = dataclasses.replace(problem)
    begun = time.perf_counter()
    Run(problem, "flow", _ALL, fair=False)
    return 1e3 * (time.perf_counter() - begun)


def measure(case: Case) -> dict[str, Any]:
    """Time one row: ``solve`` holds the building of arrays, ``build`` is that part alone."""
    if case.feature in EVENTS:
        return measure_events(case)
    solve = load_solver(case.solver)
    base = problem_for(case)
    build_ms, solve_ms, cpu_ms, verify_ms = [], [], [], []
    answer, problem = None, base
    for repeat in range(case.repeats + 1):
        fresh = one_event(base, repeat) if case.feature == "one event" else base
        problem = dataclasses.replace(fresh)
        begun, begun_cpu = time.perf_counter(), time.process_time()
        answer = solve(problem, work_limit=_ALL)
        solved, solved_cpu = time.perf_counter(), time.process_time()
        verdict = verify(problem, answer)
        verified = time.perf_counter()
        if not verdict.ok:
            raise RuntimeError(f"{case}: {verdict}")
        if repeat or case.repeats == 1:
            if case.solver in _FLOWS:
                build_ms.append(_built_ms(fresh))
            solve_ms.append(1e3 * (solved - begun))
            cpu_ms.append(1e3 * (solved_cpu - begun_cpu))
            verify_ms.append(1e3 * (verified - solved))
        if case.repeats == 1:
            break
    assert answer is not None
    return {
        "solver": case.solver,
        "sessions": case.sessions,
        "slots": problem.horizon.n,
        "load": case.load,
        "shape": case.shape,
        "feature": case.feature,
        "solve_ms_p50": float(np.median(solve_ms)),
        "solve_cpu_ms_p50": float(np.median(cpu_ms)),
        "solve_ms_p99": float(np.quantile(solve_ms, 0.99)),
        "build_ms_p50": float(np.median(build_ms)) if build_ms else None,
        "verify_ms_p50": float(np.median(verify_ms)),
        "verify_ms_p99": float(np.quantile(verify_ms, 0.99)),
        "repeats": len(solve_ms),
        "cost": answer.cost(problem),
        "short_kwh": float(answer.short_kwh(problem).sum()),
        "status": answer.status,
    }


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """All rows, and how many times faster the flow is where another solver ran beside it.

    Parameters
    ----------
    quick : bool
        Up to 1,000 sessions, under a minute.
    progress : callable
        Told a line before each row.
    """
    load_solver("flow")(fleet_problem(300, load="short"), work_limit=_ALL)
    rows = []
    for case in cases(quick):
        progress(f"{case.solver}, {case.sessions} sessions, {case.load}, {case.feature}")
        rows.append(measure(case))
    return {"host": host(), "rows": rows, "times_faster": ratios(rows)}


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Median CPU time of each general solver over the flow's, congested load, five levels.

    CPU time, since on a machine that does other work too wall time measures the others.
    """
    plain = {
        (r["solver"], r["sessions"]): r["solve_cpu_ms_p50"]
        for r in rows
        if (r["load"], r["shape"], r["feature"]) == ("congested", "five-level", "plain")
    }
    return {
        f"{solver}_{n}": ms / plain["flow", n]
        for (solver, n), ms in plain.items()
        if solver in ("highs", "mincost") and ("flow", n) in plain
    }


def host() -> dict[str, Any]:
    """Where the figures come from; every solver here runs on one thread."""
    packages = ("numpy", "numba", "highspy", "ortools")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": 1,
        "packages": {name: version(name) for name in packages},
    }
