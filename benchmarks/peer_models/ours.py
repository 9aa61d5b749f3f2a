"""Our own solvers, OR-tools' min-cost flow and HiGHS by its own interface among them."""

from __future__ import annotations

from benchmarks.peer_models.hand import Hand, Peer
from scheduler.cascade import load_solver

_ALL = 2**31 - 1


def own(name: str) -> Peer:
    """One of our solvers, loaded when it is asked."""
    return lambda problem: load_solver(name)(problem, work_limit=_ALL).energy_kwh


HANDS = (
    Hand("flow", own("flow"), within=1e-9),
    Hand("flow, by phase", own("flow"), by_phase=True, within=1e-9),
    Hand("highspy", own("highs")),
    Hand("OR-tools min-cost flow", own("mincost")),
    Hand("greedy", own("greedy"), asked="a rule, no optimum", within=None),
)
