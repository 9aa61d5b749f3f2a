"""When a vehicle would have to leave for what it lacks to fit beside everybody else's plan."""

from __future__ import annotations

import math

import numpy as np

from models.units import SECONDS_PER_HOUR
from scheduler.problem import FloatArray, Problem

_ROUND_S = 60


def later_departure_s(
    problem: Problem, i: int, short_kwh: float, room_kwh: FloatArray
) -> int | None:
    """A later departure at which what is short would fit, everybody else left as planned.

    Parameters
    ----------
    problem : Problem
    i : int
        Index of the session in the problem's fleet.
    short_kwh : float
        What it lacks at its departure, kWh.
    room_kwh : ndarray, shape (m, T)
        What each node has left in each slot, kWh; inf where nothing limits.

    Returns
    -------
    int or None
        Epoch seconds, rounded up to a minute; None where the window ends before.
    """
    fleet = problem.fleet
    edges, end = problem.horizon.edges_s, int(fleet.end_s[i])
    factor, most = float(fleet.count_factor[i]), float(fleet.max_kw[i])
    path, missing = path_of(problem, i), short_kwh
    for t in range(int(np.searchsorted(edges, end, side="right")) - 1, problem.horizon.n):
        begin, stop = max(end, int(edges[t])), int(edges[t + 1])
        own = most * (stop - begin) / SECONDS_PER_HOUR
        room = min(float(room_kwh[v, t]) for v in path) / factor
        gain = max(min(own, room), 0.0)
        if gain >= missing:
            at = begin + missing / gain * (stop - begin)
            return math.ceil((at - 1e-6) / _ROUND_S) * _ROUND_S
        missing -= gain
    return None


def path_of(problem: Problem, i: int) -> list[int]:
    """The nodes above a session, its own first."""
    out, v = [], int(problem.fleet.node[i])
    while v >= 0:
        out.append(v)
        v = int(problem.parent[v])
    return out
