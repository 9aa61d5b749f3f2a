"""Within a priority: the lexicographic max-min of the served fraction, by decomposition.

All sessions of a group are held to one fraction that uses up the group's energy. Who stays below
it, when the others have handed over what ways there are for, forms a group with those that have
no way to anybody above it; that group's fraction is lower, the others' is higher, and each is
treated in the same way until every session stands at its group's fraction [1]_.

References
----------
.. [1] S. Fujishige, "Lexicographically optimal base of a polymatroid with respect to a weight
   vector", Mathematics of Operations Research 5, 1980.
"""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.exchange import exchange
from scheduler.solvers.flow_kernel.records import Bools, Flow, Ints, Net

_HALVINGS = 60


def make_fair(net: Net, flow: Flow, asked: Ints, tops: Ints, across: bool, work_limit: int) -> None:
    """Share what each priority gets so that the least served fraction is as large as it can be.

    Parameters
    ----------
    net, flow
        The network and a flow whose totals by priority are settled.
    asked : ndarray of int64, shape (n,)
        The whole request, W s; what was owed less than that has been delivered already.
    tops, across, work_limit
        As in :func:`scheduler.solvers.flow_kernel.exchange.settle`.
    """
    for rank in np.unique(net.rank[flow.left > 0]):
        pending: list[Bools] = [(net.rank == rank) & (net.owed > 0)]
        while pending:
            group = pending.pop()
            below = _level(net, flow, asked, group, tops, across, work_limit)
            if below is None or flow.work.sum() > work_limit:
                continue
            pending += [group & below, group & ~below]


def _level(
    net: Net, flow: Flow, asked: Ints, group: Bools, tops: Ints, across: bool, work_limit: int
) -> Bools | None:
    """Bring a group to one fraction as far as ways lead; who stays below, None if nobody."""
    planned = net.owed - flow.left
    least = np.minimum(planned, net.floor)
    target = _targets(net, asked, group, least, int(planned[group].sum()))
    want = np.where(group, np.maximum(target - planned, 0), 0)
    give = np.where(group, np.maximum(planned - np.maximum(target, least), 0), 0)
    if int(want.sum()) <= int(group.sum()) or not give.any():
        return None
    exchange(net, flow, tops, across, want, give, work_limit)
    below = group & (flow.distance == 0)
    if int(want.sum()) <= int(group.sum()) or bool(np.all(below[group])):
        return None
    return np.asarray(below, dtype=np.bool_)


def _targets(net: Net, asked: Ints, group: Bools, least: Ints, total: int) -> Ints:
    """What each session has at the fraction at which the group uses up its total."""
    done = asked - net.owed
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if int(_at(middle, net, asked, done, least)[group].sum()) <= total:
            low = middle
        else:
            high = middle
    return _at(low, net, asked, done, least)


def _at(fraction: float, net: Net, asked: Ints, done: Ints, least: Ints) -> Ints:
    wanted = np.floor(fraction * asked - done).astype(np.int64)
    return np.asarray(np.clip(wanted, least, net.owed), dtype=np.int64)
