"""The solving process: whatever happens to it, an answer or a failure comes back."""

from __future__ import annotations

import functools
import queue
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.clock import WallClock
from adapters.solving import Solving
from benchmarks import saboteur
from models.events import Solved, SolveFailed
from scheduler.problem import Problem
from tests.problems import problem_of, session

ROOT = Path(__file__).parents[2]


def small_problem() -> Problem:
    """One car, two hours."""
    return problem_of([session(0, 2, 10.0, 12.0)], price=[0.5, 0.3])


def hang(pipe: Connection, *_: Any) -> None:
    """Takes a problem and never answers."""
    pipe.send("ready")
    pipe.recv()
    time.sleep(600)


def crash_once(pipe: Connection, rungs: tuple[str, ...], work: int, memory: int) -> None:
    """Ends in the middle of its first problem; the process after it works."""
    marker = Path(rungs[0])
    if marker.exists():
        from adapters.solving_worker import serve

        serve(pipe, ("greedy",), work, memory)
        return
    marker.write_text("crashed")
    pipe.send("ready")
    pipe.recv()
    import os

    os.kill(os.getpid(), 11)


def gone(*_: Any) -> None:
    """Ends at once."""


def ask(solving: Solving, answers: queue.Queue[Any], problem: Problem) -> Solved | SolveFailed:
    solving.ask(problem)
    answer: Solved | SolveFailed = answers.get(timeout=60)
    return answer


def test_an_answer_comes_back_with_the_digest_of_its_problem() -> None:
    answers: queue.Queue[Any] = queue.Queue()
    solving = Solving(answer=answers.put, clock=WallClock(), deadline_s=30, rungs=("greedy",))
    solving.start()
    try:
        problem = small_problem()
        answer = ask(solving, answers, problem)
        assert isinstance(answer, Solved)
        assert answer.digest == problem.digest
        assert len(answer.energy_kwh) == int(problem.offsets[-1])
        assert np.sum(answer.energy_kwh) > 0
        assert solving.pid is not None
    finally:
        solving.stop()


def test_a_solve_that_hangs_is_killed_at_the_deadline_and_named() -> None:
    answers: queue.Queue[Any] = queue.Queue()
    solving = Solving(
        answer=answers.put, clock=WallClock(), deadline_s=0.5, worker=hang, stand_in=hang
    )
    solving.start()
    try:
        problem = small_problem()
        answer = ask(solving, answers, problem)
        assert isinstance(answer, SolveFailed)
        assert answer.digest == problem.digest
        assert "0.5 s" in answer.reason
    finally:
        solving.stop()


def sabotaged(fault: saboteur.Fault, answers: queue.Queue[Any], deadline_s: float) -> Solving:
    """The true process, in which HiGHS fails in one way."""
    return Solving(
        answer=answers.put,
        clock=WallClock(),
        deadline_s=deadline_s,
        rungs=("highs", "first_come"),
        worker=functools.partial(saboteur.serve, fault, "highs"),
        memory_bytes=1536 * 1024**2,
    )


def wait_until_ready(solving: Solving) -> None:
    end = time.monotonic() + 60
    while not solving.ready:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("fault", ["crash", "memory in a library"])
def test_a_lost_process_is_stood_in_for_and_its_rung_sits_out(fault: saboteur.Fault) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    solving = sabotaged(fault, answers, deadline_s=90)
    solving.start()
    try:
        problem = small_problem()
        answer = ask(solving, answers, problem)
        assert isinstance(answer, Solved)
        assert answer.rung == "greedy"
        assert "highs" in answer.lost
        assert sum(answer.energy_kwh) == pytest.approx(12.0)
        after = ask(solving, answers, problem)
        assert isinstance(after, Solved)
        assert (after.rung, after.rungs, after.lost) == ("first_come", ("first_come",), "")
    finally:
        solving.stop()


@pytest.mark.parametrize("fault", ["hang", "hang in a library"])
def test_a_hanging_solver_is_named_when_the_deadline_comes(fault: saboteur.Fault) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    solving = sabotaged(fault, answers, deadline_s=5)
    solving.start()
    try:
        wait_until_ready(solving)
        answer = ask(solving, answers, small_problem())
        told = answer.lost if isinstance(answer, Solved) else answer.reason
        assert "no answer in time in highs" in told
    finally:
        solving.stop()


def test_a_solver_without_memory_gives_way_to_the_next_one() -> None:
    answers: queue.Queue[Any] = queue.Queue()
    solving = sabotaged("memory", answers, deadline_s=90)
    solving.start()
    try:
        answer = ask(solving, answers, small_problem())
        assert isinstance(answer, Solved)
        assert (answer.rung, answer.lost) == ("first_come", "")
    finally:
        solving.stop()


def test_after_a_crash_the_next_problem_is_solved_by_a_new_process(tmp_path: Path) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    solving = Solving(
        answer=answers.put,
        clock=WallClock(),
        deadline_s=30,
        rungs=(str(tmp_path / "marker"),),
        worker=crash_once,
        stand_in=gone,
    )
    solving.start()
    try:
        first = ask(solving, answers, small_problem())
        assert isinstance(first, SolveFailed)
        second = ask(solving, answers, small_problem())
        assert isinstance(second, Solved)
    finally:
        solving.stop()


def test_the_control_process_loads_no_solver_and_no_pandas() -> None:
    program = (
        "import sys, adapters.daemon\n"
        "heavy = {'cvxpy', 'ortools', 'highspy', 'pandas', 'numba', 'scipy', 'cffi'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("rungs", [("greedy",), ("no_such_solver",)])
def test_a_worker_that_cannot_load_its_solvers_is_tried_again_and_never_raises(
    rungs: tuple[str, ...],
) -> None:
    solving = Solving(answer=lambda _: None, clock=WallClock(), deadline_s=1, rungs=rungs)
    solving.start()
    try:
        assert solving.idle
    finally:
        solving.stop()
