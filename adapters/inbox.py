"""The inbox: everything that happens, in three lanes, for one consumer.

Limits, overrides and emergencies come first; then what must not be lost; telemetry last, of
which only the newest per topic is kept, so a flood costs memory for each pile and not for each
message. Many threads put, one takes; putting never blocks and never fails.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice

from adapters.wire.topics import Lane
from models.events import ForecastPushed, Solved, SolveFailed

GATHER_S = 0.1
"""A measurement waits so long for others: a drain costs the same for one as for a hundred."""

AT_MOST = 500
"""Messages of a lane that one drain takes in real time: some 40 ms of work, for which a limit that
comes meanwhile waits."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came.

    ``link`` and ``generation`` say on which connection; an acknowledgement goes back there, or
    nowhere when that connection is gone. ``properties`` are its MQTT user properties.
    """

    topic: str
    payload: bytes
    qos: int
    mid: int
    lane: Lane
    generation: int
    retained: bool = False
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A connection stands."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A connection is lost; ``taken_over``: by somebody with our client id."""

    lane: Lane
    reason: str
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """The store has written everything up to a token."""

    token: int


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The store cannot write."""

    reason: str


@dataclass(frozen=True, slots=True)
class StatusHeard:
    """A status of the site: our own, one retained of an earlier run, or another daemon's."""

    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class OtherAlive:
    """Another daemon of this site proves its life to itself."""

    instance: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the daemon to end."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Somebody wants the site file to be read again."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A minute has begun: time to look at the health."""


Fact = (
    Solved
    | SolveFailed
    | ForecastPushed
    | LinkUp
    | LinkDown
    | Stored
    | StoreFailed
    | StatusHeard
    | OtherAlive
    | Stop
    | Reload
    | Sweep
)


@dataclass(frozen=True)
class Taken:
    """What one drain takes out: facts of the host itself, then messages, limits first."""

    facts: tuple[Fact, ...]
    messages: tuple[Message, ...]


class Inbox:
    """Three lanes and the host's own facts."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._facts: deque[Fact] = deque()
        self._signalled: deque[Fact] = deque()
        self._control: deque[Message] = deque()
        self._field: deque[Message] = deque()
        self._latest: dict[str, Message] = {}
        self._latest_since_s = 0.0
        self._shed = 0
        self._alone = False

    def put(self, message: Message) -> None:
        """Take in a message of its lane."""
        with self._ready:
            if message.lane == "control":
                self._control.append(message)
            elif message.lane == "field":
                self._field.append(message)
            else:
                if not self._latest:
                    self._latest_since_s = time.monotonic()
                self._shed += message.topic in self._latest
                self._latest[message.topic] = message
                if len(self._latest) > 1:
                    return
            self._ready.notify()

    def put_fact(self, fact: Fact) -> None:
        """Take in something of the host itself."""
        with self._ready:
            self._facts.append(fact)
            self._ready.notify()

    def put_signal(self, fact: Fact) -> None:
        """The same from a signal handler.

        A handler interrupts the consumer, which may hold the lock: it must not wait for it. The
        consumer never waits longer than a tick, and finds the fact then.
        """
        self._signalled.append(fact)

    def take(self, timeout_s: float, *, limits_first: bool = False) -> Taken:
        """Everything there is, waiting at most so long for the first.

        Parameters
        ----------
        timeout_s : float
            s >= 0.
        limits_first : bool
            What the first lane has comes without the others and without facts; they come with the
            next drain, even if there is more in the first by then. Of either other lane a drain
            takes :data:`AT_MOST`, so that no burst holds a limit up for longer.
        """
        end_s = time.monotonic() + timeout_s
        with self._ready:
            # What was left behind a limit has waited.
            while not (
                self._alone or self._signalled or self._facts or self._control or self._field
            ):
                left_s = end_s - time.monotonic()
                if self._latest:
                    left_s = min(left_s, self._latest_since_s + GATHER_S - time.monotonic())
                if left_s <= 0:
                    break
                self._ready.wait(left_s)
            while self._signalled:
                self._facts.append(self._signalled.popleft())
            messages = list(self._control)
            self._control.clear()
            self._alone = limits_first and bool(messages) and not self._alone
            if self._alone:
                return Taken((), tuple(messages))
            facts = tuple(self._facts)
            self._facts.clear()
            most = AT_MOST if limits_first else len(self._field) + len(self._latest)
            field = min(len(self._field), most)
            messages.extend(self._field.popleft() for _ in range(field))
            oldest = tuple(islice(self._latest, most))
            messages.extend(self._latest.pop(topic) for topic in oldest)
        return Taken(facts, tuple(messages))

    def take_facts(self) -> tuple[Fact, ...]:
        """The host's own facts alone; messages stay."""
        with self._ready:
            facts = tuple(self._facts)
            self._facts.clear()
        return facts

    @property
    def shed(self) -> int:
        """How many telemetry messages were overtaken by newer ones of their topic."""
        return self._shed

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        with self._ready:
            return not (self._facts or self._control or self._field or self._latest)
