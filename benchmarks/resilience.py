"""Each solver made to hang, crash and run out of memory: does an answer come in time?

The true supervisor and the true solving process; a saboteur spoils one solver. Beside each round
a loop ticks as control does, and says how late it ever was.
"""

from __future__ import annotations

import collections
import functools
import queue
import time
from collections.abc import Callable, Sequence
from typing import Any

from adapters.clock import WallClock
from adapters.solving import RUNGS, Solving
from benchmarks import saboteur
from benchmarks.instances import Load, fleet_problem
from benchmarks.microgrids import around
from benchmarks.saboteur import Fault
from models.events import Solved, SolveFailed
from scheduler.cascade import FAIR, MICROGRID_RUNGS
from scheduler.problem import Problem

SOLVERS = ("flow", "flow_fair", "general", "highs", "mincost", "cvx", "greedy")
COLUMNS = (
    "solver", "fault", "rounds", "met", "on_time", "answered", "answer_s_max", "back_s_max",
    "loop_late_ms_max",
)  # fmt: skip

DEADLINE_S = 5.0
MEMORY_BYTES = 2 * 1024**3
_NONE = "none: the last plan goes on"
TICK_S = 0.01
WARM_S = 0.3
"""A compiled solver, loaded from its cache, is warmed a moment after the process is ready."""

BACK_S = 60.0
"""How long the process may take to be there again before the next round."""


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Rounds of every fault in every solver; --quick: one round in those that the daemon loads."""
    solvers = (*RUNGS, "greedy") if quick else SOLVERS
    rounds = 1 if quick else 10
    rows = []
    for solver in solvers:
        for one, other in (saboteur.FAULTS[k : k + 2] for k in (0, 2, 4)):
            faults = [one] if quick else [one, other]
            progress(f"{solver}: {one}")
            rows.append(row(solver, one, faults, rounds))
    return {
        "deadline_s": DEADLINE_S,
        "memory_mb": MEMORY_BYTES // 1024**2,
        "rounds": sum(r["rounds"] for r in rows),
        "on_time": sum(r["on_time"] for r in rows),
        "rows": rows,
    }


def row(solver: str, name: str, faults: Sequence[Fault], rounds: int) -> dict[str, Any]:
    """Some rounds of one solver, its faults in turn.

    Returns
    -------
    dict
        ``met``: rounds in which the solver was at work when it failed. ``on_time``: rounds that
        ended before the deadline, by a plan or by a failure told. ``answered``: those that ended
        with a verified plan. ``back_s_max``: the longest until the process was there again.
        ``loop_late_ms_max``: the control loop beside it.
    """
    problem = problem_for(solver)
    took, back, late = [], [], [0.0]
    by: collections.Counter[str] = collections.Counter()
    met = 0
    for fault in faults:
        share = [k for k in range(rounds) if faults[k % len(faults)] == fault]
        with _Supervised(solver, fault) as solving:
            for _ in share:
                answer, answer_s, late_s = solving.ask(problem)
                met += _met(answer, solver)
                took.append(answer_s)
                late.append(late_s)
                by[
                    answer.rung if isinstance(answer, Solved) else "none: the last plan goes on"
                ] += 1
                back.append(solving.wait_until_back())
    return {
        "solver": solver,
        "fault": name,
        "rounds": len(took),
        "met": met,
        "on_time": sum(t <= DEADLINE_S for t in took),
        "answered": len(took) - by[_NONE],
        "by": dict(by),
        "answer_s_max": max(took),
        "back_s_max": max(back),
        "loop_late_ms_max": 1000.0 * max(late),
    }


def _met(answer: Solved | SolveFailed, solver: str) -> bool:
    """Whether the solver was at work: it was lost and is named, or its rung alone was lost."""
    said = answer.lost if isinstance(answer, Solved) else answer.reason
    if said:
        # Greedy stands below the ladder and is asked alone here: what is lost is lost in it.
        return said.endswith(f" in {solver}") or solver == "greedy"
    return isinstance(answer, Solved) and answer.rung != solver


def problem_for(solver: str) -> Problem:
    """A problem that the solver is asked for."""
    load: Load = "short" if solver in FAIR.values() else "congested"
    problem = fleet_problem(20, load=load, seed=3)
    return around(problem) if solver in MICROGRID_RUNGS else problem


class _Supervised:
    """A supervisor whose process is sabotaged, and what it answers."""

    def __init__(self, solver: str, fault: Fault) -> None:
        self._answers: queue.Queue[Solved | SolveFailed] = queue.Queue()
        rungs = () if solver == "greedy" else (solver, *(r for r in RUNGS if r != solver))
        self._solving = Solving(
            answer=self._answers.put,
            clock=WallClock(),
            deadline_s=DEADLINE_S,
            rungs=rungs,
            worker=functools.partial(saboteur.serve, fault, solver),
            memory_bytes=MEMORY_BYTES,
            sit_out_s=0.0,
        )

    def __enter__(self) -> _Supervised:
        self._solving.start()
        self.wait_until_back()
        return self

    def __exit__(self, *_: object) -> None:
        self._solving.stop()

    def ask(self, problem: Problem) -> tuple[Solved | SolveFailed, float, float]:
        """The answer, how long it took, and how late a loop beside it was; s."""
        began, late = time.perf_counter(), 0.0
        self._solving.ask(problem)
        while True:
            due = time.perf_counter() + TICK_S
            time.sleep(TICK_S)
            late = max(late, time.perf_counter() - due)
            if not self._answers.empty():
                return self._answers.get(), time.perf_counter() - began, late

    def wait_until_back(self) -> float:
        """Seconds until the process has loaded its solvers, compiled ones among them."""
        began = time.perf_counter()
        while not self._solving.ready and time.perf_counter() - began < BACK_S:
            time.sleep(TICK_S)
        took = time.perf_counter() - began
        time.sleep(WARM_S)
        return took
