"""What a drain leaves to be looked up later: the step records of its plans, and what was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np

from adapters.solving import WORK_LIMIT
from adapters.store.steps import Step, Told, versions
from models.events import Event, Solved
from scheduler.effects import (
    Alert,
    Effect,
    EventAnswer,
    LimitAnswer,
    PlanSummary,
    SessionStatus,
    Solve,
    TransformerTold,
)
from scheduler.problem import Problem

SESSION_FULL = "session/full"
"""Told once a vehicle is found to take no more, whatever its driver asked for."""

TRANSFORMER = "node/thermal"
"""Told each quarter hour of a transformer that is watched."""

_json = msgspec.json.Encoder()


class Journal:
    """Remembers the problem that is being solved, and puts its answer beside it."""

    def __init__(self) -> None:
        self._asked: Problem | None = None

    def steps(self, facts: Sequence[Event], effects: Sequence[Effect]) -> tuple[Step, ...]:
        """The step of an answer that became the running plan; called once per drain."""
        plans = {e.digest: e for e in effects if isinstance(e, PlanSummary)}
        found = []
        for fact in facts:
            asked = self._asked
            if not isinstance(fact, Solved) or asked is None or fact.digest != asked.digest:
                continue
            plan = plans.get(fact.digest)
            if plan is not None:
                found.append(_step(asked, fact, plan))
        for effect in effects:
            if isinstance(effect, Solve):
                self._asked = effect.problem
        return tuple(found)

    def told(self, now: datetime, effects: Sequence[Effect]) -> tuple[Told, ...]:
        """Alerts, answers to limits and calls, transformers, and vehicles that were found full."""
        found = []
        for effect in effects:
            if isinstance(effect, Alert):
                found.append(Told(now, f"alert/{effect.kind}", effect.where, _body(effect)))
            elif isinstance(effect, LimitAnswer):
                about = f"{effect.node}/{effect.limit}"
                found.append(Told(now, "answer/limit", about, _body(effect)))
            elif isinstance(effect, EventAnswer):
                found.append(Told(now, "answer/event", effect.event, _body(effect)))
            elif isinstance(effect, TransformerTold):
                found.append(Told(now, TRANSFORMER, effect.node, _body(effect)))
            elif isinstance(effect, SessionStatus) and effect.state == "full":
                found.append(Told(now, SESSION_FULL, effect.session, _body(effect)))
        return tuple(found)


def _body(effect: Effect) -> str:
    return _json.encode(effect).decode()


def _step(problem: Problem, answer: Solved, plan: PlanSummary) -> Step:
    return Step(
        at=answer.now,
        problem=problem,
        energy_kwh=np.asarray(answer.energy_kwh, dtype=np.float64),
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        work=answer.work,
        rungs=answer.rungs,
        work_limit=WORK_LIMIT,
        versions=versions(),
        periods=plan.periods,
        currency=plan.currency,
        assets_kw=None if answer.assets_kw is None else np.array(answer.assets_kw),
        start=answer.start,
        relaxed_kwh=None if answer.relaxed_kwh is None else np.array(answer.relaxed_kwh),
    )
