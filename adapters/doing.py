"""What a drain asks for, done: messages out, a batch to the store, a problem to the solver."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from adapters.figures import Figures
from adapters.host import Host, Outcome
from adapters.inbox import Message
from adapters.parts import Parts
from adapters.wire import Publish

log = logging.getLogger("valleyfill.daemon")

MANY_PUBLISHED = 20
FLUSH_S = 0.1
"""So many messages are let out before the next drain, which would fight them for the interpreter;
waited for no longer than this.
"""

SPOKEN_AT_MOST_S = 2.0
"""What was decided longer ago than this is not spoken any more, but decided anew."""


class Doing:
    """Hands on what a drain decided, and keeps when the next one is due.

    Parameters
    ----------
    parts : Parts
        Connections, store and solving process, started by the caller.
    figures : Figures
        Where the time to the disk is counted.
    """

    def __init__(self, parts: Parts, figures: Figures) -> None:
        self._links, self._writer, self._solving = parts.links, parts.writer, parts.solving
        self._figures = figures
        self._handed: dict[int, float] = {}
        self.due_mono_s = 0.0

    def do(self, host: Host, outcome: Outcome) -> None:
        """Do what a drain asks for: decreases leave first, the disk has not been waited for."""
        self.due_mono_s = outcome.due_mono_s
        if host.age_s(outcome) > SPOKEN_AT_MOST_S:
            log.warning("frozen between deciding and speaking: deciding anew")
            host.renew_all()
            self.due_mono_s = outcome.made_mono_s
        else:
            self.publish(outcome.publish)
        if outcome.batch is not None:
            self._handed[outcome.batch.token] = time.perf_counter()
            self._writer.put(outcome.batch)
        if outcome.solve is not None:
            self._solving.ask(outcome.solve)
        self.acknowledge(outcome.acks)

    def renew(self, host: Host) -> None:
        """Every setpoint anew, at once."""
        host.renew_all()
        self.due_mono_s = 0.0

    def publish(self, publishes: tuple[Publish, ...]) -> None:
        """Hand messages to their connections."""
        for publish in publishes:
            self._links.publish(publish)
        if len(publishes) >= MANY_PUBLISHED:
            self._links.flush(FLUSH_S)

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that messages are ours now."""
        for message in messages:
            self._links.ack(message)

    def stored(self, host: Host | None, token: int) -> None:
        """A batch is on disk, and with it all before it: what waited for that may leave."""
        now_s = time.perf_counter()
        for done in [t for t in self._handed if t <= token]:
            self._figures.commit_seconds.observe(now_s - self._handed.pop(done))
        if host is not None:
            publishes, acks = host.stored(token)
            self.publish(publishes)
            self.acknowledge(acks)
