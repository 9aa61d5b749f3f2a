"""How far sessions, storages and PV of a plan could each go up and down, slot by slot.

Who takes an offer says so before its slot begins, so what lies between may be rearranged for it:
a storage charges, or makes room, and a vehicle takes its energy earlier or later. Slot 0 runs
already and is left alone. Each slot is looked at by itself: an offer is taken one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.horizon import FloatArray
from scheduler.microgrid import Microgrid
from scheduler.problem import Problem
from scheduler.solution import Solution


@dataclass(frozen=True, eq=False)
class Reach:
    """What may be added to a plan, by slot, kW >= 0, shape (T,).

    Parameters
    ----------
    less_kw, more_kw : ndarray
        How much less, and more, is drawn.
    """

    less_kw: FloatArray
    more_kw: FloatArray


def of_storages(
    grid: Microgrid,
    answer: Solution,
    hours: FloatArray,
    draw_kw: FloatArray,
    feed_kw: FloatArray,
    slots: int,
) -> Reach:
    """Storages, with what they could have stored, or emptied, by then.

    Parameters
    ----------
    grid : Microgrid
    answer : Solution
        With the assets' powers.
    hours : ndarray, shape (T,)
        Length of each slot.
    draw_kw, feed_kw : ndarray, shape (T,)
        What the connection may draw, and feed back, beside the plan to prepare, kW >= 0.
    slots : int
        So many are looked at; none is told of the later ones.
    """
    stores = grid.stores
    assert answer.assets_kw is not None
    plan = answer.assets_kw[: stores.n]
    after = stores.stored_kwh(plan * hours)
    # Slot by slot in plain numbers: each begins where the one before it ends.
    less, more = [0.0] * hours.size, [0.0] * hours.size
    slot_h, draw, feed = hours.tolist(), draw_kw.tolist(), feed_kw.tolist()
    draw[0] = feed[0] = 0.0
    for k in range(stores.n):
        into, out = float(stores.charge_efficiency[k]), float(stores.discharge_efficiency[k])
        most_in, most_out = float(stores.charge_kw[k]), float(stores.discharge_kw[k])
        floor, top = float(stores.floor_kwh[k]), float(stores.top_kwh[k])
        pv_only = bool(stores.pv_only[k])
        high = low = float(stores.energy_kwh[k])
        for t, (power, h, stored) in enumerate(
            zip(plan[k, :slots].tolist(), slot_h, after[k].tolist(), strict=False)
        ):
            give = min(most_out, max(high - floor, 0.0) * out / h)
            take = min(most_in, max(top - low, 0.0) / into / h)
            take = max(power, 0.0) if pv_only else take
            less[t] += max(power + give, 0.0)
            more[t] += max(take - power, 0.0)
            # On the way to a later slot: as much more, or less, as the connection bears.
            added = 0.0 if pv_only else max(min(most_in - power, draw[t]), 0.0)
            taken = max(min(most_out + power, feed[t]), 0.0)
            full, empty = max(top, stored), min(floor, stored)
            high = max(min(high + _gain(power + added, into, out) * h, full), stored)
            low = min(max(low + _gain(power - taken, into, out) * h, empty), stored)
            draw[t] -= added
            feed[t] -= taken
    return Reach(np.array(less), np.array(more))


def _gain(power_kw: float, into: float, out: float) -> float:
    return power_kw * into if power_kw > 0 else power_kw / out


def of_sessions(problem: Problem, answer: Solution) -> Reach:
    """Sessions that only draw: what they put off, or take at another time; who must not wait does
    not, and what a taper allows is not known well enough.
    """
    t, n = problem.horizon.n, problem.fleet.n
    session = problem.entry_session
    slot = problem.entry_slot
    giving = problem.microgrid.giving if problem.microgrid is not None else None
    gives = np.zeros(n, dtype=bool) if giving is None else giving.discharge_kw > 0
    free = ~(gives | np.isfinite(problem.fleet.taper_per_h))[session]
    energy = np.where(free, np.maximum(answer.energy_kwh, 0.0), 0.0)
    spare = np.where(free, np.maximum(problem.upper_kwh - energy, 0.0), 0.0)
    put_off = np.minimum(energy, _elsewhere(problem, spare))
    put_off = np.where(problem.fleet.earliest[session], 0.0, put_off)
    early = np.minimum(spare, _elsewhere(problem, energy))
    return Reach(
        np.bincount(slot, weights=put_off, minlength=t) / problem.horizon.slot_h,
        np.bincount(slot, weights=early, minlength=t) / problem.horizon.slot_h,
    )


def _elsewhere(problem: Problem, value: FloatArray) -> FloatArray:
    """Sum of an entry value over the other entries of the same session that are still to come."""
    session = problem.entry_session
    to_come = np.where(problem.entry_slot > 0, value, 0.0)
    whole = np.bincount(session, weights=to_come, minlength=problem.fleet.n)
    return np.asarray(np.maximum(whole[session] - to_come, 0.0))


def of_giving(problem: Problem, answer: Solution) -> Reach:
    """Vehicles that give back: they stop charging and give, or stop giving and charge.

    What they give must have been stored by then, fit their daily cycles, and be charged again,
    with its losses, in the rest of their stay.
    """
    t, n = problem.horizon.n, problem.fleet.n
    none = np.zeros(t)
    giving = problem.microgrid.giving if problem.microgrid is not None else None
    if giving is None:
        return Reach(none, none)
    slot, session = problem.entry_slot, problem.entry_session
    gives = (giving.discharge_kw > 0)[session]
    energy = np.where(gives, answer.energy_kwh, 0.0)
    charged, given = np.maximum(energy, 0.0), np.maximum(-energy, 0.0)
    loss = giving.efficiency[session]
    spare = np.where(gives, np.maximum(problem.upper_kwh - charged, 0.0), 0.0)
    elsewhere = _elsewhere(problem, spare)
    put_off = np.minimum(charged, elsewhere)
    net = charged - given / loss
    before = _before(problem, net) + giving.spare_kwh[session]
    budget = giving.budget_kwh[session] - np.bincount(session, weights=given, minlength=n)[session]
    most = giving.discharge_kw[session] * problem.entry_s / 3600.0
    back = np.minimum.reduce([most, (elsewhere - put_off) * loss, before * loss, budget + given])
    back = np.where(gives & (put_off >= charged - 1e-9), np.maximum(back - given, 0.0), 0.0)
    room = giving.room_kwh[session] - _before(problem, net) - net
    early = np.minimum(np.minimum(spare, _elsewhere(problem, charged)), np.maximum(room, 0.0))
    return Reach(
        np.bincount(slot, weights=put_off + back, minlength=t) / problem.horizon.slot_h,
        np.bincount(slot, weights=np.maximum(early, 0.0) + given, minlength=t)
        / problem.horizon.slot_h,
    )


def _before(problem: Problem, value: FloatArray) -> FloatArray:
    """Sum of an entry value over the earlier entries of the same session."""
    if not value.size:
        return value
    total = np.cumsum(value) - value
    first = problem.offsets[:-1][problem.entry_session]
    return np.asarray(total - total[first])


def of_sources(grid: Microgrid, answer: Solution, surely: FloatArray) -> Reach:
    """PV that is used may be curtailed, as much as surely shines, kW, shape (T,)."""
    assert answer.assets_kw is not None
    used = -answer.assets_kw[grid.stores.n :].sum(axis=0)
    return Reach(np.zeros(used.size), np.minimum(np.maximum(used, 0.0), surely))
