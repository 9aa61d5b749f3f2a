"""One problem in the kernel's terms, solved once or, under tapers, again and again."""

from __future__ import annotations

import numpy as np

from scheduler.flowtree import flow_tree
from scheduler.problem import Problem
from scheduler.rows import taper_share, tapered_entries
from scheduler.solution import Solution, SolverError, Status
from scheduler.solvers.flow_kernel.again import mend
from scheduler.solvers.flow_kernel.exchange import settle
from scheduler.solvers.flow_kernel.fairness import make_fair
from scheduler.solvers.flow_kernel.levels import run_levels
from scheduler.solvers.flow_kernel.memory import Memory, remember
from scheduler.solvers.flow_kernel.network import (
    WS_PER_KWH,
    network,
    no_flow,
    opened,
    running,
    watt_seconds,
)
from scheduler.solvers.flow_kernel.prepare import blocks, empty_flow
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net
from scheduler.solvers.flow_kernel.taper import bend, cut_to_curve, reachable
from scheduler.weights import has_taper

_TAPER_ROUNDS = 30
_TAIL_WS = 180_000
"""0.05 kWh."""
_WITHIN_WS = 1
_LARGE_ENTRIES = 1500
_LOSS_LARGE = 0.05
_LOSS = 1e-3
_SAME_KWH = 1e-3
_PROVED = 1e-7
BLOCK_SESSIONS = 128
"""Subtrees up to this size are solved on their own first."""


def remembering(
    problem: Problem, memory: Memory | None, rung: str, work_limit: int, *, fair: bool
) -> tuple[Solution, Memory | None]:
    """Solve a problem starting from the flow of the one before, or afresh.

    Parameters
    ----------
    problem, rung, work_limit, fair
        As in :func:`answer`.
    memory : Memory, optional
        What the solve before left. Used up.

    Returns
    -------
    Solution, Memory or None
        The answer, and what it leaves; None where the problem is more than a plain flow.

    Raises
    ------
    SolverError
        If the problem leaves the flow, or the limit is passed.
    """
    if memory is not None:
        mended = mend(problem, memory, rung, fair=fair, block=BLOCK_SESSIONS)
        if mended is not None:
            return mended
    if problem.offsets[-1] == 0:
        return answer(problem, rung, work_limit, fair=fair), None
    run = Run(problem, rung, int(min(work_limit, 2**62)), fair=fair)
    if has_taper(problem) and tapered_entries(problem).size:
        return run.under_taper(), None
    return run.solve("optimal", 0.0), run.memory()


def answer(problem: Problem, rung: str, work_limit: int, *, fair: bool) -> Solution:
    """Solve a problem by the flow.

    Parameters
    ----------
    problem : Problem
        A problem inside the flow.
    rung : str
        The name to answer under.
    work_limit : int
        Most augmentations and searches.
    fair : bool
        Whether a shortage is shared by the max-min of the served fraction.

    Raises
    ------
    SolverError
        If the problem leaves the flow, or the limit is passed.
    """
    if problem.offsets[-1] == 0:
        return Solution(np.zeros(0), "optimal", rung, 0.0, 0)
    run = Run(problem, rung, int(min(work_limit, 2**62)), fair=fair)
    if has_taper(problem) and tapered_entries(problem).size:
        return run.under_taper()
    return run.solve("optimal", 0.0)


class Run:
    """One problem in the kernel's terms; solved once, or again after bounds have changed."""

    def __init__(self, problem: Problem, rung: str, limit: int, *, fair: bool) -> None:
        self._problem, self._rung, self._limit, self._fair = problem, rung, limit, fair
        tree = self._tree = flow_tree(problem)
        self._net, self._order = network(problem, tree)
        self._mixed = tree.mixed
        self._entry_count = tree.count[problem.entry_session] if tree.mixed else np.ones(1)
        net = self._net
        self._tops, self._upper, block = blocks(
            net.end, net.session_from, net.session_to, BLOCK_SESSIONS
        )
        fleet, order = problem.fleet, self._order
        start_s = np.maximum(fleet.start_s, problem.horizon.start_s)[order]
        needed_s = fleet.energy_kwh[order] / fleet.max_kw[order] * 3600.0
        net.turn[:] = np.lexsort((fleet.end_s[order] - start_s - needed_s, block))
        self._opens = opened(problem, net)
        self._running = running(problem, self._entry_count)
        self._early = fleet.earliest[order]
        self._work = 0

    def solve(self, status: Status, gap: float) -> Solution:
        """The flow within the present bounds."""
        self._flow = no_flow(self._net)
        net, flow, limit = self._net, self._flow, self._limit
        empty_flow(net, flow)
        opens = self._opens
        if self._early.any():
            opens = self._place_early(net, flow)
        run_levels(net, flow, self._tops, self._upper, opens, self._running, limit)
        if self._early.any() and flow.left.any():
            raise SolverError("not all fits beside a session that charges at once")
        if self._mixed and flow.left.any():
            raise SolverError("too little for sessions that count differently")
        across = self._upper.size > 0
        settle(net, flow, self._tops, across, limit)
        if self._fair:
            asked = watt_seconds(self._problem.fleet.asked_kwh[self._order])
            make_fair(net, flow, asked, self._tops, across, limit)
        self._work += int(flow.work.sum())
        if self._work > limit:
            raise SolverError(f"more than {limit} units of work")
        return self._solution(status, gap)

    def memory(self) -> Memory | None:
        """What this solve leaves for the next; the run is over. None for more than a plain flow."""
        problem, tree = self._problem, self._tree
        more = problem.phase_limits or self._mixed or has_taper(problem)
        if more or bool(self._early.any()) or not tree.place.size:
            return None
        return remember(problem, tree, self._net, self._flow, self._order)

    def _place_early(self, net: Net, flow: Flow) -> Ints:
        """Sessions that charge at once take the earliest slots, as levels of their own, and stay.

        Returns what the price levels still open beside them.
        """
        later = flow.left.copy()
        later[self._early] = 0
        flow.left[~self._early] = 0
        each_slot = np.diag(net.cap[0])
        nothing = np.zeros(0, dtype=np.int64)
        run_levels(net, flow, self._tops, self._upper, each_slot, nothing, self._limit)
        flow.can_add[self._early] = 0
        flow.can_cut[self._early] = 0
        if flow.left.any():
            raise SolverError("a session that charges at once does not fit")
        flow.left[:] = later
        flow.blocked[:] = 0
        drawn = net.cap[0] - flow.room[0]
        opens = self._opens.copy()
        for level in opens:
            used = np.minimum(level, drawn)
            level -= used
            drawn = drawn - used
        return opens

    def _solution(self, status: Status, gap: float) -> Solution:
        planned = self._flow.energy[: int(self._problem.offsets[-1])]
        energy = planned / (WS_PER_KWH * self._entry_count)
        if self._mixed:
            status, gap = "feasible", float("nan")
        return Solution(energy, status, self._rung, gap, self._work)

    def under_taper(self) -> Solution:
        """The flow bent under the tapers, held to the bound of the flow without them.

        Raises
        ------
        SolverError
            If more than a thousandth of the energy is lost on the way; in a large problem, for
            which the general LP takes seconds, more than a twentieth.
        """
        problem, net = self._problem, self._net
        share = taper_share(problem)
        room = problem.fleet.taper_room_kwh[self._order] * WS_PER_KWH
        room[np.isinf(problem.fleet.taper_per_h[self._order])] = np.inf
        if self._mixed:
            raise SolverError("tapers, and sessions that count differently")
        owed = int(net.owed.sum())
        reachable(net, share, room, _TAIL_WS)
        trimmed = int(net.owed.sum()) < owed
        relaxed = self.solve("optimal", 0.0)
        level = np.argmax(self._opens > 0, axis=0)
        rounds = 0
        while rounds < _TAPER_ROUNDS and bend(
            net, self._flow, share, room, level, self._early, _WITHIN_WS
        ):
            rounds += 1
            self.solve("feasible", float("nan"))
        cut_to_curve(net, self._flow.energy, share, room)
        found = self._solution("feasible", float("nan"))
        bound_kwh, bound = float(relaxed.energy_kwh.sum()), relaxed.cost(problem)
        missing_kwh = bound_kwh - float(found.energy_kwh.sum())
        large = int(problem.offsets[-1]) > _LARGE_ENTRIES
        if missing_kwh > (_LOSS_LARGE if large else _LOSS) * bound_kwh:
            raise SolverError(f"the tapers cost {missing_kwh:.3f} kWh")
        if trimmed or missing_kwh > _SAME_KWH or bound <= 0:
            return found
        gap = max(found.cost(problem) / bound - 1.0, 0.0)
        return self._solution("optimal" if gap < _PROVED else "gap", gap)
