"""When a vehicle would have to leave for what it lacks to fit beside everybody else's plan."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.units import SECONDS_PER_HOUR
from scheduler.problem import FloatArray, Problem

_ROUND_S = 60


def later_departure_s(
    problem: Problem, i: int, short_kwh: float, room: FloatArray, above: Sequence[int]
) -> int | None:
    """A later departure at which what is short would fit, everybody else left as planned.

    Parameters
    ----------
    problem : Problem
    i : int
        Index of the session in the problem's fleet.
    short_kwh : float
        What it lacks at its departure, kWh.
    room : ndarray, shape (m + P, T)
        What each limit has left in each slot, as :func:`scheduler.limits_above.limit_rooms` says.
    above : sequence of int
        The limits that the session counts at.

    Returns
    -------
    int or None
        Epoch seconds, rounded up to a minute; None where the window ends before.
    """
    fleet = problem.fleet
    edges, end = problem.horizon.edges_s, int(fleet.end_s[i])
    factor, most = float(fleet.count_factor[i]), float(fleet.max_kw[i])
    m, amps = len(problem.node_ids), float(fleet.amps_per_kw[i])
    counted = [(v, factor if v < m else amps) for v in above]
    missing = short_kwh
    for t in range(int(np.searchsorted(edges, end, side="right")) - 1, problem.horizon.n):
        begin, stop = max(end, int(edges[t])), int(edges[t + 1])
        own = most * (stop - begin) / SECONDS_PER_HOUR
        left = min(float(room[v, t]) / counts for v, counts in counted)
        gain = max(min(own, left), 0.0)
        if gain >= missing:
            at = begin + missing / gain * (stop - begin)
            return math.ceil((at - 1e-6) / _ROUND_S) * _ROUND_S
        missing -= gain
    return None
