"""The constraints of a problem as sparse rows over ragged entries: what a linear solver reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.peak import PeakPrice
from scheduler.problem import FloatArray, IntArray, Problem


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows ``A x <= upper`` over the entries of a problem, as triplets.

    Parameters
    ----------
    row, entry : ndarray of int64, shape (z,)
        Row and entry of each coefficient.
    value : ndarray, shape (z,)
        The coefficients.
    upper : ndarray, shape (r,)
        Right side of each row.
    """

    row: IntArray
    entry: IntArray
    value: FloatArray
    upper: FloatArray

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.upper.size)


def _rows(row: IntArray, entry: IntArray, value: FloatArray, upper: FloatArray) -> Rows:
    return Rows(
        np.asarray(row, dtype=np.int64),
        np.asarray(entry, dtype=np.int64),
        np.asarray(value, dtype=np.float64),
        np.asarray(upper, dtype=np.float64),
    )


def stack(parts: list[Rows]) -> Rows:
    """Several groups of rows, one under the other."""
    base = np.cumsum([0] + [p.n for p in parts])
    return _rows(
        np.concatenate([p.row + b for p, b in zip(parts, base[:-1], strict=True)]),
        np.concatenate([p.entry for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.upper for p in parts]),
    )


def reach_kwh(problem: Problem) -> FloatArray:
    """Most energy an entry can ever take, kWh: its upper bound or all that is owed."""
    return np.minimum(problem.upper_kwh, problem.fleet.energy_kwh[problem.entry_session])


def energy_rows(problem: Problem) -> Rows:
    """At most the energy owed, for sessions that could take more."""
    session = problem.entry_session
    binds = problem.most_kwh > problem.fleet.energy_kwh
    number = np.cumsum(binds) - 1
    entry = np.flatnonzero(binds[session])
    return _rows(
        number[session[entry]], entry, np.ones(entry.size), problem.fleet.energy_kwh[binds]
    )


def node_rows(problem: Problem) -> Rows:
    """Node capacities, only where the sessions below could ever reach them.

    A row is left out where the sum of what its entries can take fits under the capacity, and
    where a child's row with no more capacity holds the very same entries.
    """
    slot_h = problem.horizon.slot_h
    node = problem.fleet.node[problem.entry_session]
    factor = problem.fleet.count_factor[problem.entry_session]
    weight = reach_kwh(problem) * factor
    t = problem.horizon.n
    m = len(problem.node_ids)
    reach = subtree_sums(problem, weight)
    own = np.zeros((m, t), dtype=np.int64)
    np.add.at(own, (node, problem.entry_slot), 1)
    count = own.copy()
    for v in range(m - 1, 0, -1):
        count[problem.parent[v]] += count[v]
    cap = problem.cap_kw * slot_h
    needed = reach > cap * (1 + 1e-12)
    for v in range(1, m):
        p = int(problem.parent[v])
        same = (count[p] == count[v]) & (cap[v] <= cap[p])
        needed[p] &= ~same
    rows: list[Rows] = []
    for node_number in np.flatnonzero(needed.any(axis=1)):
        v = int(node_number)
        below = (node >= v) & (node < problem.subtree_end[v])
        entry = np.flatnonzero(below & needed[v, problem.entry_slot])
        slots = np.flatnonzero(needed[v])
        number = np.cumsum(needed[v]) - 1
        rows.append(_rows(number[problem.entry_slot[entry]], entry, factor[entry], cap[v, slots]))
    return stack(rows) if rows else _no_rows()


def phase_rows(problem: Problem) -> Rows:
    """Current limits by phase, A h per slot, only where they can bind."""
    slot_h = problem.horizon.slot_h
    node = problem.fleet.node[problem.entry_session]
    amps = problem.fleet.amps_per_kw[problem.entry_session]
    reach = reach_kwh(problem) * amps
    rows: list[Rows] = []
    for limit in problem.phase_limits:
        on = (problem.fleet.phases[problem.entry_session] >> limit.phase) & 1
        below = (node >= limit.node) & (node < problem.subtree_end[limit.node]) & (on == 1)
        most = np.bincount(
            problem.entry_slot, weights=np.where(below, reach, 0.0), minlength=problem.horizon.n
        )
        cap = limit.cap_a * slot_h
        needed = most > cap * (1 + 1e-12)
        entry = np.flatnonzero(below & needed[problem.entry_slot])
        number = np.cumsum(needed) - 1
        rows.append(_rows(number[problem.entry_slot[entry]], entry, amps[entry], cap[needed]))
    return stack(rows) if rows else _no_rows()


def peak_rows(problem: Problem, peak: PeakPrice) -> Rows:
    """Mean power of each interval that can pass a peak's free level, at most that level, kW."""
    order = np.argsort(problem.entry_slot, kind="stable")
    counts = np.bincount(problem.entry_slot, minlength=problem.horizon.n)
    begins = np.cumsum(counts) - counts
    per = counts[peak.slot]
    triplet = np.repeat(np.arange(peak.slot.size), per)
    inside = np.arange(triplet.size) - np.repeat(np.cumsum(per) - per, per)
    entry = order[begins[peak.slot[triplet]] + inside]
    row = peak.row[triplet]
    value = (peak.weight / problem.horizon.slot_h[peak.slot])[triplet]
    room = peak.tiers[0][0] - peak.offset_kw
    most = np.bincount(row, weights=value * reach_kwh(problem)[entry], minlength=room.size)
    needed = (most > room) & (most > 0)
    kept = needed[row]
    number = np.cumsum(needed) - 1
    return _rows(number[row[kept]], entry[kept], value[kept], room[needed])


def taper_share(problem: Problem) -> FloatArray:
    """Share of the room left that an entry can take at most: ``1 - exp(-k h)``; 1 without taper.

    On a slot of h hours the taper ``p(t) = k r(t)``, with r the room left, gives
    ``r(h) = r(0) exp(-k h)``; h is the part of the slot inside the window.
    """
    hours = problem.entry_s / 3600.0
    k = problem.fleet.taper_per_h[problem.entry_session]
    tapers = np.isfinite(k) & np.isfinite(problem.fleet.taper_room_kwh[problem.entry_session])
    rate = np.where(tapers, k, 0.0)
    return np.where(tapers, -np.expm1(-rate * hours), 1.0)


def tapered_entries(problem: Problem) -> IntArray:
    """Entries whose taper can bind, ascending.

    With c taken before, an entry takes at most min(upper, energy - c) and the taper allows
    share (room - c): it binds only for a c with ``room - upper / share < c`` and
    ``c < (energy - share room) / (1 - share)``, within what can be taken before.
    """
    session = problem.entry_session
    room = problem.fleet.taper_room_kwh[session]
    k = problem.fleet.taper_per_h[session]
    some = np.flatnonzero(np.isfinite(room) & np.isfinite(k) & (problem.entry_s > 0))
    if not some.size:
        return some
    share = np.clip(taper_share(problem)[some], 1e-12, 1.0 - 1e-12)
    total = np.cumsum(problem.upper_kwh) - problem.upper_kwh
    before = total - np.repeat(
        total[problem.offsets[:-1][problem.last > problem.first]],
        (problem.last - problem.first)[problem.last > problem.first],
    )
    energy = problem.fleet.energy_kwh[session[some]]
    most = np.minimum(before[some], energy)
    low = np.maximum(room[some] - problem.upper_kwh[some] / share, 0.0)
    high = np.minimum((energy - share * room[some]) / (1.0 - share), most)
    return np.asarray(some[low <= high], dtype=np.int64)


def subtree_sums(problem: Problem, weight: FloatArray, entry: IntArray | None = None) -> FloatArray:
    """Sum of an entry weight over each node's subtree in each slot, shape (m, T).

    Parameters
    ----------
    problem : Problem
    weight : ndarray, shape (E,), or of as many as ``entry``
    entry : ndarray of int64, optional
        The entries that weigh anything; all unless given.
    """
    t, m = problem.horizon.n, len(problem.node_ids)
    cell = problem.entry_cell if entry is None else problem.entry_cell[entry]
    sums = np.bincount(cell, weights=weight, minlength=m * t).reshape(m, t)
    for v in range(m - 1, 0, -1):
        sums[problem.parent[v]] += sums[v]
    return np.asarray(sums, dtype=np.float64)


def _no_rows() -> Rows:
    none = np.zeros(0, dtype=np.int64)
    return _rows(none, none, np.zeros(0), np.zeros(0))
