"""Asking the engine, whatever happens: a frozen process, or a fact that the program trips over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.clock import Clock
from models.events import Event, Solved, SolveFailed, Ticked
from scheduler.effects import Effect
from scheduler.engine import Engine
from scheduler.state import SiteState

log = logging.getLogger("valleyfill.host")

AGED_S = 1.0
"""A drain that took longer than this was frozen on the way: it is judged again before it speaks."""


@dataclass(frozen=True)
class Answer:
    """What the engine said, and when.

    ``faulty`` are facts that it could not take: the others were taken without them.
    """

    state: SiteState
    effects: tuple[Effect, ...]
    due_mono_s: float
    now: datetime
    mono_s: float
    faulty: tuple[Event, ...] = ()


def ask(engine: Engine, state: SiteState, events: Sequence[Event], clock: Clock) -> Answer:
    """One drain of facts, closed by the time it is.

    A process that was stopped in between asks again, so that nothing is said by an old clock. A
    message that the program trips over would come again after every restart, and take the site
    down with it: it is set aside, and control goes on without it.
    """
    for _ in range(3):
        now, mono_s = clock.now(), clock.mono_s()
        tick = Ticked(now=now, mono_s=mono_s)
        try:
            after, effects, due = engine.receive(state, [*events, tick])
            answer = Answer(after, effects, due, now, mono_s)
        except Exception:
            if not events:
                raise
            log.exception("a drain of %d facts failed; one by one", len(events))
            answer = _one_by_one(engine, state, events, tick)
        if clock.mono_s() - mono_s <= AGED_S:
            break
    return answer


def _one_by_one(engine: Engine, state: SiteState, events: Sequence[Event], tick: Ticked) -> Answer:
    effects: list[Effect] = []
    faulty: list[Event] = []
    for event in events:
        try:
            state, said, _ = engine.receive(state, [event, tick])
        except Exception:
            log.exception("a fact of the kind %s is set aside", type(event).__name__)
            faulty.append(event)
            if isinstance(event, Solved):
                # The engine waits for this answer: without one it would never plan again.
                lost = SolveFailed(
                    now=tick.now, mono_s=tick.mono_s, digest=event.digest, reason="unusable answer"
                )
                state, said, _ = engine.receive(state, [lost, tick])
                effects.extend(said)
        else:
            effects.extend(said)
    state, said, due = engine.receive(state, [tick])
    return Answer(state, (*effects, *said), due, tick.now, tick.mono_s, tuple(faulty))
