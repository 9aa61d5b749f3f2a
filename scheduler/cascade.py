"""A ladder of solvers: solve, verify, else the next; at the end something that cannot fail.

A plan that already runs is kept where the new one is no better: the same inputs then change
no setpoint, however many plans cost the same.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidValueError
from scheduler.beside_assets import held_beside_assets
from scheduler.evenness import uneven
from scheduler.fewer_starts import restless, with_fewer_starts
from scheduler.filling import clip_plan
from scheduler.holdable import unholdable
from scheduler.placing import Kernel
from scheduler.problem import Fleet, FloatArray, Problem
from scheduler.repair import repaired
from scheduler.smooth import Smooth
from scheduler.solution import Solution, Solver
from scheduler.verify import verify

_SAME_KWH = 1e-6
_SAME_COST = 1e-9
_SAME_FRACTION = 1e-4

MICROGRID_RUNGS = ("general",)
"""Rungs that know storage, PV and giving vehicles; the others would plan as if there were none."""

FAIR = {"flow": "flow_fair"}
"""Who shares a shortage fairly, by who finds that there is one; both must be in the ladder."""

FAIR_SESSIONS = 5_000
"""Above it a shortage is split as the flow leaves it: sharing it would take longer than a plan."""

_SHORT_KWH = 0.01

Bools = NDArray[np.bool_]


def load_solver(name: str) -> Solver:
    """The ``solve`` of the file of that name in ``scheduler/solvers/``.

    Raises
    ------
    InvalidValueError
        If there is no such file, or it offers no ``solve``.
    """
    if not name.isidentifier():
        raise InvalidValueError(f"{name!r} is no solver's name", where="solver")
    try:
        module = importlib.import_module(f"scheduler.solvers.{name}")
    except ModuleNotFoundError as error:
        raise InvalidValueError(
            f"solver {name!r} cannot be loaded: {error}",
            where="solver",
            fix="use the name of a file in scheduler/solvers/, and install what it imports",
        ) from error
    solver: Solver | None = getattr(module, "solve", None)
    if solver is None:
        raise InvalidValueError(f"{name!r} offers no solve()", where="solver")
    return solver


def load_again(name: str) -> Callable[..., tuple[Solution, Any]] | None:
    """The ``solve_again`` of a solver that can start from what its last solve left, else None."""
    load_solver(name)
    module = importlib.import_module(f"scheduler.solvers.{name}")
    found: Callable[..., tuple[Solution, Any]] | None = getattr(module, "solve_again", None)
    return found


def started_from(problem: Problem, rungs: Sequence[str]) -> bytes:
    """What the ladder's last answer to a problem began with beside the problem itself.

    Parameters
    ----------
    problem : Problem
    rungs : sequence of str
        Those that were tried.

    Returns
    -------
    bytes
        For a step record; empty where nothing but the problem decided.
    """
    return b"".join(m.started_from() for m in _remembering(problem, rungs))


def start_from(problem: Problem, rungs: Sequence[str], start: bytes) -> None:
    """Let the ladder's next answer begin as one began of which :func:`started_from` told."""
    for module in _remembering(problem, rungs):
        module.start_from(start)


def _remembering(problem: Problem, rungs: Sequence[str]) -> list[Any]:
    """The one rung's module that starts from what its last solve left, where it is tried."""
    if problem.microgrid is None:
        return []
    found = [n for n in rungs if n in MICROGRID_RUNGS]
    return [importlib.import_module(f"scheduler.solvers.{n}") for n in found[:1]]


def run_cascade(
    problem: Problem,
    rungs: Sequence[tuple[str, Solver]],
    work_limit: int,
    running: FloatArray | None = None,
) -> Solution:
    """The first verified answer of the ladder; never raises.

    Parameters
    ----------
    problem : Problem
        The problem.
    rungs : sequence of (name, solver)
        Tried in this order. After them come ``shifted`` (the running plan, clipped to the
        problem's bounds), ``greedy``, and ``idle`` (nothing charges). A problem with a
        microgrid goes to :data:`MICROGRID_RUNGS` alone, any other to the rest; one of
        :data:`FAIR` is asked where the rung it belongs to ends short.
    work_limit : int
        Units of work that each rung may spend.
    running : ndarray, shape (offsets[-1],), optional
        The plan that runs, on this problem's entries; by default ``problem.running_kwh``.

    Returns
    -------
    Solution
        Verified; ``rung`` says who answered.
    """
    if running is None:
        running = problem.running_kwh
    general = problem.microgrid is not None
    for name, solver in rungs:
        if (name in MICROGRID_RUNGS) != general or _waits_for_another(name, rungs):
            continue
        answer = _attempt(problem, name, solver, work_limit)
        if answer is not None:
            answer = _held(problem, _shared(problem, answer, rungs, work_limit))
            return answer if general else _keep_running(problem, answer, running)
    entries = int(problem.offsets[-1])
    if running is not None and running.shape == (entries,):
        shifted = Solution(clip_plan(problem, running), "feasible", "shifted", float("nan"), 0)
        if bool(running.any()) and verify(problem, shifted).ok:
            return _held(problem, shifted)
    greedy = load_solver("greedy")
    answer = _attempt(problem, "greedy", greedy, max(work_limit, problem.fleet.n))
    if answer is not None:
        return _held(problem, answer)
    return Solution(np.zeros(entries), "feasible", "idle", float("nan"), 0)


def _waits_for_another(name: str, rungs: Sequence[tuple[str, Solver]]) -> bool:
    """Whether a rung is asked only when another of the ladder has found a shortage."""
    return any(FAIR.get(other) == name for other, _ in rungs)


def _shared(
    problem: Problem, answer: Solution, rungs: Sequence[tuple[str, Solver]], work_limit: int
) -> Solution:
    """Under a shortage as much energy by priority, shared by max-min of the served fraction."""
    fair = dict(rungs).get(FAIR.get(answer.rung, ""))
    if fair is None or problem.fleet.n > FAIR_SESSIONS:
        return answer
    if float(answer.short_kwh(problem).sum()) <= _SHORT_KWH:
        return answer
    found = _attempt(problem, FAIR[answer.rung], fair, work_limit)
    return answer if found is None else found


def _held(problem: Problem, answer: Solution) -> Solution:
    """The answer as piles can hold and switch it, where that keeps every bound."""
    try:
        if problem.microgrid is not None:
            held = held_beside_assets(problem, answer, _placing_kernel(answer.rung))
            return held if held is answer or verify(problem, held).ok else answer
        held = repaired(problem, answer, _placing_kernel(answer.rung))
        held = held if held is answer or verify(problem, held).ok else answer
        calm = with_fewer_starts(problem, held)
        return calm if calm is held or verify(problem, calm).ok else held
    except Exception:
        return answer


def _placing_kernel(rung: str) -> Kernel | None:
    """What a rung that has just answered has compiled for the repair, if anything."""
    module = sys.modules.get(f"scheduler.solvers.{rung}")
    offered: Callable[[], Kernel | None] | None = getattr(module, "placing_kernel", None)
    return None if offered is None else offered()


def _attempt(problem: Problem, name: str, solver: Solver, work_limit: int) -> Solution | None:
    """A rung's verified answer, or None whatever goes wrong in it."""
    try:
        answer = solver(problem, work_limit=work_limit)
        if not verify(problem, answer).ok:
            return None
    except Exception:
        return None
    return dataclasses.replace(answer, rung=name)


def _keep_running(problem: Problem, answer: Solution, running: FloatArray | None) -> Solution:
    """The running plan under the answer's name where it is feasible and just as good."""
    if running is None or running.shape != answer.energy_kwh.shape:
        return answer
    kept = dataclasses.replace(answer, energy_kwh=running)
    slack = 0.5 * answer.gap if answer.status == "gap" and answer.gap > 0 else 0.0
    as_good = _as_good(problem, running, answer.energy_kwh, slack)
    as_good = as_good and not _rougher(problem, running, answer.energy_kwh)
    as_good = as_good and not unholdable(problem, running).any()
    as_good = as_good and not restless(problem, running).size
    as_good = as_good and not (
        uneven(problem, running).any() and not uneven(problem, answer.energy_kwh).any()
    )
    return kept if as_good and verify(problem, kept).ok else answer


def _rougher(problem: Problem, plan: FloatArray, best: FloatArray) -> bool:
    """Whether a plan is less even than another by more than steps can tell apart."""
    smooth: Smooth | None = problem.smooth
    if smooth is None:
        return False
    square = [smooth.square(problem.entry_slot, problem.horizon.slot_h, e) for e in (plan, best)]
    return square[0] > square[1] + smooth.resolution(problem.horizon.slot_h)


def _as_good(problem: Problem, plan: FloatArray, best: FloatArray, slack: float) -> bool:
    """Whether a plan delivers as much at each level, as fairly, and costs no more.

    Where the best is itself only known to a gap, half of it is no reason to move anyone.
    """
    fleet = problem.fleet
    given = [problem.session_sums(energy) for energy in (plan, best)]
    promised = [float(np.minimum(g, fleet.promised_kwh).sum()) for g in given]
    if promised[0] < promised[1] - _SAME_KWH - slack * promised[1]:
        return False
    for level in np.unique(fleet.priority):
        members = fleet.priority == level
        most = float(given[1][members].sum())
        if float(given[0][members].sum()) < most - _SAME_KWH - 0.1 * slack * most:
            return False
        if _less_fair(fleet, members, given[0], given[1], _SAME_FRACTION + slack):
            return False
    early = fleet.earliest[problem.entry_session]
    if bool(early.any()):
        place = np.where(early, problem.entry_slot - problem.first[problem.entry_session], 0)
        if float(place @ plan) > float(place @ best) + _SAME_KWH:
            return False
    answers = [Solution(e, "feasible", "", 0.0, 0) for e in (plan, best)]
    costs = [a.cost(problem) + a.peak_cost(problem) for a in answers]
    return costs[0] <= costs[1] + max(_SAME_COST, slack) * max(abs(costs[1]), 1.0)


def _less_fair(
    fleet: Fleet, members: Bools, plan: FloatArray, best: FloatArray, same: float
) -> bool:
    """Whether a plan's served fractions, sorted, are the smaller ones where they first differ."""
    asked = np.maximum(fleet.asked_kwh[members], _SAME_KWH)
    done = (fleet.asked_kwh - fleet.energy_kwh)[members]
    mine = np.sort((done + plan[members]) / asked)
    theirs = np.sort((done + best[members]) / asked)
    apart = np.flatnonzero(np.abs(mine - theirs) > same)
    return bool(apart.size and mine[apart[0]] < theirs[apart[0]])
