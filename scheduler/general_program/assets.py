"""Storages and PV: their columns, and the rows that are theirs alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from scheduler.general_program.layout import Layout, Pair, key_of
from scheduler.general_program.worth import CURTAILED, TIE
from scheduler.problem import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class AssetColumns:
    """Columns by asset and slot.

    Parameters
    ----------
    c, d, e : ndarray of int64, shape (stores, T)
        What each storage takes, gives and holds at the slot's end.
    u : ndarray of int64, shape (sources, T)
        What each PV plant gives.
    """

    c: IntArray
    d: IntArray
    e: IntArray
    u: IntArray

    def put(
        self,
        layout: Layout,
        rows: IntArray,
        stores: Iterable[int],
        sources: Iterable[int],
        sign: float,
        slots: IntArray,
    ) -> None:
        """Charging less discharging less PV in the rows of some slots."""
        for k in stores:
            layout.put(rows, self.c[k, slots], sign)
            layout.put(rows, self.d[k, slots], -sign)
        for k in sources:
            layout.put(rows, self.u[k, slots], -sign)


def add_assets(layout: Layout) -> AssetColumns:
    """Columns and rows of every storage and plant."""
    c, d, e = _add_stores(layout)
    return AssetColumns(c, d, e, _add_sources(layout, c))


def _add_stores(layout: Layout) -> tuple[IntArray, IntArray, IntArray]:
    """What each storage takes, gives and holds; columns by storage and slot."""
    stores, hours = layout.grid.stores, layout.hours
    s, t = stores.n, hours.size
    none = np.zeros((0, t), dtype=np.int64)
    if not s:
        return none, none, none
    owner = np.array([layout.owner_of(i) for i in stores.ids], dtype=np.int64)[:, None]
    end = layout.slot_end[None, :]

    def columns(kind: int, cost: FloatArray, low: FloatArray, up: FloatArray) -> IntArray:
        full = [np.broadcast_to(a, (s, t)).ravel() for a in (cost, low, up)]
        key = key_of(kind, np.broadcast_to(owner, (s, t)).ravel(), np.tile(end, s).ravel())
        return layout.add_columns(full[0], full[1], full[2], key).reshape(s, t)

    zero = np.zeros((1, 1))
    wear = (stores.wear_per_kwh * layout.scale)[:, None] + CURTAILED
    late = TIE * np.arange(t)[None, :] / max(t - 1, 1) * 0.1
    c = columns(5, late, zero, stores.charge_kw[:, None] * hours)
    d = columns(6, wear, zero, stores.discharge_kw[:, None] * hours)
    worth = np.zeros((s, t))
    worth[:, -1] = -stores.end_value_per_kwh * layout.scale
    e = columns(7, worth, stores.low_kwh[:, None], stores.high_kwh[:, None])
    layout.pairs.append(Pair("store", c.ravel(), d.ravel()))
    start = np.zeros((s, t))
    start[:, 0] = stores.energy_kwh
    key = key_of(7, np.broadcast_to(owner, (s, t)).ravel(), np.tile(end, s).ravel())
    rows = layout.add_rows(start.ravel(), start.ravel(), key).reshape(s, t)
    flat = rows.ravel()
    layout.put(flat, e.ravel(), 1.0)
    layout.put(rows[:, 1:].ravel(), e[:, :-1].ravel(), -1.0)
    layout.put(flat, c.ravel(), np.repeat(-stores.charge_efficiency, t))
    layout.put(flat, d.ravel(), np.repeat(1.0 / stores.discharge_efficiency, t))
    _add_budgets(layout, d, owner[:, 0])
    _add_stock(layout, e, owner[:, 0])
    return c, d, e


def _add_budgets(layout: Layout, discharged: IntArray, owner: IntArray) -> None:
    """Energy discharged on each local day."""
    stores = layout.grid.stores
    if stores.budget_kwh is None or stores.day is None:
        return
    k, day = np.nonzero(np.isfinite(stores.budget_kwh))
    for s, d in zip(k.tolist(), day.tolist(), strict=True):
        slots = np.flatnonzero(stores.day == d)
        if slots.size:
            key = key_of(22, owner[s : s + 1], layout.slot_end[slots[-1:]])
            row = layout.add_rows(np.array([-np.inf]), stores.budget_kwh[s, d : d + 1], key)
            layout.put(np.repeat(row, slots.size), discharged[s, slots], 1.0)


def _add_stock(layout: Layout, held: IntArray, owner: IntArray) -> None:
    """What a swap rack promised: missing energy is dearer than any money."""
    promised = layout.grid.stores.promised_kwh
    if promised is None:
        return
    k, slot = np.nonzero(promised > 0)
    if not k.size:
        return
    key = key_of(23, owner[k], layout.slot_end[slot])
    rows = layout.add_rows(promised[k, slot], np.full(k.size, np.inf), key)
    cost = np.full(k.size, 0.5 * layout.top)
    short = layout.add_columns(cost, np.zeros(k.size), np.full(k.size, np.inf), key)
    layout.put(rows, held[k, slot], 1.0)
    layout.put(rows, short, 1.0)


def _add_sources(layout: Layout, charged: IntArray) -> IntArray:
    """What each PV plant gives; columns by plant and slot."""
    sources, hours = layout.grid.sources, layout.hours
    p, t = sources.n, hours.size
    used = np.zeros((0, t), dtype=np.int64)
    if p:
        owner = np.repeat(np.array([layout.owner_of(i) for i in sources.ids], dtype=np.int64), t)
        key = key_of(8, owner, np.tile(layout.slot_end, p))
        up = (sources.available_kw * hours).ravel()
        # Used or stored first, sold next, curtailed last.
        first = 0.5 * layout.top if layout.grid.energy.own_first else 0.0
        cost = np.full(p * t, -CURTAILED - first)
        used = layout.add_columns(cost, np.zeros(p * t), up, key).reshape(p, t)
    own = layout.grid.stores.pv_only
    if bool(own.any()):
        rows = layout.add_rows(np.full(t, -np.inf), np.zeros(t), key_of(9, 0, layout.slot_end))
        for k in np.flatnonzero(own).tolist():
            layout.put(rows, charged[k], 1.0)
        for k in range(p):
            layout.put(rows, used[k], -1.0)
    return used
