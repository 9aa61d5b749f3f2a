"""Demand response events: what the site answers, and which of them hold as limits (需求响应).

A mandatory ``limit_to`` is obeyed as a limit, by the kernel. Anything else needs a plan, and
what the site cannot take on it refuses with its reason: an event that nobody answers would be
counted as accepted by some senders.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from models.events import DemandCalled
from models.limits import is_limit
from models.site import Site
from scheduler.draft import Draft
from scheduler.effects import EventAnswer
from scheduler.state import CalledRecord

CALLS_KEPT = timedelta(days=1)
"""How long an event that is over is still known by name."""

CALLS_MAX = 256
"""Events that a site keeps; one more is refused."""


def called(draft: Draft, event: DemandCalled, site: Site) -> None:
    """An event, a newer word on it, or its withdrawal."""
    calls = draft.own("calls")
    if event.revoked:
        calls.pop(event.event, None)
        _answer(draft, CalledRecord(event, event.now, "revoked", "withdrawn by its sender"))
    else:
        decision, why = decide(draft, event)
        record = CalledRecord(event, event.now, decision, why)
        calls[event.event] = record
        _answer(draft, record)
    draft.put("next_limit_edge_s", 0.0)
    draft.news = True


def decide(draft: Draft, event: DemandCalled) -> tuple[str, str]:
    """``accepted`` or ``refused``, and why."""
    if event.end <= draft.get("now"):
        return "refused", "it is over already"
    if is_limit(event):
        return "accepted", "held as a limit at the point of connection"
    if event.mandatory:
        return "refused", f"{event.kind} needs a baseline that this site has not measured yet"
    return "refused", "this site takes no voluntary part in such events"


def over(draft: Draft) -> None:
    """Say once of each accepted event that it has ended, and forget what ended a day ago."""
    now = draft.get("now")
    for name, record in list(draft.get("calls").items()):
        if now < record.called.end:
            continue
        if record.decision == "accepted":
            done = replace(record, decision="ended", why="")
            draft.own("calls")[name] = done
            _answer(draft, done)
            draft.news = True
        elif now > record.called.end + CALLS_KEPT:
            del draft.own("calls")[name]


def _answer(draft: Draft, record: CalledRecord) -> None:
    draft.emit(
        EventAnswer(
            event=record.called.event,
            received_at=record.received_at,
            decision=record.decision,
            why=record.why,
        )
    )
