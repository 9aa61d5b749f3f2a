"""A solving process in which one solver is made to hang, to crash or to take all memory."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import threading
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Literal

import numpy as np

from scheduler.problem import Problem
from scheduler.solution import Solution

Fault = Literal["hang", "hang in a library", "crash", "abort", "memory", "memory in a library"]

FAULTS: tuple[Fault, ...] = (
    "hang",
    "hang in a library",
    "crash",
    "abort",
    "memory",
    "memory in a library",
)
_BLOCK_BYTES = 64 * 1024**2


def serve(
    fault: Fault, name: str, pipe: Connection, rungs: tuple[str, ...], work: int, memory_bytes: int
) -> None:
    """The true solving process, but for what solver ``name`` does once it has solved.

    Parameters
    ----------
    fault : str
        One of :data:`FAULTS`. In a library: while the interpreter's lock is held, and out of
        memory as C++ is, by ending the process.
    name : str
        The solver, by its file.
    pipe, rungs, work, memory_bytes
        As :func:`adapters.solving_worker.serve` has them.
    """
    module = importlib.import_module(f"scheduler.solvers.{name}")
    honest = module.solve

    if find_spec(f"scheduler.solvers.{name}_warm") is not None:
        importlib.import_module(f"scheduler.solvers.{name}_warm").warm()

    def solve(problem: Problem, *, work_limit: int) -> Solution:
        answer: Solution = honest(problem, work_limit=work_limit)
        # Warming calls it too, in a thread of its own.
        if threading.current_thread() is threading.main_thread():
            _FAULTY[fault]()
        return answer

    vars(module)["solve"] = solve
    from adapters.solving_worker import serve as honestly

    honestly(pipe, rungs, work, memory_bytes)


def _hang() -> None:
    while True:
        pass


def _hang_in_a_library() -> None:
    ctypes.PyDLL(None).sleep(3600)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _memory() -> None:
    held = []
    while True:
        held.append(np.ones(_BLOCK_BYTES // 8))


def _memory_in_a_library() -> None:
    try:
        _memory()
    except MemoryError:
        os.abort()


_FAULTY: dict[Fault, Callable[[], None]] = {
    "hang": _hang,
    "hang in a library": _hang_in_a_library,
    "crash": _crash,
    "abort": os.abort,
    "memory": _memory,
    "memory in a library": _memory_in_a_library,
}
