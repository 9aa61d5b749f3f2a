"""A small world around the engine for tests: piles that obey, effects done inline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from models.events import (
    Event,
    Heartbeat,
    LimitPushed,
    NodeMeasured,
    PileAcked,
    PileBorn,
    PileMeasured,
    SessionEnded,
    SessionRequested,
    Ticked,
)
from models.network import Network, Node
from models.pile import Pile, ac_pile
from models.session import Request
from models.site import Site, WalkIn
from scheduler.cascade import load_solver, run_cascade
from scheduler.effects import Effect, SetpointSent, Solve
from scheduler.engine import Engine
from scheduler.pricing import no_books
from scheduler.solution import answered
from scheduler.state import SiteState
from tariffs.kinds.flat import Flat

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 9, 1, 8, 0, tzinfo=ZONE)
RUNGS = [(name, load_solver(name)) for name in ("highs", "greedy")]


def pile(id: str, node: str = "transformer", **changes: Any) -> Pile:
    """A single-phase 220 V 32 A pile (7.04 kW) unless changed."""
    values: dict[str, Any] = {
        "phases": (1,),
        "volts": 220.0,
        "max_a": 32.0,
        "min_a": 6.0,
        "fallback_kw": 0.0,
        "offline_kw": 0.0,
        "response_s": 5.0,
    }
    return ac_pile(id=id, node=node, **(values | changes))


def site(
    piles: tuple[Pile, ...],
    *nodes: Node,
    limit_kw: float = 100.0,
    walk_in: WalkIn | None = None,
    **changes: Any,
) -> Site:
    """A site without base load or tolerance unless changed; one transformer unless given."""
    values: dict[str, Any] = {
        "name": "depot-1",
        "zone": ZONE,
        "currency": "CNY",
        "tariff": "flat",
        "base_load": "none",
        "margin_kw": 0.0,
        "voltage_tolerance": 0.0,
        "lease_s": 60.0,
    }
    tree = nodes or (Node("transformer", limit_kw=limit_kw, heartbeat="none"),)
    return Site(network=Network(tree), piles=piles, walk_in=walk_in, **(values | changes))


@dataclass
class World:
    """Engine, obedient piles and both clocks. ``draws`` caps what a pile's vehicle takes;
    ``hears``: every pile has spoken once.
    """

    site: Site
    tariff: Any = None
    books: Any = no_books
    state: SiteState = field(init=False)
    now: datetime = START
    mono_s: float = 1000.0
    draws: dict[str, float] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    hears: bool = True
    sent: list[SetpointSent] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    solves: int = 0

    def __post_init__(self) -> None:
        self.engine = Engine(
            self.site, self.tariff or Flat("flat", "CNY", 0.6, 0.0), books=self.books
        )
        self.state = self.engine.start(now=self.now, mono_s=self.mono_s, epoch=1)
        self._seq = 0
        self.registers = {p.id: 100.0 for p in self.site.piles}
        self.setpoints = {p.id: 0.0 for p in self.site.piles}
        self.vehicles = {p.id: False for p in self.site.piles}
        if self.hears:
            self.say(*[self.telemetry(p.id) for p in self.site.piles])

    def _common(self) -> dict[str, Any]:
        self._seq += 1
        return {
            "now": self.now,
            "mono_s": self.mono_s,
            "stamp": (1, self._seq),
            "issued_at": self.now,
        }

    def power_kw(self, pile: str) -> float:
        """What the pile draws now."""
        if not self.vehicles[pile]:
            return 0.0
        return min(self.setpoints[pile], self.draws.get(pile, 1e9))

    def total_kw(self) -> float:
        """What all piles draw now."""
        return sum(self.power_kw(p.id) for p in self.site.piles)

    def telemetry(self, pile: str, **changes: Any) -> PileMeasured:
        values = {
            "power_kw": self.power_kw(pile),
            "energy_kwh": self.registers[pile],
            "vehicle": self.vehicles[pile],
        }
        return PileMeasured(pile=pile, **(values | changes), **self._common())

    def request(self, session: str, pile: str, energy_kwh: float, **changes: Any) -> Event:
        hours = changes.pop("hours", 4.0)
        values: dict[str, Any] = {
            "arrival": self.now,
            "departure": self.now + timedelta(hours=hours),
            "energy_kwh": energy_kwh,
        }
        asked = Request(session=session, pile=pile, **(values | changes))
        return SessionRequested(request=asked, **self._common())

    def end(self, session: str) -> Event:
        return SessionEnded(session=session, reason="driver", **self._common())

    def limit(self, import_kw: float | None, *, node: str = "transformer", **changes: Any) -> Event:
        values: dict[str, Any] = {
            "limit": "l1",
            "valid_from": self.now,
            "valid_until": None,
            "export_kw": None,
            "source": "test",
        }
        values |= changes
        return LimitPushed(node=node, import_kw=import_kw, **values, **self._common())

    def heartbeat(self) -> Event:
        return Heartbeat(**self._common())

    def born(self, pile: str) -> Event:
        return PileBorn(pile=pile, **self._common())

    def meter(self, power_kw: float, node: str = "transformer") -> Event:
        return NodeMeasured(node=node, power_kw=power_kw, **self._common())

    def say(self, *events: Event, solve: bool = True) -> list[Effect]:
        """Hand events to the engine and do what it asks until it is quiet."""
        everything: list[Effect] = []
        inbox: list[Event] = list(events) or [Ticked(now=self.now, mono_s=self.mono_s)]
        while inbox:
            self.state, effects, self.due = self.engine.receive(self.state, inbox)
            everything += effects
            inbox = []
            for effect in effects:
                if isinstance(effect, SetpointSent):
                    inbox += self._obey(effect)
                elif isinstance(effect, Solve) and solve:
                    inbox.append(self._solve(effect))
        self.effects += everything
        return everything

    def _obey(self, effect: SetpointSent) -> list[Event]:
        self.sent.append(effect)
        if effect.pile in self.deaf:
            return []
        self.setpoints[effect.pile] = effect.power_kw
        ack = PileAcked(
            pile=effect.pile, setpoint=effect.stamp, applied_kw=effect.power_kw, **self._common()
        )
        return [ack, self.telemetry(effect.pile)]

    def _solve(self, effect: Solve) -> Event:
        self.solves += 1
        problem = effect.problem
        found = run_cascade(problem, RUNGS, work_limit=10**9, running=problem.running_kwh)
        return answered(problem, found, now=self.now, mono_s=self.mono_s, solve_ms=0.0)

    def plug(self, *piles: str) -> list[Effect]:
        """Vehicles appear."""
        for p in piles:
            self.vehicles[p] = True
        return self.say(*[self.telemetry(p) for p in piles])

    def wait(self, seconds: float, *, step_s: float = 10.0) -> list[Effect]:
        """Let time pass, with telemetry of every pile each step."""
        out: list[Effect] = []
        left = seconds
        while left > 1e-9:
            step = min(step_s, left)
            for p in self.registers:
                self.registers[p] += self.power_kw(p) * step / 3600
            self.now += timedelta(seconds=step)
            self.mono_s += step
            out += self.say(*[self.telemetry(p) for p in self.registers])
            left -= step
        return out
