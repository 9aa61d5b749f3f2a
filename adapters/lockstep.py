"""Lockstep: a virtual depot owns time, and the daemon answers each step when it is at rest.

The depot publishes all that happens at an instant and then ``sim/time``; until then messages
wait. At rest means: all that the broker had taken before is in, nothing is being solved,
everything is on disk, and every pile that usually answers has answered its setpoint.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from adapters.clock import SteppedClock
from adapters.host import Host
from adapters.inbox import Inbox, Message
from adapters.mqtt.links import Links
from adapters.solving import Solving
from adapters.wire.decode import decode_time
from adapters.wire.inbound import SimTime
from scheduler.effects import Rejected

log = logging.getLogger("valleyfill.lockstep")

ACK_WAIT_S = 2.0
"""Real time for a pile's answer; one that has missed it is not waited for again."""

STEP_WAIT_S = 60.0


class Lockstep:
    """Time of a lockstep run, and the messages that wait for its next step."""

    def __init__(self) -> None:
        self.clock: SteppedClock | None = None
        self.in_step = False
        self._early: list[Message] = []

    def steps_in(self, site: str, messages: list[Message]) -> tuple[list[SimTime], list[Message]]:
        """Take the steps out of the messages; what is no step in form is logged and dropped."""
        steps: list[SimTime] = []
        told = [m for m in messages if m.topic.endswith("/sim/time")]
        for message in told:
            messages.remove(message)
            read = decode_time(site, message.topic, message.payload)
            if isinstance(read, Rejected):
                log.error("%s: %s", read.topic, read.reason)
            else:
                steps.append(read)
        return steps, told

    def wait(self, messages: list[Message]) -> None:
        """Keep messages for the next step."""
        self._early.extend(messages)

    def step_to(self, step: SimTime) -> SteppedClock:
        """Go to a step's instant; the clock."""
        if self.clock is None:
            self.clock = SteppedClock(step.now, step.mono_s)
        self.clock.step_to(step.now, step.mono_s)
        return self.clock

    def due(self) -> list[Message]:
        """What has waited, control lane first."""
        early, self._early = self._early, []
        order = {"control": 0, "field": 1, "telemetry": 2}
        return sorted(early, key=lambda m: order[m.lane])


def settle(
    host: Host,
    inbox: Inbox,
    links: Links,
    solving: Solving,
    *,
    drain: Callable[[float], bool],
) -> None:
    """Drain until everything is at rest.

    Parameters
    ----------
    host, inbox, links, solving
        The parts that must come to rest.
    drain : callable
        One drain, waiting at most so many seconds for something to come; False: nothing came.
    """
    end = time.monotonic() + STEP_WAIT_S
    since = time.monotonic()
    while time.monotonic() < end:
        links.barrier()
        drain(0.0)
        while not solving.idle and time.monotonic() < end:
            drain(0.05)
        if not inbox.empty:
            continue
        if host.settled:
            return
        if drain(0.01):
            since = time.monotonic()
        elif time.monotonic() - since > ACK_WAIT_S:
            host.give_up_waiting()
