"""What flows through each node of a plan, and what may."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.problem import FloatArray, Problem
from scheduler.rows import subtree_sums

FULL_KWH = 1e-6
"""A node with less than this left in a slot is full: a plan in whole watt-seconds leaves up to one
of them (2.8e-7 kWh) below a limit that is no whole number of them."""


def node_loads(
    problem: Problem, energy_kwh: FloatArray, assets_kw: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Energy through each node in each slot, and the most that may flow.

    Parameters
    ----------
    problem : Problem
        The problem.
    energy_kwh : ndarray, shape (offsets[-1],)
        A plan of it.
    assets_kw : ndarray, shape (s + p, T), optional
        Powers of its microgrid's storage and PV, as a solution tells them.

    Returns
    -------
    load_kwh, most_kwh : ndarray, shape (m, T)
        As the plan's charging counts under the limits. Without a microgrid base load is in neither:
        the problem's limits are what it leaves. Infinite where nothing limits.
    """
    slot_h, grid = problem.horizon.slot_h, problem.microgrid
    counted = energy_kwh * problem.entry_factor
    if float(energy_kwh.min(initial=0.0)) < 0.0:
        counted = np.where(energy_kwh > 0, counted, energy_kwh)
    load = subtree_sums(problem, counted)
    if grid is None:
        return load, np.asarray(problem.cap_kw * slot_h, dtype=np.float64)
    base = grid.base_kw * slot_h
    load = load + base
    if assets_kw is not None:
        for k, v in enumerate(grid.asset_node.tolist()):
            while v >= 0:
                load[v] += assets_kw[k] * slot_h
                v = int(problem.parent[v])
    return load, np.maximum(grid.import_kw * slot_h, base)


def full_nodes(load_kwh: FloatArray, most_kwh: FloatArray) -> NDArray[np.bool_]:
    """Where nodes are full, by node and slot.

    Parameters
    ----------
    load_kwh, most_kwh : ndarray, shape (m, T)
        As :func:`node_loads` tells them.
    """
    limited = np.isfinite(most_kwh)
    most = np.where(limited, most_kwh, 0.0)
    # Sums of thousands of sessions err by their size.
    left = FULL_KWH + 1e-9 * most
    return np.asarray(limited & (load_kwh >= most - left), dtype=np.bool_)
