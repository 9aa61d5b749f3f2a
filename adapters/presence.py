"""One daemon speaks for a site: epochs, and who else says that he does.

Every daemon says on ``status`` who it is (the instance of its store) and under which epoch it
speaks; a pile obeys the higher epoch. A retained status may outlive its daemon, the message
that a daemon sends to itself does not: so the later of two daemons can tell whether the earlier
one lives, and steps back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import msgspec

from adapters.inbox import Fact, Inbox, OtherAlive, StatusHeard
from adapters.mqtt.echo import ECHO_PERIOD_S
from adapters.mqtt.links import Links
from adapters.wire import outbound
from models.errors import ValleyfillError

FIRST_LINK_S = 2.0
"""How long the start waits for the broker, and for the retained word of an earlier run."""

RIVAL_S = 2.5 * ECHO_PERIOD_S
"""Who has not spoken to itself for so long does not live."""


class SiteTakenError(ValleyfillError):
    """Another daemon runs the site."""

    code = "site_taken"


@dataclass(frozen=True)
class _Rival:
    """Another daemon that may live: of whom the broker keeps a status."""

    instance: str
    epoch: int
    until_s: float


Verdict = Literal["leave", "twin"] | int | None
"""``leave``: another daemon runs the site; ``twin``: one from a copy of our store does; a number:
speak above that epoch; None: go on.
"""


class Presence:
    """Who we are, under which epoch we speak, and whom we have heard.

    Parameters
    ----------
    site : str
        Id of the site.
    instance : str
        Of our store.
    epoch : int
        The lowest that we may speak under.
    """

    def __init__(self, site: str, instance: str, epoch: int) -> None:
        self.instance = instance
        self.epoch = epoch
        self._site = site
        self._rival: _Rival | None = None

    def listen(self, links: Links, inbox: Inbox) -> tuple[Fact, ...]:
        """Hear what the broker kept, and choose an epoch above it.

        Returns
        -------
        tuple of Fact
            What else has come meanwhile.

        Raises
        ------
        SiteTakenError
            If a daemon with another store runs this site.
        """
        end = time.monotonic() + FIRST_LINK_S
        while not links.up and time.monotonic() < end:
            time.sleep(0.01)
        if links.control_up:
            links.barrier_of("control", 1.0)
        early = list(inbox.take_facts())
        heard = [s for f in early if isinstance(f, StatusHeard) and (s := _read(f))]
        self.epoch = max([self.epoch, *(s.epoch + 1 for s in heard)])
        if any(s.state == "online" and s.instance != self.instance for s in heard):
            early += self._wait_for_others(inbox)
        return tuple(f for f in early if not isinstance(f, StatusHeard))

    def _wait_for_others(self, inbox: Inbox) -> list[Fact]:
        early: list[Fact] = []
        end = time.monotonic() + RIVAL_S
        while time.monotonic() < end:
            for fact in inbox.take_facts():
                if isinstance(fact, OtherAlive):
                    raise SiteTakenError(
                        f"another daemon runs this site (instance {fact.instance})",
                        where=self._site,
                        fix="stop it first",
                    )
                early.append(fact)
            time.sleep(0.05)
        return early

    def hear(self, fact: StatusHeard) -> Verdict:
        """What a status of the site means for us while we run."""
        status = _read(fact)
        if status is None:
            return None
        if status.instance == self.instance and status.epoch > self.epoch:
            # Our own earlier epochs are all below: one from a copy of our store has spoken. Its
            # last will is no sign that it is gone: each takes the other's connection away.
            return "twin"
        if (status.epoch, status.instance) <= (self.epoch, self.instance):
            return None
        if status.state == "offline":
            return status.epoch
        if not fact.retained:
            return "leave"
        self._rival = _Rival(status.instance, status.epoch, time.monotonic() + RIVAL_S)
        return None

    def hear_alive(self, fact: OtherAlive) -> Verdict:
        """What it means that another daemon has spoken to itself."""
        rival = self._rival
        return "leave" if rival is not None and rival.instance == fact.instance else None

    def look(self) -> Verdict:
        """Whether a rival has been given time enough."""
        rival = self._rival
        if rival is None or time.monotonic() < rival.until_s:
            return None
        self._rival = None
        return rival.epoch


def _read(fact: StatusHeard) -> outbound.Status | None:
    try:
        return msgspec.json.decode(fact.payload, type=outbound.Status)
    except msgspec.MsgspecError:
        return None
