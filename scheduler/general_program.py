"""The linear program of a fleet with storage, PV and vehicles that give back, as sparse arrays.

Columns are energies by slot, kWh: what each session takes and gives, what each storage takes,
gives and holds, what each PV plant gives, what is bought and sold, and the peaks that are paid
for. Every column and row carries a key made of its kind, its owner and the end of its slot, so
that a basis found for one problem starts the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.microgrid import NO_STORES, Giving, Microgrid, Sources
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import phase_rows, subtree_sums, taper_share, tapered_entries
from scheduler.weights import has_taper, is_network, priority_rank

Triplets = tuple[IntArray, IntArray, FloatArray]

OwnerOf = Callable[[str], int]
"""A number below 2**24 for a name, always the same one."""

_COSTS = 100.0
_TIE = 1e-3
_STEP_RATIO = 4.0
_TAPER_RATIO = 25.0
_CURTAILED = 1e-4
"""Weight of a kWh of PV left unused, and of one needlessly moved through a storage."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two directions of one thing, of which at most one may run in a slot.

    Parameters
    ----------
    name : str
        ``store``, ``session`` or ``grid``.
    into, out : ndarray of int64
        Columns of the two directions, one pair for each place.
    """

    name: str
    into: IntArray
    out: IntArray


class GeneralProgram:
    """Arrays of one linear program: ``minimise cost x, row_low <= A x <= row_up``.

    Parameters
    ----------
    problem : Problem
        Any; see :func:`grid_of`.
    owner_of : callable
        See :data:`OwnerOf`.

    Attributes
    ----------
    cost, low, up : ndarray, shape (columns,)
        Cost and bounds of the columns.
    row_low, row_up : ndarray, shape (rows,)
        Bounds of the rows.
    col_key, row_key : ndarray of int64
        Keys, unique among the columns and among the rows.
    col_session, row_session : ndarray of int64
        The session whose own each column and row is, -1 where it is the site's.
    x, y, w : ndarray of int64
        Columns of what sessions take (one for each entry), give (``y_entry``), and of the energy
        gained since now (``w_entry``: of who gives or tapers alone).
    tapered : ndarray of int64
        Entries with a row for their taper.
    promise : ndarray, shape (n,)
        What a promised kWh of each session is worth beyond any other, scaled; 0: none is promised.
    pairs : list of Pair
        What must not run both ways at once.
    """

    def __init__(self, problem: Problem, owner_of: OwnerOf) -> None:
        self._problem = problem
        self._grid = grid_of(problem)
        self._owner_of = owner_of
        self._cols = _Parts()
        self._rowp = _Parts()
        self._site: list[Triplets] = []
        self._own: list[Triplets] = []
        self.pairs: list[Pair] = []
        self._slot_end = problem.horizon.edges_s[1:]
        self._hours = problem.horizon.slot_h
        self.scale, top = _scale(problem, self._grid)
        self._top = top
        session_ids = [owner_of(name) for name in problem.fleet.ids]
        self._session_owner = np.array(session_ids, dtype=np.int64)
        self._add_sessions()
        self._add_stores()
        self._add_sources()
        self._add_balance()
        self._add_limits()
        self._add_peaks()
        self._add_calls()
        self._finish()

    def _key(
        self, kind: IntArray | int, owner: IntArray | int, slot_end_s: IntArray | int
    ) -> IntArray:
        place = np.asarray(slot_end_s, dtype=np.int64) & 0xFFFFFFFF
        owner = np.asarray(owner, dtype=np.int64)
        return np.asarray(
            (np.asarray(kind, dtype=np.int64) << 56) | (owner << 32) | place, dtype=np.int64
        )

    def _columns(
        self,
        cost: FloatArray,
        low: FloatArray,
        up: FloatArray,
        key: IntArray,
        session: IntArray | None = None,
    ) -> IntArray:
        return self._cols.add(low, up, key, cost, session)

    def _rows(
        self, low: FloatArray, up: FloatArray, key: IntArray, session: IntArray | None = None
    ) -> IntArray:
        return self._rowp.add(low, up, key, None, session)

    def _put(self, row: IntArray, col: IntArray, value: FloatArray | float) -> None:
        """Coefficients of the site's rows."""
        _append(self._site, row, col, value)

    def _put_own(self, row: IntArray, col: IntArray, value: FloatArray | float) -> None:
        """Coefficients of rows of one session."""
        _append(self._own, row, col, value)

    def _add_sessions(self) -> None:
        problem, fleet = self._problem, self._problem.fleet
        slot, session = problem.entry_slot, problem.entry_session
        giving = self._grid.giving
        upper = problem.upper_kwh
        worth, promise = _worths(problem, self._top)
        self.promise = promise
        cost = _TIE * slot / max(problem.horizon.n - 1, 1)
        early = fleet.earliest[session]
        cost = cost + np.where(early, (slot - problem.first[session]) * 2.0 * _COSTS, 0.0)
        tapered = _tapered(problem, giving)
        stated = np.zeros(fleet.n, dtype=bool)
        stated[session[tapered]] = True
        if giving is not None:
            stated |= giving.discharge_kw > 0
        plain = ~stated[session]
        cost = cost - np.where(plain, worth[session], 0.0)
        owner, end = self._session_owner[session], self._slot_end[slot]
        self.x = self._columns(cost, np.zeros(slot.size), upper, self._key(1, owner, end), session)
        self.y = np.zeros(0, dtype=np.int64)
        self.y_entry = np.zeros(0, dtype=np.int64)
        if giving is not None:
            self._add_giving(giving)
        most = np.bincount(session, weights=upper, minlength=fleet.n)
        binds = ~stated & ((most > fleet.energy_kwh) | (promise > 0))
        rows = self._rows(
            np.full(int(binds.sum()), -np.inf),
            fleet.energy_kwh[binds],
            self._key(1, self._session_owner[binds], 0),
            np.flatnonzero(binds),
        )
        number = np.full(fleet.n, -1)
        number[binds] = rows
        entry = np.flatnonzero(number[session] >= 0)
        self._put_own(number[session[entry]], self.x[entry], 1.0)
        self._add_states(stated, tapered, worth, giving)
        self._add_promises(promise, stated)
        phases = phase_rows(problem)
        if phases.n:
            r = self._rows(
                np.full(phases.n, -np.inf), phases.upper, self._key(2, 0, np.arange(phases.n))
            )
            self._put(r[phases.row], self.x[phases.entry], phases.value)

    def _add_giving(self, giving: Giving) -> None:
        problem = self._problem
        session, slot = problem.entry_session, problem.entry_slot
        hours = problem.entry_s / 3600.0
        most = giving.discharge_kw[session] * hours
        entry = np.flatnonzero(most > 0)
        owner = self._session_owner[session[entry]]
        wear = (giving.wear_per_kwh[session[entry]]) * self.scale + _CURTAILED
        key = self._key(2, owner, self._slot_end[slot[entry]])
        self.y = self._columns(wear, np.zeros(entry.size), most[entry], key, session[entry])
        self.y_entry = entry
        self.pairs.append(Pair("session", self.x[entry], self.y))
        capped = giving.budget_kwh < np.bincount(session, weights=most, minlength=problem.fleet.n)
        number = np.full(problem.fleet.n, -1)
        rows = self._rows(
            np.full(int(capped.sum()), -np.inf),
            giving.budget_kwh[capped],
            self._key(3, self._session_owner[capped], 0),
            np.flatnonzero(capped),
        )
        number[capped] = rows
        at = number[session[entry]]
        self._put_own(at[at >= 0], self.y[at >= 0], 1.0)

    def _add_states(
        self,
        stated: np.ndarray,
        tapered: IntArray,
        worth: FloatArray,
        giving: Giving | None,
    ) -> None:
        """``w_j = w_(j-1) + x_j - y_j / efficiency``: the energy gained since now."""
        problem, fleet = self._problem, self._problem.fleet
        session, slot = problem.entry_session, problem.entry_slot
        entry = np.flatnonzero(stated[session])
        self.w_of_session = np.full(fleet.n, -1)
        self.w, self.w_entry, self.tapered = entry, entry, tapered
        if not entry.size:
            return
        room = fleet.taper_room_kwh.copy()
        low = np.zeros(fleet.n)
        if giving is not None:
            room = np.where(giving.discharge_kw > 0, giving.room_kwh, room)
            low = -np.where(giving.discharge_kw > 0, giving.spare_kwh, 0.0)
        room = np.maximum(room, fleet.energy_kwh)
        final = np.zeros(session.size, dtype=bool)
        final[problem.offsets[1:][problem.last > problem.first] - 1] = True
        top = np.where(final, fleet.energy_kwh[session], room[session])[entry]
        cost = np.where(final, -worth[session], 0.0)[entry]
        key = self._key(3, self._session_owner[session[entry]], self._slot_end[slot[entry]])
        w = self._columns(cost, low[session[entry]], top, key, session[entry])
        self.w = w
        self.w_of_session[session[entry]] = w
        rows = self._rows(np.zeros(entry.size), np.zeros(entry.size), key, session[entry])
        place = np.full(session.size, -1)
        place[entry] = np.arange(entry.size)
        self._put_own(rows, w, 1.0)
        begins = problem.offsets[:-1][session[entry]] == entry
        later = np.flatnonzero(~begins)
        self._put_own(rows[later], w[later - 1], -1.0)
        self._put_own(rows, self.x[entry], -1.0)
        if self.y.size and giving is not None:
            at = place[self.y_entry]
            self._put_own(rows[at], self.y, 1.0 / giving.efficiency[session[self.y_entry]])
        if tapered.size:
            share = taper_share(problem)[tapered]
            full = fleet.taper_room_kwh[session[tapered]]
            key = self._key(4, self._session_owner[session[tapered]], self._slot_end[slot[tapered]])
            r = self._rows(np.full(tapered.size, -np.inf), share * full, key, session[tapered])
            self._put_own(r, self.x[tapered], 1.0)
            at = place[tapered]
            later = np.flatnonzero(problem.offsets[:-1][session[tapered]] != tapered)
            self._put_own(r[later], w[at[later] - 1], share[later])

    def _add_promises(self, promise: FloatArray, stated: np.ndarray) -> None:
        """A column for the promised part of what is given, which is worth more."""
        problem = self._problem
        some = np.flatnonzero(promise > 0)
        if not some.size:
            return
        key = self._key(4, self._session_owner[some], 0)
        most = problem.fleet.promised_kwh[some]
        cols = self._columns(-promise[some], np.zeros(some.size), most, key, some)
        rows = self._rows(np.full(some.size, -np.inf), np.zeros(some.size), key + (1 << 56), some)
        number = np.full(problem.fleet.n, -1)
        number[some] = rows
        self._put_own(rows, cols, 1.0)
        plain = np.flatnonzero(
            (number[problem.entry_session] >= 0) & ~stated[problem.entry_session]
        )
        self._put_own(number[problem.entry_session[plain]], self.x[plain], -1.0)
        owing = some[stated[some] & (self.w_of_session[some] >= 0)]
        self._put_own(number[owing], self.w_of_session[owing], -1.0)

    def _add_stores(self) -> None:
        stores, hours = self._grid.stores, self._hours
        s, t = stores.n, hours.size
        none = np.zeros((0, t), dtype=np.int64)
        self.c, self.d, self.e = none, none, none
        if not s:
            return
        owner = np.array([self._owner_of(i) for i in stores.ids], dtype=np.int64)[:, None]
        end = self._slot_end[None, :]

        def columns(kind: int, cost: FloatArray, low: FloatArray, up: FloatArray) -> IntArray:
            full = [np.broadcast_to(a, (s, t)).ravel() for a in (cost, low, up)]
            key = self._key(kind, np.broadcast_to(owner, (s, t)).ravel(), np.tile(end, s).ravel())
            return self._columns(full[0], full[1], full[2], key).reshape(s, t)

        zero = np.zeros((1, 1))
        wear = (stores.wear_per_kwh * self.scale)[:, None] + _CURTAILED
        late = _TIE * np.arange(t)[None, :] / max(t - 1, 1) * 0.1
        self.c = columns(5, late, zero, stores.charge_kw[:, None] * hours)
        self.d = columns(6, wear, zero, stores.discharge_kw[:, None] * hours)
        worth = np.zeros((s, t))
        worth[:, -1] = -stores.end_value_per_kwh * self.scale
        self.e = columns(7, worth, stores.low_kwh[:, None], stores.high_kwh[:, None])
        self.pairs.append(Pair("store", self.c.ravel(), self.d.ravel()))
        start = np.zeros((s, t))
        start[:, 0] = stores.energy_kwh
        key = self._key(7, np.broadcast_to(owner, (s, t)).ravel(), np.tile(end, s).ravel())
        rows = self._rows(start.ravel(), start.ravel(), key).reshape(s, t)
        flat = rows.ravel()
        self._put(flat, self.e.ravel(), 1.0)
        self._put(rows[:, 1:].ravel(), self.e[:, :-1].ravel(), -1.0)
        self._put(flat, self.c.ravel(), np.repeat(-stores.charge_efficiency, t))
        self._put(flat, self.d.ravel(), np.repeat(1.0 / stores.discharge_efficiency, t))
        self._add_budgets(owner[:, 0])
        self._add_stock(owner[:, 0])

    def _add_budgets(self, owner: IntArray) -> None:
        """Energy discharged on each local day."""
        stores = self._grid.stores
        if stores.budget_kwh is None or stores.day is None:
            return
        k, day = np.nonzero(np.isfinite(stores.budget_kwh))
        for s, d in zip(k.tolist(), day.tolist(), strict=True):
            slots = np.flatnonzero(stores.day == d)
            if slots.size:
                key = self._key(22, owner[s : s + 1], self._slot_end[slots[-1:]])
                row = self._rows(np.array([-np.inf]), stores.budget_kwh[s, d : d + 1], key)
                self._put(np.repeat(row, slots.size), self.d[s, slots], 1.0)

    def _add_stock(self, owner: IntArray) -> None:
        """What a swap rack promised: missing energy is dearer than any money."""
        promised = self._grid.stores.promised_kwh
        if promised is None:
            return
        k, slot = np.nonzero(promised > 0)
        if not k.size:
            return
        key = self._key(23, owner[k], self._slot_end[slot])
        rows = self._rows(promised[k, slot], np.full(k.size, np.inf), key)
        cost = np.full(k.size, 0.5 * self._top)
        short = self._columns(cost, np.zeros(k.size), np.full(k.size, np.inf), key)
        self._put(rows, self.e[k, slot], 1.0)
        self._put(rows, short, 1.0)

    def _add_sources(self) -> None:
        sources, hours = self._grid.sources, self._hours
        p, t = sources.n, hours.size
        self.u = np.zeros((0, t), dtype=np.int64)
        if p:
            owner = np.repeat(np.array([self._owner_of(i) for i in sources.ids], dtype=np.int64), t)
            key = self._key(8, owner, np.tile(self._slot_end, p))
            up = (sources.available_kw * hours).ravel()
            # Used or stored first, sold next, curtailed last.
            first = 0.5 * self._top if self._grid.energy.own_first else 0.0
            cost = np.full(p * t, -_CURTAILED - first)
            self.u = self._columns(cost, np.zeros(p * t), up, key).reshape(p, t)
        own = self._grid.stores.pv_only
        if bool(own.any()):
            rows = self._rows(np.full(t, -np.inf), np.zeros(t), self._key(9, 0, self._slot_end))
            for k in np.flatnonzero(own).tolist():
                self._put(rows, self.c[k], 1.0)
            for k in range(p):
                self._put(rows, self.u[k], -1.0)

    def _add_balance(self) -> None:
        """At the root: bought less sold is base and sessions and storage less PV."""
        problem, grid, t = self._problem, self._grid, self._hours.size
        rule = grid.energy
        cost = (problem.buy_per_kwh + rule.green_per_kwh) * self.scale
        gain = problem.sell_per_kwh * self.scale
        if rule.own_first:
            gain = gain - 0.5 * self._top
        export = grid.export_kw[0] * self._hours
        export = np.maximum(export, -grid.base_kw[0] * self._hours)
        key = self._key(10, 0, self._slot_end)
        self.bought = self._columns(cost, np.zeros(t), np.full(t, np.inf), key)
        self.sold = self._columns(-gain, np.zeros(t), export, key + (1 << 56))
        self.pairs.append(Pair("grid", self.bought, self.sold))
        base = grid.base_kw[0] * self._hours
        rows = self._rows(base, base, key)
        self._put(rows, self.bought, 1.0)
        self._put(rows, self.sold, -1.0)
        slot = problem.entry_slot
        self._put(rows[slot], self.x, -1.0)
        self._put(rows[slot[self.y_entry]], self.y, 1.0)
        if rule.green_share > 0.0:
            self._add_green(base, 1.0 - rule.green_share)
        self._put_assets(rows, range(grid.stores.n), range(grid.sources.n), -1.0, np.arange(t))

    def _add_green(self, base: FloatArray, grey_share: float) -> None:
        """What is bought is at most a share of what is used, as far as that can be."""
        end = self._slot_end[-1:]
        used = np.array([grey_share * float(np.maximum(base, 0.0).sum())])
        row = self._rows(np.array([-np.inf]), used, self._key(24, 0, end))
        over = self._columns(
            np.array([0.5 * self._top]), np.zeros(1), np.array([np.inf]), self._key(24, 0, end)
        )
        for columns, value in ((self.bought, 1.0), (self.x, -grey_share), (self.y, grey_share)):
            self._put(np.repeat(row, columns.size), columns, value)
        self._put(row, over, -1.0)

    def _put_assets(
        self,
        rows: IntArray,
        stores: Sequence[int],
        sources: Sequence[int],
        sign: float,
        slots: IntArray,
    ) -> None:
        """Charging less discharging less PV in the rows of some slots."""
        for k in stores:
            self._put(rows, self.c[k, slots], sign)
            self._put(rows, self.d[k, slots], -sign)
        for k in sources:
            self._put(rows, self.u[k, slots], -sign)

    def _add_limits(self) -> None:
        """Import and export at each node, where they can bind."""
        problem, grid, hours = self._problem, self._grid, self._hours
        fleet, t = problem.fleet, hours.size
        session, slot = problem.entry_session, problem.entry_slot
        factor = fleet.count_factor[session]
        node = fleet.node[session]
        reach = subtree_sums(problem, problem.upper_kwh * factor)
        gives = np.zeros((len(problem.node_ids), t))
        takes = np.zeros_like(gives)
        for k, v in enumerate(grid.stores.node.tolist()):
            takes[v] += grid.stores.charge_kw[k] * hours
            gives[v] += grid.stores.discharge_kw[k] * hours
        for k, v in enumerate(grid.sources.node.tolist()):
            gives[v] += grid.sources.available_kw[k] * hours
        if self.y_entry.size:
            assert grid.giving is not None
            most = grid.giving.discharge_kw[session] * problem.entry_s / 3600.0
            np.add.at(gives, (node, slot), most)
        for v in range(len(problem.node_ids) - 1, 0, -1):
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
        owners = np.array([self._owner_of(f"node {name}") for name in problem.node_ids])
        key = self._key(12 + kind, owners[v], self._slot_end[slots])
        upper = np.stack([room, fed, -over], axis=1)[needed]
        rows = np.full(needed.shape, -1)
        rows[needed] = self._rows(np.full(upper.size, -np.inf), upper, key)
        # Base load alone is above the limit: what storage and PV do not take off it costs.
        v, slots = np.nonzero(relief)
        if v.size:
            key = self._key(14, owners[v], self._slot_end[slots])
            cost = np.full(v.size, self._top)
            left = self._columns(cost, np.zeros(v.size), over[v, slots], key)
            self._put(rows[v, 2, slots], left, -1.0)
        self._put_below(rows, factor)

    def _put_below(self, rows: IntArray, factor: FloatArray) -> None:
        """Everything that hangs below a node in its rows, by node, kind and slot; -1: there is
        none. Import counts what sessions draw by their factor, export and relief by itself.
        """
        problem, grid, y = self._problem, self._grid, self.y_entry
        node, slot = problem.fleet.node[problem.entry_session], problem.entry_slot
        t = self._hours.size
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
                self._put(row[inside], self.x[inside], factor[inside] if kind == 0 else sign)
                row = row[y]
                inside = np.flatnonzero(row >= 0)
                self._put(row[inside], self.y[inside], -sign)
                for k, v in enumerate(above[grid.stores.node].tolist()):
                    slots = np.flatnonzero(mine[v] >= 0) if v >= 0 else y[:0]
                    self._put_assets(mine[v, slots], [k], [], sign, slots)
                for k, v in enumerate(above[grid.sources.node].tolist()):
                    slots = np.flatnonzero(mine[v] >= 0) if v >= 0 else y[:0]
                    self._put_assets(mine[v, slots], [], [k], sign, slots)

    def _add_peaks(self) -> None:
        """``mean of what is bought - sum of what is paid for <= free level``, kW."""
        for number, peak in enumerate(self._problem.peaks):
            m = peak.offset_kw.size
            at = np.array([a for a, _ in peak.tiers])
            price = np.array([p for _, p in peak.tiers]) * self.scale
            key = self._key(15, number, np.arange(at.size))
            cols = self._columns(price, np.zeros(at.size), np.append(np.diff(at), np.inf), key)
            ends = np.zeros(m, dtype=np.int64)
            np.maximum.at(ends, peak.row, self._slot_end[peak.slot])
            key = self._key(16, number, ends)
            rows = self._rows(np.full(m, -np.inf), at[0] - peak.offset_kw, key)
            value = peak.weight / self._hours[peak.slot]
            self._put(rows[peak.row], self.bought[peak.slot], value)
            self._put(np.repeat(rows, cols.size), np.tile(cols, m), -1.0)

    def _add_calls(self) -> None:
        """``bought - sold = level + over - under``: each side at its price as far as it counts."""
        for call in self._grid.calls:
            at = np.flatnonzero(np.isfinite(call.level_kw))
            hours = self._hours[at]
            level = call.level_kw[at] * hours
            owner = self._owner_of(f"event {call.event}")
            rows = self._rows(level, level, self._key(17, owner, self._slot_end[at]))
            self._put(rows, self.bought[at], 1.0)
            self._put(rows, self.sold[at], -1.0)
            for kind, price, most, sign in (
                (18, call.over_per_kwh, call.over_kw[at] * hours, -1.0),
                (20, call.under_per_kwh, call.under_kw[at] * hours, 1.0),
            ):
                cost = 0.5 * self._top if np.isinf(price) else price * self.scale
                zero = np.zeros(at.size)
                key = self._key(kind, owner, self._slot_end[at])
                cols = self._columns(zero + cost, zero, most, key)
                self._put(rows, cols, sign)
                if not bool(np.isinf(most).all()):
                    beyond = self._columns(zero, zero, zero + np.inf, key + (1 << 56))
                    self._put(rows, beyond, sign)

    def _finish(self) -> None:
        self.low, self.up, self.col_key, self.cost, self.col_session = self._cols.joined()
        self.row_low, self.row_up, self.row_key, _, self.row_session = self._rowp.joined()

    @cached_property
    def site_triplets(self) -> Triplets:
        """Row, column and value of the coefficients in rows of the site."""
        return _joined(self._site)

    @cached_property
    def own_triplets(self) -> Triplets:
        """Row, column and value of the coefficients in rows of one session."""
        return _joined(self._own)

    @cached_property
    def by_column(self) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
        """All coefficients by column: where each column begins, rows and values."""
        row, col, value = _joined([*self._own, *self._site])
        order = np.argsort(col, kind="stable")
        start = np.zeros(self.cost.size + 1, dtype=np.int32)
        np.cumsum(np.bincount(col, minlength=self.cost.size), out=start[1:])
        return start, row[order].astype(np.int32), value[order]

    def energy_of(self, x: FloatArray) -> FloatArray:
        """Energy of each entry, kWh, negative where a vehicle gives back."""
        energy = x[self.x].copy()
        energy[self.y_entry] -= x[self.y]
        return np.asarray(energy, dtype=np.float64)

    def assets_of(self, x: FloatArray) -> FloatArray:
        """Power of each asset in each slot, kW."""
        stores = (x[self.c] - x[self.d]) / self._hours
        return np.asarray(np.concatenate([stores, -x[self.u] / self._hours]), dtype=np.float64)


def _append(to: list[Triplets], row: IntArray, col: IntArray, value: FloatArray | float) -> None:
    if row.size:
        to.append((row, col, np.broadcast_to(np.asarray(value, dtype=np.float64), row.shape)))


def _joined(parts: list[Triplets]) -> Triplets:
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    row, col, value = (np.concatenate(p) for p in zip(*parts, strict=True))
    return row, col, value


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


class _Parts:
    """Columns or rows, group by group."""

    def __init__(self) -> None:
        self._low: list[FloatArray] = []
        self._up: list[FloatArray] = []
        self._key: list[IntArray] = []
        self._cost: list[FloatArray] = []
        self._session: list[IntArray] = []
        self._n = 0

    def add(
        self,
        low: FloatArray,
        up: FloatArray,
        key: IntArray,
        cost: FloatArray | None = None,
        session: IntArray | None = None,
    ) -> IntArray:
        """Their numbers."""
        n = int(key.size)
        self._low.append(np.asarray(low, dtype=np.float64))
        self._up.append(np.asarray(up, dtype=np.float64))
        self._key.append(key)
        self._cost.append(np.zeros(n) if cost is None else np.asarray(cost, dtype=np.float64))
        self._session.append(np.full(n, -1) if session is None else session)
        self._n += n
        return np.arange(self._n - n, self._n, dtype=np.int64)

    def joined(self) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, IntArray]:
        """Lower and upper bounds, keys, costs, sessions."""
        low, up, cost = (np.concatenate(p) for p in (self._low, self._up, self._cost))
        return low, up, np.concatenate(self._key), cost, np.concatenate(self._session)


def grid_of(problem: Problem) -> Microgrid:
    """The problem's microgrid, or one of nothing but its limits and its PV surplus."""
    if problem.microgrid is not None:
        return problem.microgrid
    shape = problem.cap_kw.shape
    none, sun = np.zeros(shape), problem.surplus_kw[None, :]
    sold = none.copy()
    sold[0] = problem.surplus_kw
    return Microgrid(
        stores=NO_STORES,
        sources=Sources(("surplus",), np.zeros(1, dtype=np.int64), sun),
        base_kw=none,
        import_kw=problem.cap_kw + (sun if shape[0] == 1 else np.vstack([sun, none[1:]])),
        export_kw=sold,
    )


def _tapered(problem: Problem, giving: Giving | None) -> IntArray:
    """Entries whose taper can bind; of a vehicle that gives back, all: it may fill again."""
    tapered = tapered_entries(problem)
    if giving is None:
        return tapered
    fleet, session = problem.fleet, problem.entry_session
    known = np.isfinite(fleet.taper_per_h) & np.isfinite(fleet.taper_room_kwh)
    gives = (known & (giving.discharge_kw > 0))[session] & (problem.entry_s > 0)
    return np.union1d(tapered, np.flatnonzero(gives)).astype(np.int64)


def _scale(problem: Problem, grid: Microgrid) -> tuple[float, float]:
    """Weight of one unit of money, and the most that one kWh can win or cost, scaled."""
    price = np.concatenate([problem.buy_per_kwh, problem.sell_per_kwh])
    unit = max(float(np.abs(price).max(initial=0.0)), 1e-9)
    scale = _COSTS / unit
    losses = 1.0
    if grid.stores.n:
        both = grid.stores.charge_efficiency * grid.stores.discharge_efficiency
        losses = max(losses, 1.0 / float(both.min()))
    if grid.giving is not None and grid.giving.efficiency.size:
        losses = max(losses, 1.0 / float(grid.giving.efficiency.min()))
    peaks = sum(p.most_per_kwh(problem.horizon.slot_h) for p in problem.peaks)
    wear = float(grid.stores.wear_per_kwh.max(initial=0.0))
    wear += float(np.abs(grid.stores.end_value_per_kwh).max(initial=0.0))
    if grid.giving is not None:
        wear += float(grid.giving.wear_per_kwh.max(initial=0.0))
    earned = [abs(p) for c in grid.calls for p in (c.over_per_kwh, c.under_per_kwh)]
    wear += sum(p for p in earned if np.isfinite(p)) + grid.energy.green_per_kwh
    span = float(price.max(initial=0.0) - min(price.min(initial=0.0), 0.0))
    top = losses * (_COSTS * span / unit + scale * (peaks + wear))
    if bool(problem.fleet.earliest.any()):
        top += 2.0 * _COSTS * problem.horizon.n
    return scale, 2.0 * top


def _worths(problem: Problem, top: float) -> tuple[FloatArray, FloatArray]:
    """What delivering a kWh of each session is worth, and a promised kWh beyond that."""
    fleet = problem.fleet
    rank = priority_rank(problem)
    step = top * (_TAPER_RATIO if has_taper(problem) else 1.0)
    most = int(rank.max()) if rank.size else 0
    if is_network(problem):
        ladder = step * (1.0 + np.arange(most + 2))
    else:
        ladder = step * _STEP_RATIO ** np.arange(most + 2)
    promised = fleet.promised_kwh > 0
    promise = np.where(promised, float(ladder[-1]), 0.0)
    return np.asarray(ladder[rank], dtype=np.float64), np.asarray(promise, dtype=np.float64)
