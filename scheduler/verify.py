"""An answer is believed only when it has been checked against the problem itself.

Nothing here is shared with the solvers: each bound is evaluated afresh from the problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution
from scheduler.verify_microgrid import bounds

Kind = Literal[
    "shape",
    "number",
    "entry",
    "energy",
    "node",
    "phase",
    "taper",
    "storage",
    "source",
    "export",
    "giving",
]

RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE_KWH = 1e-6
_NAMED = 20


@dataclass(frozen=True)
class Violation:
    """One bound that an answer breaks.

    Parameters
    ----------
    kind : str
        Which bound, see :data:`Kind`.
    name : str
        The session's or node's id, with the phase (``transformer/L2``) where it is one.
    slot : int
        The slot, -1 where the bound has none.
    by : float
        How much beyond the bound: kWh, or A h for a phase.
    """

    kind: Kind
    name: str
    slot: int
    by: float

    def __str__(self) -> str:
        at = f" in slot {self.slot}" if self.slot >= 0 else ""
        return f"{self.kind} of {self.name}{at} exceeded by {self.by:.6g}"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check.

    Parameters
    ----------
    violations : tuple of Violation
        The worst of each kind first, at most twenty of a kind.
    count : int
        How many there are in all.
    """

    violations: tuple[Violation, ...]
    count: int

    @property
    def ok(self) -> bool:
        """Whether every bound holds."""
        return self.count == 0

    def __str__(self) -> str:
        if self.ok:
            return "every bound holds"
        return f"{self.count} bounds broken: " + "; ".join(str(v) for v in self.violations)


def verify(problem: Problem, solution: Solution) -> Verdict:
    """Check every bound of a problem.

    Parameters
    ----------
    problem : Problem
        The problem that was posed.
    solution : Solution
        The answer. What it says of itself is not looked at.

    Returns
    -------
    Verdict
        A bound may be passed by 1e-6 of itself plus 1e-6 kWh (A h for a phase), no more.
    """
    energy = np.asarray(solution.energy_kwh, dtype=np.float64)
    if energy.shape != (int(problem.offsets[-1]),):
        return Verdict((Violation("shape", str(energy.shape), -1, float("nan")),), 1)
    if not bool(np.all(np.isfinite(energy))):
        bad = np.flatnonzero(~np.isfinite(energy))
        first = int(bad[0])
        name = problem.fleet.ids[int(problem.entry_session[first])]
        slot = int(problem.entry_slot[first])
        return Verdict((Violation("number", name, slot, float("nan")),), int(bad.size))
    powers = solution.assets_kw
    if powers is not None:
        grid = problem.microgrid
        shape = (0 if grid is None else grid.n_assets, problem.horizon.n)
        if powers.shape != shape or not bool(np.all(np.isfinite(powers))):
            return Verdict((Violation("shape", f"assets {powers.shape}", -1, float("nan")),), 1)
    found = _Found()
    _check_entries(problem, energy, found)
    _check_energy(problem, solution.given_kwh(problem), found)
    if powers is None:
        _check_nodes(problem, energy, found)
    _check_phases(problem, np.maximum(energy, 0.0), found)
    _check_taper(problem, energy, found)
    if problem.microgrid is not None:
        _check_giving(problem, energy, found)
        for kind, names, value, most in bounds(problem, solution):
            excess = _beyond(value, most)
            rows, slots = np.nonzero(excess)
            if rows.size:
                named = [names[k] for k in rows.tolist()]
                found.add(kind, excess[rows, slots], named, slots.tolist())
    return Verdict(tuple(found.violations), found.count)


class _Found:
    """Collects the worst of each kind."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.count = 0

    def add(self, kind: Kind, excess: FloatArray, names: list[str], slots: list[int]) -> None:
        """Take the excesses (all positive) of one kind."""
        self.count += int(excess.size)
        for i in np.argsort(-excess, kind="stable")[:_NAMED]:
            self.violations.append(Violation(kind, names[i], slots[i], float(excess[i])))


def _beyond(value: ArrayLike, bound: FloatArray) -> FloatArray:
    """How far a value passes its bound and the tolerance; 0 where it does not."""
    with np.errstate(invalid="ignore"):
        excess = np.asarray(value, dtype=np.float64) - bound
        allowed = ABSOLUTE_TOLERANCE_KWH + RELATIVE_TOLERANCE * np.abs(bound)
        return np.where(np.isfinite(bound) & (excess > allowed), excess, 0.0)


def _check_entries(problem: Problem, energy: FloatArray, found: _Found) -> None:
    lowest = float(energy.min(initial=0.0))
    most = float((energy - problem.upper_kwh).max(initial=-np.inf))
    if most <= ABSOLUTE_TOLERANCE_KWH and lowest >= -ABSOLUTE_TOLERANCE_KWH:
        # Within the tolerance as a whole; else each entry is judged by its own bound.
        return
    excess = _beyond(energy, problem.upper_kwh)
    least = np.zeros(energy.size)
    grid = problem.microgrid
    if grid is not None and grid.giving is not None:
        least = grid.giving.discharge_kw[problem.entry_session] * problem.entry_s / 3600.0
    excess = np.maximum(excess, _beyond(-energy, least))
    bad = np.flatnonzero(excess)
    if bad.size:
        names = [problem.fleet.ids[int(i)] for i in problem.entry_session[bad]]
        found.add("entry", excess[bad], names, problem.entry_slot[bad].tolist())


def _check_energy(problem: Problem, total: FloatArray, found: _Found) -> None:
    excess = _beyond(total, problem.fleet.energy_kwh)
    bad = np.flatnonzero(excess)
    if bad.size:
        found.add("energy", excess[bad], [problem.fleet.ids[int(i)] for i in bad], [-1] * bad.size)


def _check_nodes(problem: Problem, energy: FloatArray, found: _Found) -> None:
    t, m = problem.horizon.n, len(problem.node_ids)
    counted = energy * problem.entry_factor
    load = np.bincount(problem.entry_cell, weights=counted, minlength=m * t).reshape(m, t)
    for v in reversed(range(1, m)):
        load[int(problem.parent[v])] += load[v]
    excess = _beyond(load, problem.cap_kw * problem.horizon.slot_h)
    node, slot = np.nonzero(excess)
    if node.size:
        names = [problem.node_ids[int(v)] for v in node]
        found.add("node", excess[node, slot], names, slot.tolist())


def _check_phases(problem: Problem, energy: FloatArray, found: _Found) -> None:
    parent = problem.parent
    for limit in problem.phase_limits:
        inside = np.zeros(len(problem.node_ids), dtype=bool)
        inside[limit.node] = True
        for v in range(limit.node + 1, len(problem.node_ids)):
            inside[v] = inside[int(parent[v])]
        counts = inside[problem.fleet.node] & ((problem.fleet.phases & (1 << limit.phase)) != 0)
        amps = np.where(counts, problem.fleet.amps_per_kw, 0.0)[problem.entry_session] * energy
        load = np.bincount(problem.entry_slot, weights=amps, minlength=problem.horizon.n)
        excess = _beyond(load, limit.cap_a * problem.horizon.slot_h)
        bad = np.flatnonzero(excess)
        if bad.size:
            name = f"{problem.node_ids[limit.node]}/L{limit.phase + 1}"
            found.add("phase", excess[bad], [name] * bad.size, bad.tolist())


def _check_taper(problem: Problem, energy: FloatArray, found: _Found) -> None:
    fleet = problem.fleet
    excesses: list[float] = []
    names: list[str] = []
    slots: list[int] = []
    tapers = np.isfinite(fleet.taper_per_h) & np.isfinite(fleet.taper_room_kwh)
    for i in np.flatnonzero(tapers):
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        taken = energy[own]
        if problem.microgrid is not None and problem.microgrid.giving is not None:
            back = problem.microgrid.giving.efficiency[i]
            taken = np.where(taken < 0, taken / back, taken)
        before = np.cumsum(taken) - taken
        hours = problem.entry_s[own] / 3600.0
        most = (1.0 - np.exp(-fleet.taper_per_h[i] * hours)) * (fleet.taper_room_kwh[i] - before)
        excess = _beyond(taken, np.maximum(most, 0.0))
        for j in np.flatnonzero(excess):
            excesses.append(float(excess[j]))
            names.append(fleet.ids[int(i)])
            slots.append(int(problem.first[i] + j))
    if excesses:
        found.add("taper", np.array(excesses), names, slots)


def _check_giving(problem: Problem, energy: FloatArray, found: _Found) -> None:
    """No vehicle below its floor or above full at any slot's end, none beyond its cycles."""
    assert problem.microgrid is not None
    giving = problem.microgrid.giving
    if giving is None:
        return
    gives = giving.discharge_kw > 0
    some = np.flatnonzero(gives[problem.entry_session])
    if not some.size:
        return
    # Each session that may give is a row, so that its sums are its own to the last bit.
    i = problem.entry_session[some]
    row, column = (np.cumsum(gives) - 1)[i], problem.entry_slot[some] - problem.first[i]
    own = np.zeros((int(gives.sum()), int(column.max()) + 1))
    own[row, column] = energy[some]
    net = np.cumsum(np.where(own < 0, own / giving.efficiency[gives][:, None], own), axis=1)
    given = np.cumsum(np.maximum(-own, 0.0), axis=1)
    room = np.maximum(giving.room_kwh, problem.fleet.energy_kwh)
    net, given = net[row, column], given[row, column]
    excess = _beyond(-net, giving.spare_kwh[i]) + _beyond(net, room[i])
    excess += _beyond(given, giving.budget_kwh[i])
    bad = np.flatnonzero(excess)
    if bad.size:
        names = [problem.fleet.ids[int(k)] for k in i[bad]]
        found.add("giving", excess[bad], names, problem.entry_slot[some[bad]].tolist())
