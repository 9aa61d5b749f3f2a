"""One thing happens to a problem: a vehicle plugs in or leaves, a driver or a limit changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from scheduler.problem import FloatArray, IntArray, Problem

Event = Callable[[Problem, np.random.Generator], Problem]


def with_sessions(problem: Problem, kept: IntArray) -> Problem:
    """The problem with some of its sessions only, in the order given."""
    fleet = problem.fleet
    columns = {
        name: getattr(fleet, name)[kept] for name in fleet.__dataclass_fields__ if name != "ids"
    }
    ids = tuple(fleet.ids[int(i)] for i in kept)
    fewer = dataclasses.replace(fleet, ids=ids, **columns)
    grid = problem.microgrid
    if grid is not None and grid.giving is not None:
        columns = {n: getattr(grid.giving, n)[kept] for n in grid.giving.__dataclass_fields__}
        grid = dataclasses.replace(grid, giving=dataclasses.replace(grid.giving, **columns))
    return dataclasses.replace(problem, fleet=fewer, microgrid=grid, running_kwh=None)


def goes_on(before: Problem, energy_kwh: FloatArray, after: Problem) -> Problem:
    """A problem with the plan of the one before it running; who came since has none."""
    known = {name: i for i, name in enumerate(before.fleet.ids)}
    held = np.zeros((before.fleet.n + 1, after.horizon.n))
    held[before.entry_session, before.entry_slot] = energy_kwh
    row = np.array([known.get(name, -1) for name in after.fleet.ids], dtype=np.int64)
    running = held[row[after.entry_session], after.entry_slot]
    return dataclasses.replace(after, running_kwh=running)


def leaves(problem: Problem, rng: np.random.Generator) -> Problem:
    """One vehicle leaves before its time."""
    i = int(rng.integers(problem.fleet.n))
    return with_sessions(problem, np.delete(np.arange(problem.fleet.n), i))


def halves(problem: Problem, rng: np.random.Generator) -> Problem:
    """One driver halves what is owed."""
    i = int(rng.integers(problem.fleet.n))
    energy = problem.fleet.energy_kwh.copy()
    energy[i] = round(energy[i] / 2, 2)
    return _with(problem, energy_kwh=energy, asked_kwh=energy)


def cut(problem: Problem, rng: np.random.Generator) -> Problem:
    """One node's limit falls by a tenth for two hours of its fullest day part."""
    v = int(rng.integers(1, len(problem.node_ids)))
    begin = int(rng.integers(0, max(problem.horizon.n - 8, 1)))
    cap = problem.cap_kw.copy()
    cap[v, begin : begin + 8] = np.round(cap[v, begin : begin + 8] * 0.9, 3)
    grid = problem.microgrid
    if grid is not None:
        most = grid.import_kw.copy()
        most[v, begin : begin + 8] = np.round(most[v, begin : begin + 8] * 0.9, 3)
        grid = dataclasses.replace(grid, import_kw=most)
    return dataclasses.replace(problem, cap_kw=cap, microgrid=grid)


def anything(problem: Problem, rng: np.random.Generator) -> Problem:
    """One or two things of any kind, in whole watts and seconds; for comparing, not for timing."""
    for _ in range(int(rng.integers(1, 3))):
        if problem.fleet.n == 0:
            return problem
        problem = _KINDS[int(rng.integers(len(_KINDS)))](problem, rng)
    return problem


def _with(problem: Problem, **columns: Any) -> Problem:
    return dataclasses.replace(problem, fleet=dataclasses.replace(problem.fleet, **columns))


def _one(problem: Problem, rng: np.random.Generator) -> int:
    return int(rng.integers(problem.fleet.n))


def _other_energy(problem: Problem, rng: np.random.Generator) -> Problem:
    i = _one(problem, rng)
    energy = problem.fleet.energy_kwh.copy()
    energy[i] = np.floor(energy[i] * rng.uniform(0, 2) * 3.6e6) / 3.6e6
    promised = np.minimum(problem.fleet.promised_kwh, energy)
    return _with(problem, energy_kwh=energy, asked_kwh=energy, promised_kwh=promised)


def _other_promise(problem: Problem, rng: np.random.Generator) -> Problem:
    i = _one(problem, rng)
    promised = problem.fleet.promised_kwh.copy()
    promised[i] = np.floor(problem.fleet.energy_kwh[i] * rng.random() * 3.6e6) / 3.6e6
    return _with(problem, promised_kwh=promised)


def _other_priority(problem: Problem, rng: np.random.Generator) -> Problem:
    priority = problem.fleet.priority.copy()
    priority[_one(problem, rng)] = rng.integers(0, 10)
    return _with(problem, priority=priority)


def _other_window(problem: Problem, rng: np.random.Generator) -> Problem:
    i = _one(problem, rng)
    start, end = problem.fleet.start_s.copy(), problem.fleet.end_s.copy()
    if rng.random() < 0.5:
        end[i] = max(end[i] + int(rng.integers(-3600, 3600)), start[i] + 1)
    else:
        start[i] = min(start[i] + int(rng.integers(-3600, 3600)), end[i] - 1)
    return _with(problem, start_s=start, end_s=end)


def _other_power(problem: Problem, rng: np.random.Generator) -> Problem:
    kw = problem.fleet.max_kw.copy()
    i = _one(problem, rng)
    kw[i] = round(kw[i] * rng.choice([0.5, 2.0]), 3)
    return _with(problem, max_kw=kw)


def plugs_in(problem: Problem, rng: np.random.Generator) -> Problem:
    """A vehicle like one that is there plugs in beside it."""
    i = _one(problem, rng)
    fleet = problem.fleet
    at = int(rng.integers(fleet.n + 1))
    kept = np.insert(np.arange(fleet.n), at, i)
    more = with_sessions(problem, kept)
    number = 1 + max((int(s[1:]) for s in fleet.ids if s[0] == "x"), default=0)
    ids = (*more.fleet.ids[:at], f"x{number}", *more.fleet.ids[at + 1 :])
    return dataclasses.replace(more, fleet=dataclasses.replace(more.fleet, ids=ids))


def _other_capacity(problem: Problem, rng: np.random.Generator) -> Problem:
    cap = problem.cap_kw.copy()
    v, t = int(rng.integers(cap.shape[0])), int(rng.integers(cap.shape[1]))
    some = slice(t, t + int(rng.integers(1, 4)))
    if rng.random() < 0.2:
        cap[v, some] = rng.choice([0.0, np.inf])
    else:
        load = problem.fleet.max_kw.sum()
        now = np.where(np.isinf(cap[v, some]), load, cap[v, some])
        cap[v, some] = np.round(now * rng.choice([0.5, 0.9, 1.1, 2.0]) + 0.1 * rng.random(), 3)
    return dataclasses.replace(problem, cap_kw=cap)


_KINDS: tuple[Event, ...] = (
    leaves,
    plugs_in,
    _other_energy,
    _other_promise,
    _other_priority,
    _other_window,
    _other_power,
    _other_capacity,
    _other_capacity,
)
