"""Bringing a flow under the tapers of its sessions, by bounds that follow each battery's curve.

A taper ties a slot's energy to all that was taken before, which no flow can say. So the flow is
solved without it, each session whose plan passes its curve has its later entries bounded by the
curve that its own plan leads to, and the flow is solved again, until every plan keeps its curve.
"""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.records import Bools, Floats, Flow, Ints, Net


@compiled
def reachable(net: Net, share: Floats, room: Floats, tail: int) -> None:
    """Owe each session no more than it can take when it charges all the time, alone.

    A battery never gets quite full; the last ``tail`` of it is not worth hours at the pile.
    """
    for i in range(net.base.size):
        if not np.isfinite(room[i]):
            continue
        before = 0.0
        for t in range(net.first[i], net.last[i]):
            entry = net.base[i] + t
            allowed = max(share[entry] * (room[i] - before), 0.0)
            before += min(np.float64(net.most[entry]), allowed)
        net.owed[i] = min(net.owed[i], np.int64(before), max(np.int64(room[i]) - tail, 0))
        net.floor[i] = min(net.floor[i], net.owed[i])


@compiled
def bend(
    net: Net, flow: Flow, share: Floats, room: Floats, level: Ints, at_once: Bools, tolerance: int
) -> int:
    """Bound the entries of sessions whose plan passes their curve; how many sessions those are.

    ``share`` by entry and ``room`` by session as in the taper ``e <= share (room - before)``
    (room inf: none); ``level`` is each slot's price level. From the first entry that passes the
    curve, the session is taken to charge in every slot no dearer than those it uses, or in every
    slot if it charges ``at_once``.
    """
    bent = 0
    for i in range(net.base.size):
        if not np.isfinite(room[i]):
            continue
        base = net.base[i]
        before, passed, dearest = 0.0, -1, np.int64(-1)
        for t in range(net.first[i], net.last[i]):
            taken = flow.energy[base + t]
            if taken > 0:
                dearest = max(dearest, level[t])
            if passed < 0 and taken > share[base + t] * (room[i] - before) + tolerance:
                passed = t
            before += taken
        if passed < 0:
            continue
        bent += 1
        before = 0.0
        for t in range(net.first[i], net.last[i]):
            entry = base + t
            taken = np.float64(flow.energy[entry])
            if t >= passed:
                allowed = max(share[entry] * (room[i] - before), 0.0)
                if at_once[i] or level[t] <= dearest:
                    taken = min(np.float64(net.most[entry]), net.owed[i] - before)
                taken = min(taken, allowed)
                net.most[entry] = min(net.most[entry], np.int64(allowed))
            before += taken
    return bent


@compiled
def cut_to_curve(net: Net, energy: Ints, share: Floats, room: Floats) -> int:
    """Cut what still passes a curve; the energy lost."""
    lost = 0
    for i in range(net.base.size):
        if not np.isfinite(room[i]):
            continue
        before = 0.0
        for t in range(net.first[i], net.last[i]):
            entry = net.base[i] + t
            allowed = np.int64(max(share[entry] * (room[i] - before), 0.0))
            if energy[entry] > allowed:
                lost += energy[entry] - allowed
                energy[entry] = allowed
            before += energy[entry]
    return lost
