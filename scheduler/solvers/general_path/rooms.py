"""How far a move of a session can go; compiled."""

from __future__ import annotations

import numpy as np

from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.general_path.kinds import GIVE, NEAR_KWH, TAKE


@compiled
def room_kwh(
    where: IntArray,
    k: int,
    take: FloatArray,
    take_most: FloatArray,
    give: FloatArray,
    give_most: FloatArray,
    budget: float,
    efficiency: float,
    held: FloatArray,
    low: FloatArray,
    high: FloatArray,
    promised: float,
) -> float:
    """How far a move can go, kWh; a taper is not looked at."""
    near = NEAR_KWH
    a, b = where[k, 0], where[k, 2]
    if where[k, 1] == TAKE:
        room = take[a]
    elif where[k, 1] == GIVE:
        room = (give_most[a] - give[a]) / efficiency
        if where[k, 3] != GIVE:
            room = min(room, budget / efficiency)
    else:
        room = high[a] - held[a]
        if promised > held[a] + near:
            room = min(room, promised - held[a])
    if where[k, 3] == TAKE:
        room = min(room, take_most[b] - take[b])
    elif where[k, 3] == GIVE:
        room = min(room, give[b] / efficiency)
    else:
        room = min(room, held[b] - low[b])
        if promised < held[b] - near:
            room = min(room, held[b] - promised)
    for e in range(min(a, b), max(a, b)):
        room = min(room, held[e] - low[e] if a < b else high[e] - held[e])
    return float(room)


@compiled
def taper_room_kwh(
    where: IntArray,
    k: int,
    begin: int,
    take: FloatArray,
    held: FloatArray,
    share: FloatArray,
    full: float,
) -> float:
    """How far a move can go before the taper of a vehicle binds, kWh."""
    a, b = where[k, 0], where[k, 2]
    room = np.inf
    if where[k, 3] == TAKE and share[b] > 0.0:
        before = held[b - 1] if b > begin else 0.0
        left = share[b] * (full - before) - take[b]
        # Taken out before, it leaves the battery emptier: the same slot may take more.
        room = left / max(1.0 - share[b], 1e-12) if a < b else left
    for e in range(b + 1, a + 1):
        if share[e] > 0.0 and not (e == a and where[k, 1] == TAKE):
            room = min(room, full - held[e - 1] - take[e] / share[e])
    return room
