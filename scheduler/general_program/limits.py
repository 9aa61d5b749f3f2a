"""Import and export at each node, as rows over everything below it."""

from __future__ import annotations

import numpy as np

from scheduler.general_program.assets import AssetColumns
from scheduler.general_program.layout import Key, Layout, key_of
from scheduler.general_program.sessions import SessionColumns
from scheduler.problem import IntArray
from scheduler.rows import subtree_sums


def add_limits(layout: Layout, sessions: SessionColumns, assets: AssetColumns) -> None:
    """Import and export at each node, where they can bind."""
    problem, grid, hours = layout.problem, layout.grid, layout.hours
    m, t = len(problem.node_ids), hours.size
    reach = subtree_sums(problem, problem.upper_kwh * problem.entry_factor)
    gives = np.zeros((m, t))
    takes = np.zeros_like(gives)
    for k, v in enumerate(grid.stores.node.tolist()):
        takes[v] += grid.stores.charge_kw[k] * hours
        gives[v] += grid.stores.discharge_kw[k] * hours
    for k, v in enumerate(grid.sources.node.tolist()):
        gives[v] += grid.sources.available_kw[k] * hours
    if sessions.y_entry.size:
        assert grid.giving is not None
        most = grid.giving.discharge_kw[problem.entry_session] * problem.entry_s / 3600.0
        gives += np.bincount(problem.entry_cell, weights=most, minlength=m * t).reshape(m, t)
    for v in range(m - 1, 0, -1):
        above = int(problem.parent[v])
        takes[above] += takes[v]
        gives[above] += gives[v]
    base = grid.base_kw * hours
    room = np.maximum(grid.import_kw * hours, base) - base
    over = base - grid.import_kw * hours
    binds = (reach + takes > room * (1 + 1e-12)) | ((over > 0) & (gives > 0))
    fed = np.maximum(grid.export_kw * hours, -base) + base
    back = gives > fed * (1 + 1e-12)
    back[0] = False
    used = np.asarray(binds.any(axis=1) | back.any(axis=1))
    relief = (over > 0) & (gives > 0) & used[:, None]
    needed = np.stack([binds, back, relief], axis=1)
    v, kind, slots = np.nonzero(needed)
    key = _by_node(layout, 12 + kind, v, slots)
    upper = np.stack([room, fed, -over], axis=1)[needed]
    rows = np.full(needed.shape, -1)
    rows[needed] = layout.add_rows(np.full(upper.size, -np.inf), upper, key)
    # Base load alone is above the limit: what storage and PV do not take off it costs.
    v, slots = np.nonzero(relief)
    if v.size:
        key = _by_node(layout, np.full(v.size, 14), v, slots)
        cost = np.full(v.size, layout.top)
        left = layout.add_columns(cost, np.zeros(v.size), over[v, slots], key)
        layout.put(rows[v, 2, slots], left, -1.0)
    _put_below(layout, sessions, assets, rows)


def _by_node(layout: Layout, kind: IntArray, node: IntArray, slot: IntArray) -> Key:
    """Keys of rows and columns of some nodes and slots."""

    def made() -> IntArray:
        names = layout.problem.node_ids
        owners = np.array([layout.owner_of(f"node {name}") for name in names], dtype=np.int64)
        return key_of(kind, owners[node], layout.slot_end[slot])

    return made


def _put_below(
    layout: Layout, sessions: SessionColumns, assets: AssetColumns, rows: IntArray
) -> None:
    """Everything that hangs below a node in its rows, by node, kind and slot; -1: there is
    none. Import counts what sessions draw by their factor, export and relief by itself.
    """
    problem, grid, y = layout.problem, layout.grid, sessions.y_entry
    node, slot = problem.fleet.node[problem.entry_session], problem.entry_slot
    t = layout.hours.size
    for above in _levels(problem.parent):
        at = above[node]
        # Who hangs above this depth finds the last place, which no row has.
        cell = np.where(at >= 0, at * t + slot, -1)
        for kind, sign in enumerate((1.0, -1.0, 1.0)):
            mine = rows[:, kind]
            if not bool((mine >= 0).any()):
                continue
            row = np.append(mine, -1)[cell]
            inside = np.flatnonzero(row >= 0)
            layout.put(
                row[inside], sessions.x[inside], problem.entry_factor[inside] if kind == 0 else sign
            )
            row = row[y]
            inside = np.flatnonzero(row >= 0)
            layout.put(row[inside], sessions.y[inside], -sign)
            for k, v in enumerate(above[grid.stores.node].tolist()):
                slots = np.flatnonzero(mine[v] >= 0) if v >= 0 else y[:0]
                assets.put(layout, mine[v, slots], [k], [], sign, slots)
            for k, v in enumerate(above[grid.sources.node].tolist()):
                slots = np.flatnonzero(mine[v] >= 0) if v >= 0 else y[:0]
                assets.put(layout, mine[v, slots], [], [k], sign, slots)


def _levels(parent: IntArray) -> list[IntArray]:
    """For each depth of a tree, the node of that depth above each node, or itself; -1: none."""
    depth = np.zeros(parent.size, dtype=np.int64)
    for v in range(1, parent.size):
        depth[v] = depth[parent[v]] + 1
    above = np.full((int(depth.max()) + 1, parent.size), -1)
    for v in range(parent.size):
        if v:
            above[:, v] = above[:, parent[v]]
        above[depth[v], v] = v
    return list(above)
