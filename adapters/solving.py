"""The supervised solving process: problems go in, answers come back as events, always in time.

The control process imports no solver. One thread here owns the process: it hands over the
newest problem, waits for the answer, and kills and starts again what hung, crashed or ran out of
memory. A little before the deadline a second, small process that loads no solver library answers
in its place (the running plan shifted, else least laxity), and the rung that was at work sits
out for a while, so that the same problem does not hang the next plan as well.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from adapters.child import end_with_parent
from adapters.clock import Clock
from adapters.solving_process import Lost, SolvingProcess
from models.events import Solved, SolveFailed
from models.site import Site
from scheduler.problem import Problem

log = logging.getLogger("valleyfill.solving")

WORK_LIMIT = 2_000_000
START_S = 60.0
"""How long the process may take to load its solvers."""

MEMORY_BYTES = 6 * 1024**3
"""Address space the process may take; beyond it an allocation fails, and so does the rung."""

STAND_IN_BYTES = 2 * 1024**3

RUNGS = ("flow", "general", "highs")
"""The exact flow first; with storage, PV or giving vehicles the general path; whatever the flow
refuses, the linear program of the fleet."""
EVEN_RUNGS = ("flow", "general", "cvx", "highs")
"""Where power is evened out, what leaves the flow goes to the quadratic program first."""

RESTART_S = 1.0

RESERVE_S = 3.0
"""Kept of the deadline for the stand-in to start and answer; at most half of it."""

SIT_OUT_S = 60.0
"""A rung in which the process was lost sits out so long; twice as long each time after."""

SIT_OUT_MOST_S = 3600.0


def rungs_of(site: Site) -> tuple[str, ...]:
    """The solvers that a site's problems are given to, in this order."""
    return EVEN_RUNGS if site.smooth_steps else RUNGS


class Solving:
    """The solving process and its supervisor.

    Parameters
    ----------
    answer : callable
        Told each answer or failure, in the supervisor's thread.
    clock : Clock
        Stamps the answers.
    deadline_s : float
        Wall-clock deadline of a solve from the moment it is begun, s > 0; it only kills.
    rungs : tuple of str
        Solvers by file name.
    worker, stand_in : callable, optional
        What the process and the one that answers in its place run; for tests.
    memory_bytes : int
        Address space of the process.
    sit_out_s : float
        How long a rung in which the process was lost is left out the first time, s.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Solved | SolveFailed], None],
        clock: Clock,
        deadline_s: float,
        rungs: tuple[str, ...] = RUNGS,
        worker: Callable[..., None] | None = None,
        stand_in: Callable[..., None] | None = None,
        memory_bytes: int = MEMORY_BYTES,
        sit_out_s: float = SIT_OUT_S,
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._deadline_s = deadline_s
        self._ready = threading.Condition()
        self._next: Problem | None = None
        self._busy = False
        self._stopping = False
        # _serve is named here and imports there: this module must not load a solver.
        self._main = SolvingProcess(
            rungs=rungs,
            work_limit=WORK_LIMIT,
            memory_bytes=memory_bytes,
            worker=worker or _serve,
            stopping=lambda: self._stopping,
        )
        self._stand_in = SolvingProcess(
            rungs=(),
            work_limit=WORK_LIMIT,
            memory_bytes=STAND_IN_BYTES,
            worker=stand_in or _serve,
            stopping=lambda: self._stopping,
        )
        self._sit_out_s = sit_out_s
        self._sits_out: dict[str, tuple[float, float]] = {}
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
        self._main.kill()
        self._stand_in.kill()

    @property
    def idle(self) -> bool:
        """Whether nothing is asked and nothing is being solved."""
        with self._ready:
            return self._next is None and not self._busy

    @property
    def ready(self) -> bool:
        """Whether the process is there and has loaded its solvers."""
        return self._main.ready

    @property
    def pid(self) -> int | None:
        """Process id of the solving process, while there is one."""
        return self._main.pid

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._one()
            except Exception as problem:
                self._main.kill()
                if self._stopping:
                    return
                log.error("the solving process is lost: %s", problem)
                with self._ready:
                    if not self._stopping and self._next is None:
                        self._ready.wait(RESTART_S)

    def _one(self) -> None:
        """Start what is not there; take the problem that waits, if any, and have it answered."""
        self._main.start()
        with self._ready:
            if self._next is None and not self._stopping:
                self._ready.wait(1.0 if self._main.ready else 0.1)
            problem, self._next = self._next, None
            self._busy = problem is not None
        if problem is not None:
            self._tell(self._solved(problem))
            return
        self._main.wait_ready(time.monotonic())
        if not self._main.alive:
            raise Lost("the process is gone")
        if not self._main.ready and time.monotonic() - self._main.started_s > START_S:
            raise Lost(f"has not loaded its solvers in {START_S:g} s")

    def _solved(self, problem: Problem) -> Solved | SolveFailed:
        """An answer by the deadline: by the process, else by the stand-in, else the failure."""
        began_s = time.monotonic()
        last_s = began_s + self._deadline_s
        reason = ""
        try:
            until_s = last_s - min(RESERVE_S, 0.5 * self._deadline_s)
            if self._main.wait_ready(until_s):
                return self._event(problem, self._main.solve(problem, self._resting(), until_s))
            reason = "the solving process has not loaded its solvers yet"
        except Lost as lost:
            reason = f"the solving process {lost}"
            if self._main.trying:
                reason += f" in {self._main.trying}"
                self._send_out(self._main.trying)
            self._main.kill()
        if not self._stopping:
            log.error("a solve failed: %s", reason)
        try:
            self._stand_in.start()
            if self._stand_in.wait_ready(last_s):
                answer = self._stand_in.solve(problem, frozenset(), last_s)
                return self._event(problem, answer, lost=reason)
        except Lost as lost:
            reason += f"; the one in its place {lost}"
        finally:
            self._stand_in.kill()
        waited = f"; no answer in {self._deadline_s:g} s"
        return SolveFailed(digest=problem.digest, reason=reason + waited, **self._stamp())

    def _resting(self) -> frozenset[str]:
        now_s = time.monotonic()
        return frozenset(name for name, (until, _) in self._sits_out.items() if now_s < until)

    def _send_out(self, rung: str) -> None:
        """Leave a rung out for a while, each time for longer."""
        _, before_s = self._sits_out.get(rung, (0.0, self._sit_out_s / 2))
        for_s = min(2 * before_s, SIT_OUT_MOST_S)
        self._sits_out[rung] = (time.monotonic() + for_s, for_s)

    def _event(self, problem: Problem, answer: Any, lost: str = "") -> Solved:
        return Solved(
            digest=problem.digest,
            energy_kwh=answer.energy_kwh,
            status=answer.status,
            rung=answer.rung,
            gap=answer.gap,
            work=answer.work,
            solve_ms=answer.solve_ms,
            rungs=answer.rungs,
            assets_kw=answer.assets_kw,
            start=answer.start,
            relaxed_kwh=answer.relaxed_kwh,
            lost=lost,
            **self._stamp(),
        )

    def _tell(self, event: Solved | SolveFailed) -> None:
        if not self._stopping:
            self._answer(event)
        with self._ready:
            self._busy = False

    def _stamp(self) -> dict[str, Any]:
        return {"now": self._clock.now(), "mono_s": self._clock.mono_s()}


def _serve(*args: Any) -> None:
    end_with_parent()
    from adapters.solving_worker import serve

    serve(*args)
