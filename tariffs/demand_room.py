"""What dispatch may still draw so that no demand interval rises above a level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import FloatArray, Horizon, IntArray
from tariffs.demand import DemandTerm

SPREAD_S = 60.0
"""What an interval drew too much is made up for over at least so long."""


@dataclass(frozen=True, eq=False)
class Ahead:
    """What the plan draws after the power that is asked for now has been held for a while.

    Parameters
    ----------
    until_s : float
        Epoch seconds until which the power of now is held: the end of the plan's slot.
    edges_s : ndarray of int64, shape (k + 1,)
        Slot edges from there on.
    power_kw : ndarray of float, shape (k,)
        Planned power of everything behind the meter in each slot, kW; 0 beyond the last edge.
    """

    until_s: float
    edges_s: IntArray
    power_kw: FloatArray


def open_begins(term: DemandTerm, now_s: float, zone: ZoneInfo) -> IntArray:
    """Where the intervals begin that count, have begun and are not over, epoch seconds."""
    reach = int(now_s) - term.interval_s
    lo, hi = max(reach, term.month_start_s), min(int(now_s) + 2 * term.interval_s, term.month_end_s)
    found = [np.zeros(0, dtype=np.int64)]
    if lo < hi:
        for a, b in term.counted.spans(lo, hi, zone):
            first = -(-a // term.slide_s) * term.slide_s
            last = min(b - term.interval_s, int(now_s))
            found.append(np.arange(first, last + 1, term.slide_s, dtype=np.int64))
    begins = np.concatenate(found)
    return begins[begins + term.interval_s > now_s]


def room_kw(
    term: DemandTerm,
    zone: ZoneInfo,
    now_s: float,
    starts_s: IntArray,
    ends_s: IntArray,
    power_kw: FloatArray,
    level_kw: float,
    ahead: Ahead | None = None,
) -> float:
    """The constant power from now on that keeps every open interval's mean at a level.

    For an interval begun at ``b`` with ``E_b`` drawn so far and ``A_b`` planned after the power
    of now was held for ``h_b`` seconds, ``p <= (level * interval - E_b - A_b) / h_b``; the least
    over all open intervals holds. Blocks on the clock have one open interval, a window sliding by
    the minute has fifteen. What was drawn too much or too little is spread over at least
    :data:`SPREAD_S`: the last second of an interval cannot make up for the whole of it.

    Parameters
    ----------
    term : DemandTerm
        Its interval, slide and counted window are used.
    zone : ZoneInfo
        The site's zone.
    now_s : float
        Epoch seconds.
    starts_s, ends_s : ndarray of int64, shape (m,)
        Measured stretches before now, in order and touching; what is not measured counts as 0 kW.
    power_kw : ndarray of float, shape (m,)
        Mean power drawn in each, kW; feeding in counts as 0.
    level_kw : float
        The mean that no interval may exceed, kW, >= 0.
    ahead : Ahead, optional
        Unless given, the power of now is held to the end of every open interval.

    Returns
    -------
    float
        kW; inf where no interval counts now; negative when a level can no longer be held however
        little is drawn.
    """
    begins = open_begins(term, now_s, zone)
    if not begins.size:
        return math.inf
    ends = begins + term.interval_s
    until = ends.astype(np.float64)
    later_ws = np.zeros(begins.size)
    if ahead is not None:
        until = np.minimum(until, max(ahead.until_s, now_s + SPREAD_S))
        if ahead.power_kw.size:
            to_come = np.maximum(ahead.power_kw, 0.0) * np.diff(ahead.edges_s)
            total = np.concatenate([[0.0], np.cumsum(to_come)])
            later_ws = np.interp(ends, ahead.edges_s, total)
            later_ws -= np.interp(until, ahead.edges_s, total)
    overlap = np.minimum(ends_s, now_s) - np.maximum(starts_s, begins[:, None])
    drawn_ws = np.maximum(overlap, 0.0) @ np.maximum(power_kw, 0.0)
    held_s = until - now_s
    spare_ws = level_kw * (term.interval_s - held_s) - drawn_ws - later_ws
    return float(np.min(level_kw + spare_ws / np.maximum(held_s, SPREAD_S)))


def unavoidable_peak_kw(term: DemandTerm, horizon: Horizon, unavoidable_kw: FloatArray) -> float:
    """The highest interval that comes whatever the plan: base load, and sessions without room.

    Parameters
    ----------
    term : DemandTerm
        Only slots that count towards it are looked at.
    horizon : Horizon
    unavoidable_kw : ndarray of float, shape (n,)
        Mean power per slot that no plan can shift, kW.

    Returns
    -------
    float
        kW, >= 0. Slots shorter than the interval are averaged over it, longer ones taken as
        they are.
    """
    counted = np.where(term.share(horizon) > 0, np.maximum(unavoidable_kw, 0.0), 0.0)
    cumulated = np.concatenate([[0.0], np.cumsum(counted * horizon.slot_s)])
    ends = np.minimum(horizon.edges_s[:-1] + term.interval_s, horizon.end_s)
    energy = np.interp(ends, horizon.edges_s, cumulated) - cumulated[:-1]
    return float(np.max(energy / term.interval_s, initial=0.0))
