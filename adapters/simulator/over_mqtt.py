"""The virtual depot behind a real broker, in lockstep: it owns time, the daemon answers.

Each step: everything that happened until the step's instant is published on the connection of
whom it happened to, and once the broker has taken it all, ``sim/time``. Setpoints that come are
obeyed and acknowledged at that instant, until the daemon says ``sim/done``. Telemetry is
published at QoS 1 here, since only then it is known to be in before the step.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from adapters.config_mqtt import MqttSettings
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.peers import Heard, PeerError, Peers
from adapters.simulator.say import GRID, METER, OPERATOR, said, sender_of
from adapters.simulator.trace import Trace
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire import root_of
from adapters.wire.outside import encode_in
from models.errors import ValleyfillError
from models.events import Event, PileMeasured
from models.horizon import UTC
from models.units import POWER_EPSILON_KW
from scheduler.effects import SetpointSent

CLOCK = "clock"
"""The connection that owns time and hears the plan."""

DONE_S = 90.0
TAKEN_S = 30.0


class LockstepError(ValleyfillError):
    """The daemon does not answer a step."""

    code = "lockstep"


@dataclass
class _Log:
    setpoints: int = 0
    renewals: int = 0
    solve_ms: list[float] = field(default_factory=list)
    rungs: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    told_kw: dict[str, float] = field(default_factory=dict)


class LockstepDepot:
    """A virtual depot on a broker.

    Parameters
    ----------
    depot : VirtualDepot
        At its start.
    settings : MqttSettings
        Where the broker is.
    login : callable, optional
        User and password of a connection by its name: ``pile ID``, ``operator``, ``grid``,
        ``meter`` or ``clock``.
    """

    def __init__(
        self,
        depot: VirtualDepot,
        settings: MqttSettings,
        *,
        login: Callable[[str], tuple[str, str]] | None = None,
    ) -> None:
        self.depot = depot
        self._site = depot.site.name
        self._root = root_of(self._site)
        self._peers = Peers(settings, prefix=f"depot-{self._site}", login=login)
        self._log = _Log()
        self._step = 0
        self._done = -1
        self._online = False

    def connect(self) -> None:
        """One connection for each pile, and one for each other sender."""
        for pile in self.depot.piles:
            self._peers.open(f"pile {pile}", f"{self._root}pile/{pile}/setpoint")
        for role in (GRID, OPERATOR, METER):
            self._peers.open(role)
        self._peers.open(
            CLOCK,
            *(self._root + topic for topic in ("sim/done", "status", "plan", "alert/+")),
        )
        self._peers.await_all()

    def await_daemon(self, timeout_s: float, *, alive: Callable[[], bool]) -> None:
        """Until the daemon says that it is online.

        Parameters
        ----------
        timeout_s : float
            Real time, s.
        alive : callable
            False once there is no daemon to wait for.
        """
        end = time.monotonic() + timeout_s
        while not self._online:
            if not alive() or time.monotonic() > end:
                raise LockstepError(
                    "the daemon does not come online", fix="look at the daemon's log"
                )
            self._peers.pump(0.2)
            self._hear_all()

    def run(self, until_s: float, *, step_s: float, told: Callable[[float], None]) -> Trace:
        """Step until an instant, or until the last vehicle has left.

        Parameters
        ----------
        until_s : float
            Latest end, epoch seconds.
        step_s : float
            Simulated time of a step, s.
        told : callable
            Told the instant reached after each step, epoch seconds.
        """
        began = time.perf_counter()
        at = self.depot.start_s
        self.step(at)
        while at < until_s and not self.depot.ended:
            at = min(at + step_s, until_s)
            self.step(at)
            told(at)
        log = self._log
        return replace(
            self.depot.trace(),
            setpoints=log.setpoints,
            renewals=log.renewals,
            solve_ms=tuple(log.solve_ms),
            rungs=dict(log.rungs),
            alerts=dict(log.alerts),
            wall_s=time.perf_counter() - began,
        )

    def step(self, at_s: float) -> None:
        """One step: what happened, the time it is, and setpoints until the daemon rests.

        Raises
        ------
        LockstepError
            If the daemon does not answer within 90 s of real time.
        """
        self._step += 1
        self._say(self.depot.advance(at_s))
        self._peers.flush(TAKEN_S)
        now = w.SimTime(
            step=self._step,
            now=datetime.fromtimestamp(at_s, UTC),
            mono_s=at_s - self.depot.start_s,
        )
        self._peers.publish(CLOCK, encode_in(self._site, now))
        end = time.monotonic() + DONE_S
        while self._done < self._step:
            self._peers.pump(0.5)
            self._hear_all()
            if time.monotonic() > end:
                raise LockstepError(
                    f"the daemon has not answered step {self._step} after {DONE_S:g} s",
                    fix="look at the daemon's log; the site needs clock = lockstep",
                )

    def _say(self, facts: list[Event]) -> None:
        for fact in facts:
            self._peers.publish(sender_of(fact), said(self._site, fact), qos=1)

    def _hear_all(self) -> None:
        while self._peers.heard:
            self._hear(self._peers.heard.popleft())

    def _hear(self, heard: Heard) -> None:
        kind = heard.topic.removeprefix(self._root)
        if kind == "sim/done":
            self._done = max(self._done, msgspec.json.decode(heard.payload, type=o.SimDone).step)
        elif kind == "status":
            status = msgspec.json.decode(heard.payload, type=o.Status)
            # Before it hears on all of its connections, what is said to it is said to nobody.
            self._online = status.state == "online" and "broker" not in status.degraded
        elif kind == "plan":
            plan = msgspec.json.decode(heard.payload, type=o.Plan)
            self._log.solve_ms.append(plan.solve_ms)
            self._log.rungs[plan.rung] += 1
        elif kind.startswith("alert/"):
            alert = msgspec.json.decode(heard.payload, type=o.Alert)
            self._log.alerts[kind.removeprefix("alert/")] += not alert.cleared
        elif kind.startswith("pile/"):
            self._obey(kind.split("/")[1], heard.payload)

    def _obey(self, pile: str, payload: bytes) -> None:
        body = msgspec.json.decode(payload, type=o.Setpoint)
        before = self._log.told_kw.get(pile)
        renewal = before is not None and abs(body.power_kw - before) <= POWER_EPSILON_KW
        self._log.renewals += renewal
        self._log.setpoints += not renewal
        self._log.told_kw[pile] = body.power_kw
        facts = self.depot.obey(
            SetpointSent(
                pile=pile,
                stamp=(body.epoch, body.seq),
                power_kw=body.power_kw,
                lease_s=body.lease_s,
                fallback_kw=body.fallback_kw,
                reason=body.reason,
                after_commit=False,
                renewal=renewal,
            )
        )
        # The daemon rests once it is acknowledged: what the pile measures must be in by then.
        facts.sort(key=lambda f: not isinstance(f, PileMeasured))
        self._say(facts)

    def close(self) -> None:
        """Say goodbye on every connection."""
        self._peers.close()


__all__ = ["LockstepDepot", "LockstepError", "PeerError"]
