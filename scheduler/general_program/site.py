"""What is bought and sold, the peaks that are paid for, and what events of demand response ask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.general_program.assets import AssetColumns
from scheduler.general_program.layout import Layout, Pair, key_of
from scheduler.general_program.sessions import SessionColumns
from scheduler.problem import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Grid:
    """Columns of what is bought and sold in each slot."""

    bought: IntArray
    sold: IntArray


def add_balance(layout: Layout, sessions: SessionColumns, assets: AssetColumns) -> Grid:
    """At the root: bought less sold is base and sessions and storage less PV."""
    problem, grid, t = layout.problem, layout.grid, layout.hours.size
    rule = grid.energy
    cost = (problem.buy_per_kwh + rule.green_per_kwh) * layout.scale
    gain = problem.sell_per_kwh * layout.scale
    if rule.own_first:
        gain = gain - 0.5 * layout.top
    export = grid.export_kw[0] * layout.hours
    export = np.maximum(export, -grid.base_kw[0] * layout.hours)
    key = key_of(10, 0, layout.slot_end)
    bought = layout.add_columns(cost, np.zeros(t), np.full(t, np.inf), key)
    sold = layout.add_columns(-gain, np.zeros(t), export, key + (1 << 56))
    layout.pairs.append(Pair("grid", bought, sold))
    base = grid.base_kw[0] * layout.hours
    rows = layout.add_rows(base, base, key)
    layout.put(rows, bought, 1.0)
    layout.put(rows, sold, -1.0)
    slot = problem.entry_slot
    layout.put(rows[slot], sessions.x, -1.0)
    layout.put(rows[slot[sessions.y_entry]], sessions.y, 1.0)
    if rule.green_share > 0.0:
        _add_green(layout, bought, sessions, base, 1.0 - rule.green_share)
    assets.put(layout, rows, range(grid.stores.n), range(grid.sources.n), -1.0, np.arange(t))
    return Grid(bought, sold)


def _add_green(
    layout: Layout,
    bought: IntArray,
    sessions: SessionColumns,
    base: FloatArray,
    grey_share: float,
) -> None:
    """What is bought is at most a share of what is used, as far as that can be."""
    end = layout.slot_end[-1:]
    used = np.array([grey_share * float(np.maximum(base, 0.0).sum())])
    row = layout.add_rows(np.array([-np.inf]), used, key_of(24, 0, end))
    over = layout.add_columns(
        np.array([0.5 * layout.top]), np.zeros(1), np.array([np.inf]), key_of(24, 0, end)
    )
    used_by = ((bought, 1.0), (sessions.x, -grey_share), (sessions.y, grey_share))
    for columns, value in used_by:
        layout.put(np.repeat(row, columns.size), columns, value)
    layout.put(row, over, -1.0)


def add_peaks(layout: Layout, grid: Grid) -> None:
    """``mean of what is bought - sum of what is paid for <= free level``, kW."""
    for number, peak in enumerate(layout.problem.peaks):
        m = peak.offset_kw.size
        at = np.array([a for a, _ in peak.tiers])
        price = np.array([p for _, p in peak.tiers]) * layout.scale
        key = key_of(15, number, np.arange(at.size))
        cols = layout.add_columns(price, np.zeros(at.size), np.append(np.diff(at), np.inf), key)
        ends = np.zeros(m, dtype=np.int64)
        np.maximum.at(ends, peak.row, layout.slot_end[peak.slot])
        key = key_of(16, number, ends)
        rows = layout.add_rows(np.full(m, -np.inf), at[0] - peak.offset_kw, key)
        value = peak.weight / layout.hours[peak.slot]
        layout.put(rows[peak.row], grid.bought[peak.slot], value)
        layout.put(np.repeat(rows, cols.size), np.tile(cols, m), -1.0)


def add_calls(layout: Layout, grid: Grid) -> None:
    """``bought - sold = level + over - under``: each side at its price as far as it counts."""
    for call in layout.grid.calls:
        at = np.flatnonzero(np.isfinite(call.level_kw))
        hours = layout.hours[at]
        level = call.level_kw[at] * hours
        owner = layout.owner_of(f"event {call.event}")
        rows = layout.add_rows(level, level, key_of(17, owner, layout.slot_end[at]))
        layout.put(rows, grid.bought[at], 1.0)
        layout.put(rows, grid.sold[at], -1.0)
        for kind, price, most, sign in (
            (18, call.over_per_kwh, call.over_kw[at] * hours, -1.0),
            (20, call.under_per_kwh, call.under_kw[at] * hours, 1.0),
        ):
            cost = 0.5 * layout.top if np.isinf(price) else price * layout.scale
            zero = np.zeros(at.size)
            key = key_of(kind, owner, layout.slot_end[at])
            cols = layout.add_columns(zero + cost, zero, most, key)
            layout.put(rows, cols, sign)
            if not bool(np.isinf(most).all()):
                beyond = layout.add_columns(zero, zero, zero + np.inf, key + (1 << 56))
                layout.put(rows, beyond, sign)
