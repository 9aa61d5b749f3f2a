"""What dispatch may still draw so that no demand interval rises above a level."""

from __future__ import annotations

import numpy as np

from models.horizon import FloatArray, Horizon, IntArray
from tariffs.demand import DemandTerm


def room_kw(
    term: DemandTerm,
    now_s: int,
    starts_s: IntArray,
    ends_s: IntArray,
    power_kw: FloatArray,
    level_kw: float,
) -> float:
    """The constant power from now on that keeps every open interval's mean at a level.

    For an interval begun at ``b`` with ``E_b`` drawn so far,
    ``p <= (level * interval - E_b) / (b + interval - now)``; the least over all open intervals
    holds. Blocks on the clock have one open interval, a window sliding by the minute has fifteen.

    Parameters
    ----------
    term : DemandTerm
        Its interval and slide are used.
    now_s : int
        Epoch seconds.
    starts_s, ends_s : ndarray of int64, shape (m,)
        Measured stretches before now, in order; what is not measured counts as 0 kW.
    power_kw : ndarray of float, shape (m,)
        Mean power drawn in each, kW; feeding in counts as 0.
    level_kw : float
        The mean that no interval may exceed, kW, >= 0.

    Returns
    -------
    float
        kW, negative when a level can no longer be held however little is drawn.
    """
    latest = now_s // term.slide_s * term.slide_s
    begins = np.arange(latest, now_s - term.interval_s, -term.slide_s, dtype=np.int64)
    drawn_ws = np.array(
        [
            float(
                np.maximum(power_kw, 0.0)
                @ np.maximum(np.minimum(ends_s, now_s) - np.maximum(starts_s, begin), 0)
            )
            for begin in begins
        ]
    )
    left_s = begins + term.interval_s - now_s
    return float(np.min((level_kw * term.interval_s - drawn_ws) / left_s))


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
