"""What a solver hears: arrays, and nothing of piles, tariffs or topics.

A fleet of sessions with windows, power bounds and energy owed; a tree of nodes whose capacity
varies by slot; prices that depend on the slot alone. Everything that cannot be steered is
already taken off the capacities. Session plans are ragged: session i owns the entries
``offsets[i]:offsets[i+1]``, one for each slot that its window touches.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidValueError
from models.horizon import Horizon
from models.units import SECONDS_PER_HOUR
from scheduler.fleet import Fleet as Fleet
from scheduler.fleet import FloatArray as FloatArray
from scheduler.fleet import IntArray as IntArray
from scheduler.fleet import plain_fleet as plain_fleet
from scheduler.microgrid import Microgrid
from scheduler.peak import PeakPrice
from scheduler.smooth import Smooth
from scheduler.switching_terms import SwitchingTerms


@dataclass(frozen=True, eq=False)
class PhaseLimit:
    """A current limit on one phase of one node.

    Parameters
    ----------
    node : int
        Index of the node; every session in its subtree counts.
    phase : int
        0, 1 or 2.
    cap_a : ndarray, shape (T,)
        Current left for sessions in each slot, A >= 0.
    """

    node: int
    phase: int
    cap_a: FloatArray


@dataclass(frozen=True, eq=False)
class ImbalanceLimit:
    """How far apart the phases of a node may be loaded.

    Parameters
    ----------
    node : int
        Index of the node; every session in its subtree that draws on one phase counts.
    most_a : float
        Most current by which a phase may exceed another, A >= 0.
    base_a : ndarray, shape (3,)
        Base load by phase, A.
    """

    node: int
    most_a: float
    base_a: FloatArray


@dataclass(frozen=True, eq=False)
class Problem:
    """One planning problem.

    Parameters
    ----------
    horizon : Horizon
        T slots.
    node_ids : tuple of str
        Nodes in preorder: a subtree is a range.
    parent : ndarray of int64, shape (m,)
        Index of each node's parent, -1 for the root, which is node 0.
    cap_kw : ndarray, shape (m, T)
        Power left for sessions at each node in each slot, kW >= 0 (inf: no limit there).
    fleet : Fleet
        n sessions.
    buy_per_kwh, sell_per_kwh : ndarray, shape (T,)
        Price of a kWh bought and sold in each slot.
    surplus_kw : ndarray, shape (T,)
        PV power beyond the base load, kW >= 0: worth only ``sell_per_kwh`` unless charged.
    phase_limits : tuple of PhaseLimit
        Current limits by phase.
    peaks : tuple of PeakPrice
        Demand charges at the root.
    running_kwh : ndarray, shape (offsets[-1],), optional
        The plan that runs, on this problem's slots; ties are broken toward it.
    relaxed_kwh : ndarray, shape (offsets[-1],), optional
        The same as the solver had it, before it was made holdable; None: it was not changed, or
        is not known. Solvers that begin with a plan begin with this one.
    microgrid : Microgrid or None
        Storage, PV and vehicles that give back. ``cap_kw`` then is what nodes leave for
        sessions while no storage helps.
    switching : SwitchingTerms or None
        How often piles may be switched on and off; None where none has such a rule.
    imbalances : tuple of ImbalanceLimit
        Limits of imbalance. Solvers may relax them.
    smooth : Smooth or None
        Steps by which the root's power is evened out within slots of one price; None: it is not.
    """

    horizon: Horizon
    node_ids: tuple[str, ...]
    parent: IntArray
    cap_kw: FloatArray
    fleet: Fleet
    buy_per_kwh: FloatArray
    sell_per_kwh: FloatArray
    surplus_kw: FloatArray
    phase_limits: tuple[PhaseLimit, ...] = ()
    peaks: tuple[PeakPrice, ...] = ()
    running_kwh: FloatArray | None = field(default=None)
    microgrid: Microgrid | None = None
    switching: SwitchingTerms | None = None
    imbalances: tuple[ImbalanceLimit, ...] = ()
    smooth: Smooth | None = None
    relaxed_kwh: FloatArray | None = field(default=None)

    def __post_init__(self) -> None:
        t, m = self.horizon.n, len(self.node_ids)
        if self.cap_kw.shape != (m, t):
            raise InvalidValueError(f"has shape {self.cap_kw.shape}, not {(m, t)}", where="cap_kw")
        if bool(np.any(np.isnan(self.cap_kw))) or bool(np.any(self.cap_kw < 0)):
            raise InvalidValueError("a capacity must be a number, 0 or more", where="cap_kw")
        for name in ("buy_per_kwh", "sell_per_kwh", "surplus_kw"):
            column = getattr(self, name)
            if column.shape != (t,) or not bool(np.all(np.isfinite(column))):
                raise InvalidValueError(f"needs {t} finite values", where=name)
        if m == 0 or int(self.parent[0]) != -1:
            raise InvalidValueError("node 0 must be the root", where="parent")

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: arrays that follow from the others it makes for itself."""
        kept = {*self.__dataclass_fields__, "digest"}
        return {name: value for name, value in self.__dict__.items() if name in kept}

    @cached_property
    def first(self) -> IntArray:
        """First slot that each session's window touches, shape (n,)."""
        edges = self.horizon.edges_s
        start = np.clip(self.fleet.start_s, edges[0], edges[-1])
        return np.minimum(np.searchsorted(edges, start, side="right") - 1, self.horizon.n).astype(
            np.int64
        )

    @cached_property
    def last(self) -> IntArray:
        """One past the last slot of each session's window, shape (n,)."""
        edges = self.horizon.edges_s
        end = np.clip(self.fleet.end_s, edges[0], edges[-1])
        last = np.searchsorted(edges, end, side="left").astype(np.int64)
        return np.maximum(last, self.first)

    @cached_property
    def offsets(self) -> IntArray:
        """Where each session's entries begin in a ragged plan, shape (n + 1,)."""
        out = np.zeros(self.fleet.n + 1, dtype=np.int64)
        np.cumsum(self.last - self.first, out=out[1:])
        return out

    @cached_property
    def entry_session(self) -> IntArray:
        """Session of each ragged entry."""
        return np.repeat(np.arange(self.fleet.n), self.last - self.first)

    @cached_property
    def entry_slot(self) -> IntArray:
        """Slot of each ragged entry."""
        inside = np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], self.last - self.first)
        return np.asarray(inside + np.repeat(self.first, self.last - self.first), dtype=np.int64)

    def entries_of(self, sessions: IntArray) -> IntArray:
        """The entries of some sessions, one session after another."""
        begin, size = self.offsets[sessions], self.last[sessions] - self.first[sessions]
        before = np.cumsum(size) - size
        return np.repeat(begin - before, size) + np.arange(int(size.sum()), dtype=np.int64)

    def session_sums(self, values: FloatArray) -> FloatArray:
        """Sum of a value by entry over each session's entries, shape (n,)."""
        out = np.zeros(self.fleet.n)
        begins = self.offsets[:-1]
        some = self.last > self.first
        if values.size:
            out[some] = np.add.reduceat(values, begins[some])
        return out

    @cached_property
    def entry_start_s(self) -> IntArray:
        """Where each entry begins: its slot, or its session inside it, epoch seconds."""
        slot_start = self.horizon.edges_s[self.entry_slot]
        own = self.fleet.start_s[self.entry_session]
        return np.asarray(np.maximum(slot_start, own), dtype=np.int64)

    @cached_property
    def entry_s(self) -> IntArray:
        """Seconds of the slot that lie inside the session's window, for each entry."""
        slot_end = self.horizon.edges_s[self.entry_slot + 1]
        hi = np.minimum(slot_end, self.fleet.end_s[self.entry_session])
        return np.asarray(np.maximum(hi - self.entry_start_s, 0), dtype=np.int64)

    @cached_property
    def entry_cell(self) -> IntArray:
        """Node and slot of each entry as one number, ``node * T + slot``."""
        return self.fleet.node[self.entry_session] * self.horizon.n + self.entry_slot

    @cached_property
    def entry_factor(self) -> FloatArray:
        """What 1 kW of each entry counts at a node."""
        return self.fleet.count_factor[self.entry_session]

    @cached_property
    def upper_kwh(self) -> FloatArray:
        """Most energy of each entry: max_kw times the seconds inside the window, kWh."""
        most = self.fleet.max_kw[self.entry_session] * self.entry_s
        return np.asarray(most / SECONDS_PER_HOUR, dtype=np.float64)

    @cached_property
    def most_kwh(self) -> FloatArray:
        """Most energy that each session can take in its window, whatever it owes, kWh."""
        return self.session_sums(self.upper_kwh)

    @cached_property
    def subtree_end(self) -> IntArray:
        """One past the last node of each node's subtree (preorder), shape (m,)."""
        m = len(self.node_ids)
        end = np.arange(1, m + 1, dtype=np.int64)
        for v in range(m - 1, 0, -1):
            p = int(self.parent[v])
            end[p] = max(end[p], end[v])
        return end

    @cached_property
    def digest(self) -> str:
        """Hash of everything a solver can see: the same problem has the same digest."""
        h = hashlib.blake2b(digest_size=16)
        h.update(self.horizon.edges_s.tobytes())
        h.update("\x00".join(self.node_ids).encode())
        h.update("\x00".join(self.fleet.ids).encode())
        arrays: list[NDArray[Any]] = [
            self.parent,
            self.cap_kw,
            self.buy_per_kwh,
            self.sell_per_kwh,
            self.surplus_kw,
        ]
        arrays += [getattr(self.fleet, f) for f in self.fleet.__dataclass_fields__ if f != "ids"]
        for limit in self.phase_limits:
            h.update(bytes([limit.phase]) + limit.node.to_bytes(4, "little"))
            arrays.append(limit.cap_a)
        for peak in self.peaks:
            h.update(peak.term.encode() + bytes([peak.insures]))
            arrays += [peak.row, peak.slot, peak.weight, peak.offset_kw, np.array(peak.tiers)]
        if self.running_kwh is not None:
            arrays.append(self.running_kwh)
        if self.relaxed_kwh is not None:
            h.update(b"relaxed")
            arrays.append(self.relaxed_kwh)
        if self.microgrid is not None:
            h.update("\x00".join(self.microgrid.asset_ids).encode())
            arrays.extend(self.microgrid.arrays())
        for uneven in self.imbalances:
            arrays += [np.array([uneven.node, uneven.most_a]), uneven.base_a]
        if self.switching is not None:
            arrays.extend(self.switching.arrays())
        if self.smooth is not None:
            arrays += [np.array([self.smooth.step_kw, self.smooth.steps]), self.smooth.filled]
        for a in arrays:
            h.update(np.ascontiguousarray(a).tobytes())
            h.update(b"\x00")
        return h.hexdigest()
