"""What a peer is: a name, what it is asked, and how it plans a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scheduler.problem import FloatArray, Problem

Peer = Callable[[Problem], FloatArray]
"""Energy of each entry, kWh."""

DEAR = 10.0
"""What a kWh left undelivered costs in the peers' models: more than any price."""

WHOLE = "the whole problem"


@dataclass(frozen=True)
class Hand:
    """One tool, used as its users use it.

    Parameters
    ----------
    name : str
        As in the table.
    plan : callable
        See :data:`Peer`. Building the model counts as its time.
    asked : str
        What it is asked, where that is less than the whole problem.
    by_phase : bool
        Whether it is given single-phase piles under limits in amps instead of limits in kW.
    largest : int
        Sessions that it surely plans in time; more only in a process that is ended.
    within : float or None
        Share of the cost by which its optimum may differ from another's, by its own tolerance.
        None: it claims no optimum.
    """

    name: str
    plan: Peer
    asked: str = WHOLE
    by_phase: bool = False
    largest: int = 1_000
    within: float | None = 1e-6


def below(problem: Problem, v: int) -> list[int]:
    """Sessions below a node."""
    end = int(problem.subtree_end[v])
    return np.flatnonzero((problem.fleet.node >= v) & (problem.fleet.node < end)).tolist()


def keys(problem: Problem) -> list[tuple[int, int]]:
    """Session and slot of each entry."""
    return list(zip(problem.entry_session.tolist(), problem.entry_slot.tolist(), strict=True))


def upper_by_slot(problem: Problem) -> FloatArray:
    """Most energy of each session in each slot, kWh, shape (n, T); 0 outside its stay."""
    upper = np.zeros((problem.fleet.n, problem.horizon.n))
    upper[problem.entry_session, problem.entry_slot] = problem.upper_kwh
    return upper
