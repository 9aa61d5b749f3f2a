"""The bounds of a microgrid, evaluated afresh from the problem: see :mod:`scheduler.verify`.

A solution tells one net power for each storage and slot, and the stored energy is worked out
again from it: a solver that charged and discharged at once would have lost energy that its own
books no longer have, and is caught here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from scheduler.microgrid import Microgrid
from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution

Kind = Literal["storage", "source", "node", "export"]
Finding = tuple[Kind, str, FloatArray, FloatArray]
"""(kind, name, value, most) by slot, kWh: no value may pass its most."""


def bounds(problem: Problem, solution: Solution) -> Iterator[Finding]:
    """Every bound of the problem's microgrid.

    Parameters
    ----------
    problem : Problem
        With a microgrid.
    solution : Solution
        Its answer; energies are finite.

    Yields
    ------
    tuple
        See :data:`Finding`.
    """
    grid = problem.microgrid
    assert grid is not None
    slot_h = problem.horizon.slot_h
    powers = solution.assets_kw
    if powers is not None:
        yield from _stores(grid, powers, slot_h)
        for k, name in enumerate(grid.sources.ids):
            power = powers[grid.stores.n + k]
            yield "source", name, -power * slot_h, grid.sources.available_kw[k] * slot_h
            yield "source", name, power * slot_h, np.zeros(slot_h.size)
    yield from _nodes(problem, grid, solution)


def _stores(grid: Microgrid, powers: FloatArray, slot_h: FloatArray) -> Iterator[Finding]:
    stores = grid.stores
    net = powers[: stores.n] * slot_h
    stored = stores.stored_kwh(net)
    whole = np.ones(slot_h.size)
    for k, name in enumerate(stores.ids):
        yield "storage", name, net[k], stores.charge_kw[k] * slot_h
        yield "storage", name, -net[k], stores.discharge_kw[k] * slot_h
        yield "storage", name, stored[k], stores.high_kwh[k] * whole
        yield "storage", name, -stored[k], -stores.low_kwh[k] * whole
    if stores.budget_kwh is not None and stores.day is not None:
        given = np.maximum(-net, 0.0)
        for k, name in enumerate(stores.ids):
            for d in np.flatnonzero(np.isfinite(stores.budget_kwh[k])).tolist():
                spent = np.cumsum(np.where(stores.day == d, given[k], 0.0))
                yield "storage", name, spent, stores.budget_kwh[k, d] * whole
    if bool(stores.pv_only.any()):
        charged = np.maximum(net[stores.pv_only], 0.0).sum(axis=0)
        yield "storage", "pv_only", charged, -powers[stores.n :].sum(axis=0) * slot_h


def _nodes(problem: Problem, grid: Microgrid, solution: Solution) -> Iterator[Finding]:
    """What flows through each node, against both limits; base load alone may be above them."""
    t, m = problem.horizon.n, len(problem.node_ids)
    slot_h = problem.horizon.slot_h
    session = problem.entry_session
    energy = solution.energy_kwh
    counted = np.where(energy > 0, energy * problem.fleet.count_factor[session], energy)
    at = problem.fleet.node[session] * t + problem.entry_slot
    most = np.bincount(at, weights=counted, minlength=m * t).reshape(m, t).astype(np.float64)
    least = np.bincount(at, weights=energy, minlength=m * t).reshape(m, t).astype(np.float64)
    if solution.assets_kw is not None:
        for k, v in enumerate(grid.asset_node):
            most[v] += solution.assets_kw[k] * slot_h
            least[v] += solution.assets_kw[k] * slot_h
    for v in reversed(range(1, m)):
        most[int(problem.parent[v])] += most[v]
        least[int(problem.parent[v])] += least[v]
    base = grid.base_kw * slot_h
    for v in range(m):
        name = problem.node_ids[v]
        if solution.assets_kw is not None:
            allowed = np.maximum(grid.import_kw[v] * slot_h, base[v])
            yield "node", name, most[v] + base[v], allowed
        fed = np.maximum(grid.export_kw[v] * slot_h, -base[v])
        yield "export", name, -(least[v] + base[v]), fed
