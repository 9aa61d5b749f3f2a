"""The bounds of a microgrid, evaluated afresh from the problem: see :mod:`scheduler.verify`.

A solution tells one net power for each storage and slot, and the stored energy is worked out
again from it: a solver that charged and discharged at once would have lost energy that its own
books no longer have, and is caught here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from scheduler.microgrid import Microgrid
from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution

Kind = Literal["storage", "source", "node", "export"]
Finding = tuple[Kind, Sequence[str], FloatArray, FloatArray]
"""(kind, names, value, most) by name and slot, kWh: no value may pass its most."""


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
        drawn = powers[grid.stores.n :] * slot_h
        yield "source", grid.sources.ids, -drawn, grid.sources.available_kw * slot_h
        yield "source", grid.sources.ids, drawn, np.zeros(drawn.shape)
    yield from _nodes(problem, grid, solution)


def _stores(grid: Microgrid, powers: FloatArray, slot_h: FloatArray) -> Iterator[Finding]:
    stores = grid.stores
    net = powers[: stores.n] * slot_h
    stored = stores.stored_kwh(net)
    whole = np.ones((1, slot_h.size))
    yield "storage", stores.ids, net, stores.charge_kw[:, None] * slot_h
    yield "storage", stores.ids, -net, stores.discharge_kw[:, None] * slot_h
    yield "storage", stores.ids, stored, stores.high_kwh[:, None] * whole
    yield "storage", stores.ids, -stored, -stores.low_kwh[:, None] * whole
    if stores.budget_kwh is not None and stores.day is not None:
        given = np.maximum(-net, 0.0)
        for k, name in enumerate(stores.ids):
            for d in np.flatnonzero(np.isfinite(stores.budget_kwh[k])).tolist():
                spent = np.cumsum(np.where(stores.day == d, given[k], 0.0))
                yield "storage", [name], spent[None], stores.budget_kwh[k, d] * whole
    if bool(stores.pv_only.any()):
        charged = np.maximum(net[stores.pv_only], 0.0).sum(axis=0)
        sun = -powers[stores.n :].sum(axis=0) * slot_h
        yield "storage", ["pv_only"], charged[None], sun[None]


def _nodes(problem: Problem, grid: Microgrid, solution: Solution) -> Iterator[Finding]:
    """What flows through each node, against both limits; base load alone may be above them."""
    t, m = problem.horizon.n, len(problem.node_ids)
    slot_h = problem.horizon.slot_h
    energy, at = solution.energy_kwh, problem.entry_cell
    counted = np.where(energy > 0, energy * problem.entry_factor, energy)
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
    if solution.assets_kw is not None:
        allowed = np.maximum(grid.import_kw * slot_h, base)
        yield "node", problem.node_ids, most + base, allowed
    fed = np.maximum(grid.export_kw * slot_h, -base)
    yield "export", problem.node_ids, -(least + base), fed
