"""What sessions take and give, what their batteries hold, and the rows that are their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.general_program.layout import Key, Layout, Pair, key_of
from scheduler.general_program.worth import COSTS, CURTAILED, TIE, worths
from scheduler.microgrid import Giving
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import phase_rows, taper_share, tapered_entries

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SessionColumns:
    """Columns of a problem with n sessions and E entries.

    Parameters
    ----------
    x, y, w : ndarray of int64
        Columns of what sessions take (one for each entry), give (``y_entry``), and of the energy
        gained since now (``w_entry``: of who gives or tapers alone).
    y_entry, w_entry : ndarray of int64
        Their entries.
    tapered : ndarray of int64
        Entries with a row for their taper.
    promise : ndarray, shape (n,)
        What a promised kWh of each session is worth beyond any other, scaled; 0: none is promised.
    """

    x: IntArray
    y: IntArray
    y_entry: IntArray
    w: IntArray
    w_entry: IntArray
    tapered: IntArray
    promise: FloatArray


def add_sessions(layout: Layout) -> SessionColumns:
    """Columns and rows of every session, and the site's limits on its phases."""
    problem, fleet = layout.problem, layout.problem.fleet
    slot, session = problem.entry_slot, problem.entry_session
    giving, upper = layout.grid.giving, problem.upper_kwh
    worth, promise = worths(problem, layout.top)
    cost = TIE * slot / max(problem.horizon.n - 1, 1)
    if bool(fleet.earliest.any()):
        late = (slot - problem.first[session]) * 2.0 * COSTS
        cost = cost + np.where(fleet.earliest[session], late, 0.0)
    tapered = _tapered(problem, giving)
    stated = np.zeros(fleet.n, dtype=bool)
    stated[session[tapered]] = True
    if giving is not None:
        stated |= giving.discharge_kw > 0
    cost = cost - np.where(stated, 0.0, worth)[session]
    every = np.arange(slot.size, dtype=np.int64)
    key = _by_entry(layout, 1, every)
    x = layout.add_columns(cost, np.zeros(slot.size), upper, key, session)
    y, y_entry = _add_giving(layout, x, giving)
    most = np.bincount(session, weights=upper, minlength=fleet.n)
    _add_owed(layout, x, ~stated & ((most > fleet.energy_kwh) | (promise > 0)))
    w_entry = np.flatnonzero(stated[session])
    w = _add_states(layout, x, y, y_entry, w_entry, worth, giving)
    _add_tapers(layout, x, w, w_entry, tapered)
    _add_promises(layout, x, w, w_entry, promise)
    phases = phase_rows(problem)
    if phases.n:
        key = key_of(2, 0, np.arange(phases.n))
        rows = layout.add_rows(np.full(phases.n, -np.inf), phases.upper, key)
        layout.put(rows[phases.row], x[phases.entry], phases.value)
    return SessionColumns(x, y, y_entry, w, w_entry, tapered, promise)


def _by_entry(layout: Layout, kind: int, entry: IntArray) -> Key:
    """Keys of something of some entries."""
    problem = layout.problem

    def made() -> IntArray:
        owner = layout.session_owner[problem.entry_session[entry]]
        return key_of(kind, owner, layout.slot_end[problem.entry_slot[entry]])

    return made


def _by_session(layout: Layout, kind: int, some: IntArray) -> Key:
    """Keys of something of some sessions as a whole."""
    return lambda: key_of(kind, layout.session_owner[some], 0)


def _add_owed(layout: Layout, x: IntArray, binds: Bools) -> None:
    """What plain sessions take is at most what they are owed."""
    session, some = layout.problem.entry_session, np.flatnonzero(binds)
    number = np.full(binds.size, -1)
    number[some] = layout.add_rows(
        np.full(some.size, -np.inf),
        layout.problem.fleet.energy_kwh[some],
        _by_session(layout, 1, some),
        some,
    )
    entry = np.flatnonzero(binds[session])
    layout.put_own(number[session[entry]], x[entry], 1.0)


def _add_giving(layout: Layout, x: IntArray, giving: Giving | None) -> tuple[IntArray, IntArray]:
    """What sessions give, within their budget; columns and entries."""
    problem = layout.problem
    none = np.zeros(0, dtype=np.int64)
    if giving is None:
        return none, none
    session = problem.entry_session
    most = giving.discharge_kw[session] * (problem.entry_s / 3600.0)
    entry = np.flatnonzero(most > 0)
    mine = session[entry]
    wear = (giving.wear_per_kwh * layout.scale + CURTAILED)[mine]
    key = _by_entry(layout, 2, entry)
    y = layout.add_columns(wear, np.zeros(entry.size), most[entry], key, mine)
    layout.pairs.append(Pair("session", x[entry], y))
    capped = giving.budget_kwh < np.bincount(session, weights=most, minlength=problem.fleet.n)
    some = np.flatnonzero(capped)
    number = np.full(problem.fleet.n, -1)
    key = _by_session(layout, 3, some)
    number[some] = layout.add_rows(np.full(some.size, -np.inf), giving.budget_kwh[some], key, some)
    at = number[mine]
    layout.put_own(at[at >= 0], y[at >= 0], 1.0)
    return y, entry


def _add_states(
    layout: Layout,
    x: IntArray,
    y: IntArray,
    y_entry: IntArray,
    entry: IntArray,
    worth: FloatArray,
    giving: Giving | None,
) -> IntArray:
    """``w_j = w_(j-1) + x_j - y_j / efficiency``: the energy gained since now, in some entries."""
    problem, fleet = layout.problem, layout.problem.fleet
    if not entry.size:
        return entry
    session = problem.entry_session[entry]
    room, low = fleet.taper_room_kwh, np.zeros(fleet.n)
    if giving is not None:
        room = np.where(giving.discharge_kw > 0, giving.room_kwh, room)
        low = -np.where(giving.discharge_kw > 0, giving.spare_kwh, 0.0)
    final = problem.offsets[1:][session] - 1 == entry
    top = np.where(final, fleet.energy_kwh[session], np.maximum(room, fleet.energy_kwh)[session])
    cost = np.where(final, -worth[session], 0.0)
    key = _by_entry(layout, 3, entry)
    w = layout.add_columns(cost, low[session], top, key, session)
    zero = np.zeros(entry.size)
    rows = layout.add_rows(zero, zero, key, session)
    layout.put_own(rows, w, 1.0)
    later = np.flatnonzero(problem.offsets[:-1][session] != entry)
    layout.put_own(rows[later], w[later - 1], -1.0)
    layout.put_own(rows, x[entry], -1.0)
    if y.size and giving is not None:
        at = np.full(x.size, -1)
        at[entry] = rows
        efficiency = giving.efficiency[problem.entry_session[y_entry]]
        layout.put_own(at[y_entry], y, 1.0 / efficiency)
    return w


def _add_tapers(
    layout: Layout, x: IntArray, w: IntArray, w_entry: IntArray, tapered: IntArray
) -> None:
    """``x_j <= share (room - w_(j-1))``: what a battery that fills lets in."""
    if not tapered.size:
        return
    problem = layout.problem
    session = problem.entry_session[tapered]
    share = taper_share(problem)[tapered]
    full = problem.fleet.taper_room_kwh[session]
    key = _by_entry(layout, 4, tapered)
    rows = layout.add_rows(np.full(tapered.size, -np.inf), share * full, key, session)
    layout.put_own(rows, x[tapered], 1.0)
    later = np.flatnonzero(problem.offsets[:-1][session] != tapered)
    before = w[np.searchsorted(w_entry, tapered[later]) - 1]
    layout.put_own(rows[later], before, share[later])


def _add_promises(
    layout: Layout, x: IntArray, w: IntArray, w_entry: IntArray, promise: FloatArray
) -> None:
    """A column for the promised part of what is given, which is worth more."""
    problem = layout.problem
    some = np.flatnonzero(promise > 0)
    if not some.size:
        return
    most, none = problem.fleet.promised_kwh[some], np.full(some.size, -np.inf)
    key = _by_session(layout, 4, some)
    columns = layout.add_columns(-promise[some], np.zeros(some.size), most, key, some)
    rows = layout.add_rows(none, np.zeros(some.size), _by_session(layout, 5, some), some)
    layout.put_own(rows, columns, 1.0)
    number = np.full(problem.fleet.n, -1)
    number[some] = rows
    at_end = np.full(problem.fleet.n, -1)
    at_end[problem.entry_session[w_entry]] = w
    plain = np.flatnonzero(((number >= 0) & (at_end < 0))[problem.entry_session])
    layout.put_own(number[problem.entry_session[plain]], x[plain], -1.0)
    owing = some[at_end[some] >= 0]
    layout.put_own(number[owing], at_end[owing], -1.0)


def _tapered(problem: Problem, giving: Giving | None) -> IntArray:
    """Entries whose taper can bind; of a vehicle that gives back, all: it may fill again."""
    tapered = tapered_entries(problem)
    if giving is None:
        return tapered
    fleet, session = problem.fleet, problem.entry_session
    known = np.isfinite(fleet.taper_per_h) & np.isfinite(fleet.taper_room_kwh)
    gives = known & (giving.discharge_kw > 0)
    if not bool(gives.any()):
        return tapered
    more = gives[session] & (problem.entry_s > 0)
    return np.union1d(tapered, np.flatnonzero(more)).astype(np.int64)
