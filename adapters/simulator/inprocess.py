"""The engine against the virtual depot in one process: effects are done where they stand.

Time jumps from event to event, so a month of a site takes seconds. The channel is perfect: a
message arrives at once and none is lost; what channels do to messages is tested over MQTT.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.trace import Trace
from models.errors import ValleyfillError
from models.events import Event, Ticked
from models.horizon import UTC
from scheduler.cascade import load_solver, run_cascade
from scheduler.effects import Alert, AssetSetpointSent, Effect, PlanSummary, SetpointSent, Solve
from scheduler.problem import Problem
from scheduler.solution import Solution, answered
from scheduler.state import Recovered, SiteState

WORK_LIMIT = 2_000_000
ROUNDS = 200
"""An instant that takes more rounds than this does not end: the engine and a pile disagree."""


class EngineLike(Protocol):
    """What the host needs of an engine."""

    def start(
        self, *, now: datetime, mono_s: float, epoch: int, recovered: Recovered | None = None
    ) -> SiteState:
        """The first state."""
        ...

    def receive(
        self, state: SiteState, events: Sequence[Event]
    ) -> tuple[SiteState, tuple[Effect, ...], float]:
        """A drain of the inbox."""
        ...


SolveNow = Callable[[Problem], Solution]


def cascade_of(*rungs: str) -> SolveNow:
    """Solve inline through the cascade, with these rungs in this order."""
    loaded = [(name, load_solver(name)) for name in rungs]

    def solve(problem: Problem) -> Solution:
        return run_cascade(problem, loaded, work_limit=WORK_LIMIT, running=problem.running_kwh)

    return solve


@dataclass
class _Log:
    setpoints: int = 0
    renewals: int = 0
    solve_ms: list[float] = field(default_factory=list)
    rungs: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)


def run(
    engine: EngineLike,
    depot: VirtualDepot,
    *,
    until_s: float,
    solve: SolveNow,
    progress: Callable[[float], None] | None = None,
    watch: Callable[[float, Effect], None] | None = None,
    state: SiteState | None = None,
    after: Callable[[float, SiteState], None] | None = None,
    every_s: float | None = None,
) -> Trace:
    """Let an engine steer a depot until an instant, or until the last vehicle has left.

    Parameters
    ----------
    engine : EngineLike
        The engine.
    depot : VirtualDepot
        At its start, or where ``state`` was left; it is used up.
    until_s : float
        Latest end, epoch seconds.
    solve : callable
        Answers a problem; see :func:`cascade_of`.
    progress : callable, optional
        Told the instant reached, epoch seconds, at each step.
    watch : callable, optional
        Told every effect with its instant.
    state : SiteState, optional
        Where the engine goes on from; else it starts afresh.
    after : callable, optional
        Told the state at the end of every instant.
    every_s : float, optional
        The loop is closed on whole multiples of so many seconds alone, and what happens between
        them is heard then; else at every event.

    Returns
    -------
    Trace
        What the reference meter and the piles saw.
    """
    began = time.perf_counter()
    log = _Log()
    origin = depot.start_s
    if state is None:
        state = engine.start(now=_instant(origin), mono_s=0.0, epoch=1)
    at = due = depot.at_s
    while at < until_s:
        at = min(max(min(due, depot.next_event_s()), at), until_s)
        if every_s is not None:
            at = min(max(math.ceil(at / every_s) * every_s, at), until_s)
        events = depot.advance(at)
        state, due_mono = _drain(engine, depot, state, events, at, solve, log, watch)
        due = max(origin + due_mono, at + 1e-3)
        if after is not None:
            after(at, state)
        if progress is not None:
            progress(at)
        if depot.ended:
            break
    return replace(
        depot.trace(),
        setpoints=log.setpoints,
        renewals=log.renewals,
        solve_ms=tuple(log.solve_ms),
        rungs=dict(log.rungs),
        alerts=dict(log.alerts),
        wall_s=time.perf_counter() - began,
    )


def _drain(
    engine: EngineLike,
    depot: VirtualDepot,
    state: SiteState,
    events: list[Event],
    at: float,
    solve: SolveNow,
    log: _Log,
    watch: Callable[[float, Effect], None] | None,
) -> tuple[SiteState, float]:
    """Everything that happens at one instant, until nobody has anything to say."""
    now, mono = _instant(at), at - depot.start_s
    inbox: list[Event] = events or [Ticked(now=now, mono_s=mono)]
    due = mono
    for _ in range(ROUNDS):
        state, effects, due = engine.receive(state, inbox)
        inbox = []
        wanted: Solve | None = None
        for effect in effects:
            if watch is not None:
                watch(at, effect)
            if isinstance(effect, SetpointSent):
                if effect.renewal:
                    log.renewals += 1
                else:
                    log.setpoints += 1
                inbox += depot.obey(effect)
            elif isinstance(effect, AssetSetpointSent):
                log.setpoints += not effect.renewal
                inbox += depot.obey_asset(effect)
            elif isinstance(effect, Solve):
                wanted = effect
            elif isinstance(effect, Alert):
                log.alerts[effect.kind] += not effect.cleared
            elif isinstance(effect, PlanSummary):
                log.rungs[effect.rung] += 1
        if wanted is not None:
            inbox.append(_answer(wanted.problem, solve, now, mono, log))
        if not inbox:
            return state, due
    raise ValleyfillError(
        f"engine and depot did not come to rest at {now.isoformat()} in {ROUNDS} rounds"
    )


def _answer(problem: Problem, solve: SolveNow, now: datetime, mono: float, log: _Log) -> Event:
    began = time.perf_counter()
    answer = solve(problem)
    took_ms = (time.perf_counter() - began) * 1000.0
    log.solve_ms.append(took_ms)
    return answered(problem, answer, now=now, mono_s=mono, solve_ms=took_ms)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
