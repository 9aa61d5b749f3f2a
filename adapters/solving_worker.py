"""The solving process: it alone loads solver libraries, and it may hang, crash or be killed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from scheduler.cascade import load_solver, run_cascade, started_from
from scheduler.problem import Problem
from scheduler.solution import Solution, Solver, assets_told

NICENESS = 5
"""Control goes before solving where both want the processor."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What goes back through the pipe."""

    digest: str
    energy_kwh: NDArray[np.float64]
    status: str
    rung: str
    gap: float
    work: int
    solve_ms: float
    rungs: tuple[str, ...] = ()
    assets_kw: tuple[tuple[float, ...], ...] | None = None
    start: bytes = b""
    relaxed_kwh: NDArray[np.float64] | None = None


def serve(pipe: Connection, rungs: tuple[str, ...], work_limit: int, memory_bytes: int) -> None:
    """Answer problems until the pipe closes.

    Parameters
    ----------
    pipe : Connection
        Brings problems, each with the rungs to leave out; takes answers, and before each the
        name of every rung that is tried. The first word sent is ``ready``.
    rungs : tuple of str
        Solvers, in the order in which they are tried.
    work_limit : int
        Units of work for each rung.
    memory_bytes : int
        Limit of the address space.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.nice(NICENESS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # Whoever must go when the machine runs out of memory: this one, and not control.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    loaded, late = _load(rungs)
    load_solver("greedy")
    # The control process may be gone at any moment, and with it the other end of the pipe.
    with contextlib.suppress(EOFError, OSError):
        pipe.send("ready")
        _answer_all(pipe, loaded, late, work_limit)


def _load(rungs: tuple[str, ...]) -> tuple[list[tuple[str, Solver]], dict[str, threading.Event]]:
    """The solvers, and those that are not ready at once.

    A solver whose first call compiles has a file ``{name}_warm.py`` beside it. It is warmed in
    a thread, half a second from a warm cache and a minute without one; the others serve
    meanwhile, so that no deadline ever kills a compilation.
    """
    loaded = [(name, load_solver(name)) for name in rungs]
    late: dict[str, threading.Event] = {}
    for name in rungs:
        if find_spec(f"scheduler.solvers.{name}_warm") is None:
            continue
        ready = late[name] = threading.Event()

        def warm(
            module: str = f"scheduler.solvers.{name}_warm", done: threading.Event = ready
        ) -> None:
            import_module(module).warm()
            done.set()

        threading.Thread(target=warm, name=f"warm-{name}", daemon=True).start()
    for name in rungs:
        # It plans without what another one warms, until that is done.
        compiled_when = getattr(import_module(f"scheduler.solvers.{name}"), "compiled_when", None)
        if compiled_when is not None and late:
            compiled_when(lambda: all(done.is_set() for done in late.values()))
    return loaded, late


def _answer_all(
    pipe: Connection,
    loaded: Sequence[tuple[str, Solver]],
    late: dict[str, threading.Event],
    work_limit: int,
) -> NoReturn:
    while True:
        problem: Problem
        problem, without = pipe.recv()
        began = time.perf_counter()
        ready = [
            (name, _announced(name, solver, pipe))
            for name, solver in loaded
            if name not in without and (name not in late or late[name].is_set())
        ]
        answer = run_cascade(problem, ready, work_limit, problem.running_kwh)
        pipe.send(
            Answer(
                digest=problem.digest,
                energy_kwh=answer.energy_kwh,
                status=answer.status,
                rung=answer.rung,
                gap=answer.gap,
                work=answer.work,
                solve_ms=(time.perf_counter() - began) * 1000.0,
                rungs=tuple(name for name, _ in ready),
                assets_kw=assets_told(answer),
                relaxed_kwh=answer.relaxed_kwh,
                start=started_from(problem, [name for name, _ in ready]),
            )
        )


def _announced(name: str, solver: Solver, pipe: Connection) -> Solver:
    """The solver, which says its name through the pipe first: whoever kills it knows whom."""

    def solve(problem: Problem, *, work_limit: int) -> Solution:
        pipe.send(name)
        return solver(problem, work_limit=work_limit)

    return solve
