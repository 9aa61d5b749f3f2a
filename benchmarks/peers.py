"""The same problems in the hands a user would otherwise take, each as its users write it.

One formulation, several tools: energy of every session in every slot of its stay, what is owed
as an equality with a dear slack, every node's limit in every slot. ``adaptive charging`` states
what adacharge hands to ECOS: a conic objective on a dense matrix of rates; its three-phase cones
have no counterpart in a tree of kW limits, so it is told without them, to its advantage.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.instances import fleet_problem
from benchmarks.latency import host
from scheduler.cascade import load_solver
from scheduler.problem import FloatArray, Problem

_ALL = 2**31 - 1
_DEAR = 10.0
LARGE = 20_000
CUT_OFF_S = 40.0
"""Of the wall clock, for one hand at the largest size: all of them within ten minutes."""

_BROUGHT_BY = "pip install 'valleyfill[bench]' brings it"

Peer = Callable[[Problem], FloatArray]


def own(name: str) -> Peer:
    """One of our solvers."""
    solve = load_solver(name)
    return lambda problem: solve(problem, work_limit=_ALL).energy_kwh


def _below(problem: Problem, v: int) -> list[int]:
    end = int(problem.subtree_end[v])
    return [i for i in range(problem.fleet.n) if v <= int(problem.fleet.node[i]) < end]


def _keys(problem: Problem) -> list[tuple[int, int]]:
    pairs = zip(problem.entry_session.tolist(), problem.entry_slot.tolist(), strict=True)
    return list(pairs)


def with_pulp(problem: Problem) -> FloatArray:
    """PuLP with HiGHS: one named variable an entry, sums by ``lpSum``."""
    import pulp

    keys = _keys(problem)
    upper = dict(zip(keys, problem.upper_kwh.tolist(), strict=True))
    model = pulp.LpProblem("charging", pulp.LpMinimize)
    energy = {k: pulp.LpVariable(f"e_{k[0]}_{k[1]}", 0, upper[k]) for k in keys}
    short = [pulp.LpVariable(f"s_{i}", 0) for i in range(problem.fleet.n)]
    price = problem.buy_per_kwh.tolist()
    model += pulp.lpSum(price[t] * e for (_, t), e in energy.items()) + _DEAR * pulp.lpSum(short)
    of: dict[int, list[Any]] = {i: [] for i in range(problem.fleet.n)}
    for (i, _), e in energy.items():
        of[i].append(e)
    for i in range(problem.fleet.n):
        model += pulp.lpSum(of[i]) + short[i] == float(problem.fleet.energy_kwh[i])
    for v in range(len(problem.node_ids)):
        inside = _below(problem, v)
        for t in range(problem.horizon.n):
            terms = [energy[i, t] for i in inside if (i, t) in energy]
            if terms:
                cap = float(problem.cap_kw[v, t] * problem.horizon.slot_h[t])
                model += pulp.lpSum(terms) <= cap
    model.solve(pulp.HiGHS(msg=False, threads=1))
    return np.array([energy[k].value() for k in keys])


def with_pyomo(problem: Problem) -> FloatArray:
    """Pyomo with HiGHS through APPSI, rules by index."""
    import pyomo.environ as pyo
    from pyomo.contrib.appsi.solvers import Highs

    keys = _keys(problem)
    upper = dict(zip(keys, problem.upper_kwh.tolist(), strict=True))
    price = problem.buy_per_kwh.tolist()
    n, t_all = problem.fleet.n, range(problem.horizon.n)
    model = pyo.ConcreteModel()
    model.e = pyo.Var(keys, bounds=lambda _, i, t: (0, upper[i, t]))
    model.s = pyo.Var(range(n), bounds=(0, None))
    model.cost = pyo.Objective(
        expr=sum(price[t] * model.e[i, t] for i, t in keys)
        + _DEAR * sum(model.s[i] for i in range(n))
    )
    of: dict[int, list[int]] = {i: [] for i in range(n)}
    for i, t in keys:
        of[i].append(t)
    model.owed = pyo.Constraint(
        range(n),
        rule=lambda m, i: (
            sum(m.e[i, t] for t in of[i]) + m.s[i] == float(problem.fleet.energy_kwh[i])
        ),
    )
    inside = [_below(problem, v) for v in range(len(problem.node_ids))]
    present = set(keys)

    def limit(m: Any, v: int, t: int) -> Any:
        terms = [m.e[i, t] for i in inside[v] if (i, t) in present]
        cap = float(problem.cap_kw[v, t] * problem.horizon.slot_h[t])
        return sum(terms) <= cap if terms else pyo.Constraint.Skip

    model.limit = pyo.Constraint(range(len(problem.node_ids)), t_all, rule=limit)
    solver = Highs()
    solver.highs_options = {"threads": 1}
    solver.solve(model)
    return np.array([model.e[k].value for k in keys])


def with_linopy(problem: Problem) -> FloatArray:
    """linopy with HiGHS: dense arrays of sessions by slots, as its vectors want it."""
    import linopy
    import xarray as xr

    n, t = problem.fleet.n, problem.horizon.n
    upper = np.zeros((n, t))
    upper[problem.entry_session, problem.entry_slot] = problem.upper_kwh
    sessions, slots = np.arange(n), np.arange(t)
    coords = {"session": sessions, "slot": slots}
    model = linopy.Model()
    energy = model.add_variables(
        lower=0, upper=xr.DataArray(upper, coords, ("session", "slot")), name="energy"
    )
    short = model.add_variables(lower=0, coords=[("session", sessions)], name="short")
    owed = xr.DataArray(problem.fleet.energy_kwh, {"session": sessions}, ("session",))
    model.add_constraints(energy.sum("slot") + short == owed)
    for v in range(len(problem.node_ids)):
        inside = _below(problem, v)
        cap = problem.cap_kw[v] * problem.horizon.slot_h
        total = energy.sel(session=inside).sum("session")
        model.add_constraints(total <= xr.DataArray(cap, {"slot": slots}, ("slot",)))
    price = xr.DataArray(problem.buy_per_kwh, {"slot": slots}, ("slot",))
    model.add_objective((energy * price).sum() + _DEAR * short.sum())
    model.solve(solver_name="highs", io_api="direct", output_flag=False, threads=1)
    plan = energy.solution.values
    return np.asarray(plan[problem.entry_session, problem.entry_slot])


def _by_cvxpy(problem: Problem, solver: str) -> FloatArray:
    import cvxpy as cp

    n, t = problem.fleet.n, problem.horizon.n
    upper = np.zeros((n, t))
    upper[problem.entry_session, problem.entry_slot] = problem.upper_kwh
    energy, short = cp.Variable((n, t)), cp.Variable(n)
    bounds = [energy >= 0, energy <= upper, short >= 0]
    bounds.append(cp.sum(energy, axis=1) + short == problem.fleet.energy_kwh)
    for v in range(len(problem.node_ids)):
        total = cp.sum(energy[_below(problem, v), :], axis=0)
        bounds.append(total <= problem.cap_kw[v] * problem.horizon.slot_h)
    cost = cp.sum(energy @ problem.buy_per_kwh) + _DEAR * cp.sum(short)
    cp.Problem(cp.Minimize(cost), bounds).solve(solver=solver)
    return np.asarray(energy.value[problem.entry_session, problem.entry_slot])


def with_cvxpy_highs(problem: Problem) -> FloatArray:
    """cvxpy with HiGHS: a dense matrix variable."""
    return _by_cvxpy(problem, "HIGHS")


def with_cvxpy_clarabel(problem: Problem) -> FloatArray:
    """cvxpy with Clarabel."""
    return _by_cvxpy(problem, "CLARABEL")


def adaptive_charging(problem: Problem) -> FloatArray:
    """Adacharge's formulation: rates in a dense matrix, one constraint a session, ECOS."""
    import cvxpy as cp

    n, t = problem.fleet.n, problem.horizon.n
    rates = cp.Variable((n, t))
    upper = np.zeros((n, t))
    upper[problem.entry_session, problem.entry_slot] = problem.upper_kwh
    bounds = []
    for i in range(n):
        bounds += [rates[i, :] >= 0, rates[i, :] <= upper[i]]
        bounds.append(cp.sum(rates[i, :]) <= float(problem.fleet.energy_kwh[i]))
    for v in range(len(problem.node_ids)):
        weights = np.zeros((1, n))
        weights[0, _below(problem, v)] = 1.0
        cap = (problem.cap_kw[v] * problem.horizon.slot_h)[None, :]
        bounds.append(weights @ rates <= cap)
    gain = cp.sum(rates @ (_DEAR - problem.buy_per_kwh))
    # cvxpy itself would say that the solver is missing, and not which package brings it.
    import_module("ecos")
    cp.Problem(cp.Maximize(gain), bounds).solve(solver=cp.ECOS)
    return np.asarray(rates.value[problem.entry_session, problem.entry_slot])


PEERS: dict[str, tuple[Peer, int]] = {
    "pulp, HiGHS": (with_pulp, 1_000),
    "pyomo, HiGHS": (with_pyomo, 1_000),
    "linopy, HiGHS": (with_linopy, 1_000),
    "cvxpy, HiGHS": (with_cvxpy_highs, 1_000),
    "cvxpy, Clarabel": (with_cvxpy_clarabel, 1_000),
    "adaptive charging, ECOS": (adaptive_charging, 1_000),
}
"""What is measured beside ours, and the largest size that it is asked."""


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time and objective of each hand on congested fleets; a missing tool is named, not hidden."""
    hands = _hands()
    own("flow")(fleet_problem(300, load="short"))
    rows = []
    for n in (50, 200) if quick else (50, 200, 1_000):
        problem = fleet_problem(n, load="congested", seed=1)
        for name, (peer, largest) in hands.items():
            if n <= largest:
                progress(f"{name}, {n} sessions")
                rows.append(_row(name, peer, problem, repeats=5 if name == "flow" else 1))
    if not quick:
        for name in hands:
            progress(f"{name}, {LARGE:,} sessions, {CUT_OFF_S:g} s at most")
            rows.append(_cut_off(name))
    return {"host": host(), "cut_off_s": CUT_OFF_S, "rows": rows}


def _hands() -> dict[str, tuple[Peer, int]]:
    return {
        "flow": (own("flow"), 1_000),
        "highspy": (own("highs"), 1_000),
        "OR-tools min-cost flow": (own("mincost"), 1_000),
        "greedy": (own("greedy"), 1_000),
    } | PEERS


def _cut_off(name: str) -> dict[str, Any]:
    """The row of a hand at the largest size, in a process that is ended when it takes too long."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_large, args=(theirs, name), daemon=True)
    process.start()
    theirs.close()
    found: dict[str, Any] = {"hand": name, "sessions": LARGE, "wall_ms": float("nan"),
                             "cpu_ms": float("nan"), "cost": float("nan")}  # fmt: skip
    try:
        # Loading the tool, and its small problem before, are not its time.
        if ours.poll(CUT_OFF_S) and ours.recv() == "begun" and ours.poll(CUT_OFF_S):
            found = ours.recv()
        else:
            found["cut_off_s"] = CUT_OFF_S
    except EOFError:
        found["missing"] = "it ended without an answer"
    process.kill()
    process.join()
    return found


def _large(pipe: Connection, name: str) -> None:
    peer = _hands()[name][0]
    try:
        peer(fleet_problem(10))
    except ImportError as error:
        pipe.send("begun")
        pipe.send({"hand": name, "sessions": LARGE, "missing": f"{error}; {_BROUGHT_BY}"})
        return
    problem = fleet_problem(LARGE, load="congested", seed=1)
    pipe.send("begun")
    pipe.send(_row(name, peer, problem, repeats=1))


def _row(name: str, peer: Peer, problem: Problem, repeats: int) -> dict[str, Any]:
    row: dict[str, Any] = {"hand": name, "sessions": problem.fleet.n}
    wall, cpu = [], []
    try:
        peer(fleet_problem(10))
        for _ in range(repeats):
            begun, begun_cpu = time.perf_counter(), time.process_time()
            energy = peer(problem)
            wall.append(1e3 * (time.perf_counter() - begun))
            cpu.append(1e3 * (time.process_time() - begun_cpu))
    except ImportError as error:
        unknown = dict.fromkeys(("wall_ms", "cpu_ms", "cost", "delivered_kwh"), float("nan"))
        return row | {"missing": f"{error}; {_BROUGHT_BY}"} | unknown
    return row | {
        "wall_ms": float(np.median(wall)),
        "cpu_ms": float(np.median(cpu)),
        "cost": float(energy @ problem.buy_per_kwh[problem.entry_slot]),
        "delivered_kwh": float(energy.sum()),
    }
