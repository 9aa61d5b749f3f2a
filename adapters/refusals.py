"""How refusals are told: on ``rejected``, so many a second, and on a session's own topic."""

from __future__ import annotations

import logging
from collections.abc import Callable

from adapters.clock import Clock
from adapters.inbox import Message
from adapters.signatures import SECURITY, security_alert
from adapters.wire import Publish, encode
from adapters.wire.encode import publish_of, rejected_body
from scheduler.effects import Rejected, SessionStatus
from scheduler.state import SiteState

log = logging.getLogger("valleyfill.host")

TOLD_PER_S = 5.0
"""Refusals told one by one; what is beyond is counted in the next one that is told."""


class _Budget:
    """So many a second, and how many beyond that were not told."""

    def __init__(self, mono_s: float) -> None:
        self._left, self._at_s, self._suppressed = TOLD_PER_S, mono_s, 0

    def spend(self, mono_s: float) -> int | None:
        """How many were not told before this one; None: nor is this one."""
        passed_s = max(mono_s - self._at_s, 0.0)
        self._at_s = mono_s
        self._left = min(self._left + passed_s * TOLD_PER_S, 2 * TOLD_PER_S)
        if self._left < 1.0:
            self._suppressed += 1
            return None
        self._left -= 1.0
        told, self._suppressed = self._suppressed, 0
        return told


class Refusals:
    """What was refused, and how much of it has been told.

    Parameters
    ----------
    site : str
        Id of the site.
    clock : Clock
        Both times.
    count : callable
        Told the name of a counter and its label whenever one rises.
    """

    def __init__(self, site: str, clock: Clock, count: Callable[[str, str], None]) -> None:
        self.total = 0
        self._site, self._clock, self._count = site, clock, count
        # Of its own: who forges a limit must not hide it behind a flood of other refusals.
        began_s = clock.mono_s()
        self._security, self._others = _Budget(began_s), _Budget(began_s)

    def tell(self, refusal: Rejected, state: SiteState, mono_s: float) -> tuple[Publish, ...]:
        """What to publish about a refusal."""
        return (*self._on_rejected(refusal, mono_s), *self._on_the_session(refusal, state))

    def _on_rejected(self, refusal: Rejected, mono_s: float) -> tuple[Publish, ...]:
        self.total += 1
        self._count("messages_rejected", refusal.code)
        if refusal.code in SECURITY:
            self._count("security_events", refusal.code)
            log.warning("security event", extra={"code": refusal.code, "topic": refusal.topic})
        budget = self._security if refusal.code in SECURITY else self._others
        suppressed = budget.spend(mono_s)
        if suppressed is None:
            return ()
        body = rejected_body(self._site, refusal, suppressed)
        told = (publish_of(self._site, body),)
        if refusal.code not in SECURITY:
            return told
        return (*told, *encode(self._site, security_alert(refusal, self._clock.now())))

    def _on_the_session(self, refusal: Rejected, state: SiteState) -> tuple[Publish, ...]:
        """A driver whose request contradicts itself is told on the session's own topic."""
        parts = refusal.topic.split("/")
        if refusal.code != "contradiction" or parts[3:4] != ["session"] or parts[-1] != "request":
            return ()
        session = parts[4]
        if session in state.sessions:
            return ()
        why = f"{refusal.field}: {refusal.reason}"
        return encode(self._site, SessionStatus(session=session, state="rejected", why=why))


def fault(message: Message) -> Rejected:
    """The refusal of a message that the program itself tripped over."""
    return Rejected(
        topic=message.topic,
        code="program_fault",
        field="",
        reason="the program tripped over this message and set it aside; please report it",
    )
