"""The solving process: whatever happens to it, an answer or a failure comes back."""

from __future__ import annotations

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
    solving = Solving(answer=answers.put, clock=WallClock(), deadline_s=0.5, worker=hang)
    solving.start()
    try:
        problem = small_problem()
        answer = ask(solving, answers, problem)
        assert isinstance(answer, SolveFailed)
        assert answer.digest == problem.digest
        assert "0.5 s" in answer.reason
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
