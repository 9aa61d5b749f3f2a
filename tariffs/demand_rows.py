"""A demand term as rows over the slots of a horizon, for whoever optimises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.horizon import FloatArray, Horizon, IntArray
from tariffs.demand import DemandTerm


@dataclass(frozen=True, eq=False)
class DemandRows:
    """Mean power of every interval that can set the month's peak, as a function of slot powers.

    ``mean_r = offset_kw[r] + sum(weight[e] * p[slot[e]] for the entries e of row r)``; the month
    costs ``price_k`` per kW of ``max_r(mean_r)`` above ``from_kw_k`` (not adding up, see
    :meth:`tariffs.demand.DemandTerm.price_above`).

    Parameters
    ----------
    row, slot : ndarray of int64, shape (e,)
        Entries; rows 0 .. m - 1 in order of their intervals.
    weight : ndarray of float, shape (e,)
        Share of the interval that the slot fills, 0 to 1.
    offset_kw : ndarray of float, shape (m,)
        What was drawn before the horizon in intervals still open, as mean power, kW.
    prices : tuple of (float, float)
        ``(from_kw, price_per_kw)`` from the floor upward.
    """

    row: IntArray
    slot: IntArray
    weight: FloatArray
    offset_kw: FloatArray
    prices: tuple[tuple[float, float], ...]


def demand_rows(
    term: DemandTerm,
    horizon: Horizon,
    *,
    floor_kw: float,
    past_starts_s: IntArray,
    past_ends_s: IntArray,
    past_kw: FloatArray,
) -> DemandRows:
    """The rows of a term on a horizon.

    Parameters
    ----------
    term : DemandTerm
    horizon : Horizon
        Power is constant within a slot.
    floor_kw : float
        What the month reaches anyway: the larger of its peak so far and the forecast of its
        unavoidable peak, kW, >= 0.
    past_starts_s, past_ends_s : ndarray of int64, shape (k,)
        Measured stretches before the horizon, for the interval that is running.
    past_kw : ndarray of float, shape (k,)
        Mean power of each, kW; feeding in counts as 0.

    Notes
    -----
    A running mean of piecewise constant power is piecewise linear in its begin, so its peaks lie
    where an end of the interval meets an end of a slot: those begins get a row, snapped to the
    slide from both sides, and so does every interval that is open already. Blocks on the clock
    get one row each.
    """
    begins = _begins(term, horizon)
    ends, edges = begins + term.interval_s, horizon.edges_s
    lo = np.maximum(np.searchsorted(edges, begins, side="right") - 1, 0)
    hi = np.minimum(np.searchsorted(edges, ends, side="left"), horizon.n)
    many = np.maximum(hi - lo, 0)
    row = np.repeat(np.arange(begins.size, dtype=np.int64), many)
    slot = np.arange(row.size, dtype=np.int64) + np.repeat(lo - np.cumsum(many) + many, many)
    overlap = np.minimum(edges[slot + 1], ends[row]) - np.maximum(edges[slot], begins[row])
    drawn = np.maximum(past_kw, 0.0)
    until = np.minimum(past_ends_s, horizon.start_s)
    offset = np.zeros(begins.size)
    # What begins with the horizon or later holds nothing of before it.
    for r in np.flatnonzero(begins < horizon.start_s).tolist():
        inside_s = np.maximum(until - np.maximum(past_starts_s, begins[r]), 0)
        offset[r] = float(drawn @ inside_s) / term.interval_s
    return DemandRows(row, slot, overlap / term.interval_s, offset, term.price_above(floor_kw))


def _begins(term: DemandTerm, horizon: Horizon) -> IntArray:
    """Where the intervals that can be the highest begin, epoch seconds, increasing."""
    reach = horizon.start_s - term.interval_s
    found: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    lo_month = max(reach, term.month_start_s)
    hi_month = min(horizon.end_s + term.interval_s, term.month_end_s)
    if lo_month >= hi_month:
        return found[0]
    for lo, hi in term.counted.spans(lo_month, hi_month, horizon.zone):
        if term.slide_s == term.interval_s:
            first = -(-lo // term.slide_s) * term.slide_s
            begins = np.arange(first, hi - term.interval_s + 1, term.slide_s, dtype=np.int64)
        else:
            meets = np.concatenate([horizon.edges_s, horizon.edges_s - term.interval_s])
            down = meets // term.slide_s * term.slide_s
            # Open intervals lean on measured power, which has edges of its own: all of them.
            running = np.arange(
                reach // term.slide_s * term.slide_s, horizon.start_s, term.slide_s, dtype=np.int64
            )
            begins = np.unique(np.concatenate([running, down, down + term.slide_s]))
            begins = begins[(begins >= lo) & (begins + term.interval_s <= hi)]
        touches = (begins < horizon.end_s) & (begins + term.interval_s > horizon.start_s)
        found.append(begins[touches])
    return np.concatenate(found)
