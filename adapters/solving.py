"""The supervised solving process: problems go in, answers come back as events, always.

The control process imports no solver. One thread here owns the process: it hands over the
newest problem, waits for the answer until the deadline, and kills and starts again what hung,
crashed or ran out of memory.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from adapters.clock import Clock
from models.events import Solved, SolveFailed
from scheduler.problem import Problem

log = logging.getLogger("valleyfill.solving")

WORK_LIMIT = 2_000_000
START_S = 60.0
"""How long the process may take to load its solvers."""

MEMORY_BYTES = 6 * 1024**3
"""Address space the process may take; beyond it an allocation fails, and so does the rung."""

RUNGS = ("flow", "general", "highs")
"""The exact flow first; with storage, PV or giving vehicles the general path; whatever the flow
refuses, the linear program of the fleet."""
RESTART_S = 1.0


class Solving:
    """The solving process and its supervisor.

    Parameters
    ----------
    answer : callable
        Told each answer or failure, in the supervisor's thread.
    clock : Clock
        Stamps the answers.
    deadline_s : float
        Wall-clock deadline of a solve, s > 0; it only kills.
    rungs : tuple of str
        Solvers by file name.
    worker : callable, optional
        What the process runs; for tests.
    memory_bytes : int
        Address space of the process.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Solved | SolveFailed], None],
        clock: Clock,
        deadline_s: float,
        rungs: tuple[str, ...] = RUNGS,
        worker: Callable[..., None] | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._deadline_s = deadline_s
        self._rungs = rungs
        self._worker = worker
        self._memory_bytes = memory_bytes
        self._context = multiprocessing.get_context("spawn")
        self._ready = threading.Condition()
        self._next: Problem | None = None
        self._busy = False
        self._stopping = False
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="solving", daemon=True)

    def start(self) -> None:
        """Start the process and its supervisor; returns at once."""
        self._thread.start()

    def ask(self, problem: Problem) -> None:
        """Hand a problem over; one that waits and has not begun is replaced."""
        with self._ready:
            self._next = problem
            self._ready.notify()

    def stop(self) -> None:
        """End the process."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        self._kill()

    @property
    def idle(self) -> bool:
        """Whether nothing is asked and nothing is being solved."""
        with self._ready:
            return self._next is None and not self._busy

    @property
    def pid(self) -> int | None:
        """Process id of the solving process, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def _run(self) -> None:
        while not self._stopping:
            try:
                if self._process is None:
                    self._spawn()
                self._one()
            except Exception as problem:
                self._kill()
                if self._stopping:
                    return
                log.error("the solving process is lost: %s", problem)
                with self._ready:
                    if not self._stopping:
                        self._ready.wait(RESTART_S)

    def _spawn(self) -> None:
        ours, theirs = self._context.Pipe()
        worker = self._worker
        if worker is None:
            # Named here and imported there: this module must not load a solver.
            worker = _serve
        process = self._context.Process(
            target=worker,
            args=(theirs, self._rungs, WORK_LIMIT, self._memory_bytes),
            name="valleyfill-solving",
            daemon=True,
        )
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        self._receive(ours, START_S)

    def _receive(self, pipe: Connection, timeout_s: float) -> Any:
        """The next word from the process.

        Raises
        ------
        TimeoutError, EOFError, OSError
            If it does not come in time, or ever.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if pipe.poll(min(0.2, max(end - time.monotonic(), 0.0))):
                return pipe.recv()
            if self._stopping:
                raise EOFError("stopping")
        raise TimeoutError(f"no answer in {timeout_s:g} s")

    def _one(self) -> None:
        with self._ready:
            if self._next is None and not self._stopping:
                self._ready.wait(1.0)
            problem, self._next = self._next, None
            self._busy = problem is not None
        process, pipe = self._process, self._pipe
        assert process is not None
        assert pipe is not None
        if problem is None:
            if not process.is_alive():
                raise EOFError(f"it ended with code {process.exitcode}")
            return
        try:
            pipe.send(problem)
            answer = self._receive(pipe, self._deadline_s)
        except (TimeoutError, EOFError, OSError) as failure:
            reason = str(failure) or f"it ended with code {process.exitcode}"
            self._kill()
            if not self._stopping:
                log.error("a solve failed: %s", reason)
                self._tell(SolveFailed(digest=problem.digest, reason=reason, **self._stamp()))
            return
        self._tell(
            Solved(
                digest=answer.digest,
                energy_kwh=answer.energy_kwh,
                status=answer.status,
                rung=answer.rung,
                gap=answer.gap,
                work=answer.work,
                solve_ms=answer.solve_ms,
                rungs=answer.rungs,
                assets_kw=answer.assets_kw,
                **self._stamp(),
            )
        )

    def _tell(self, event: Solved | SolveFailed) -> None:
        self._answer(event)
        with self._ready:
            self._busy = False

    def _stamp(self) -> dict[str, Any]:
        return {"now": self._clock.now(), "mono_s": self._clock.mono_s()}

    def _kill(self) -> None:
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is not None:
            process.kill()
            process.join(2.0)
        if pipe is not None:
            pipe.close()


def _serve(*args: Any) -> None:
    from adapters.solving_worker import serve

    serve(*args)
